//! Connections that hear messages, and the subscriptions that they keep.

pub mod subscriber;
pub(crate) mod subscription_tracker;
