//! The nodes of a bus: their connections, the routes that lead to them, and the replies and messages that come from them.

pub mod message_router;
pub mod monitor;
pub mod node;
pub mod node_set;
pub mod probe;
pub mod reply_router;
pub mod routing;
pub mod subscriptions;
