//! The connections to one node: reactions to their failures, and moves by a Cluster or by sentinels.

pub mod client;
pub mod cluster_location;
pub mod ejection;
pub mod policy;
pub mod reconnects;
pub mod reply_counter;
pub mod sentinel;
pub mod server_changes;
pub mod state_changes;
