//! The nodes of a bus: their connections, their routes, and the routers of their replies and messages.

pub mod message_router;
pub mod monitor;
pub mod node;
pub mod node_set;
pub mod probe;
pub mod reply_router;
pub(crate) mod resubscription;
pub mod routing;
pub(crate) mod schedule_watches;
pub(crate) mod schedules;
pub(crate) mod subscriber_opener;
pub(crate) mod subscriber_pool;
pub(crate) mod subscriber_set;
pub(crate) mod subscription_moves;
pub mod subscriptions;
