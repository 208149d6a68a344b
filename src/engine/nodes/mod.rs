//! The nodes of a bus: their connections, their routes, and the routers of their replies and messages.

pub mod message_router;
pub mod monitor;
pub mod node;
pub mod node_set;
pub mod probe;
pub mod reply_router;
pub mod routing;
pub mod subscriptions;
