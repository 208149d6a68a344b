//! The connections to one node: what to do about their failures, and where a Cluster or a sentinel moves them to.

pub mod client;
pub mod cluster_location;
pub mod ejection;
pub mod policy;
pub mod reconnects;
pub mod reply_counter;
pub mod sentinel;
pub mod state_changes;
