//! Connections to a node that sentinels resolve. They move at a failover.

pub mod addresses;
pub mod failover_listener;
pub mod failover_policy;
pub mod locator;
pub mod resolver;
pub mod server_location;
