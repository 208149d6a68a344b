//! Bytes and connections: commands in, replies out, no policy.
//!
//! Nothing here knows what a job, a group or a completion is. [`link::Link`] is the seam: the engine submits
//! packed commands to it and hears of each reply through the sink that the link was opened with.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod command;
pub mod connection;
pub mod error;
pub mod glob;
pub mod keys;
pub mod link;
pub mod options;
pub mod pubsub;
pub mod resp;
pub mod sentinel;
pub mod streams;
pub mod tasks;
