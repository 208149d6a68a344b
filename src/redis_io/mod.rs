//! Bytes and connections: commands in, replies out, no policy.
//!
//! Nothing here knows about jobs, groups or completions. [`link::Link`] is the seam: the engine submits packed commands
//! to it and receives each reply through the sink that the link was opened with.
#![forbid(unsafe_code)]

pub mod address;
pub mod cluster;
pub mod command;
pub mod command_meta;
mod command_selection;
pub mod connection;
pub mod destination;
pub mod error;
pub mod glob;
pub mod key_slot;
pub mod keys;
pub mod link;
pub(crate) mod locked;
pub mod metrics;
pub mod options;
pub mod pubsub;
pub mod resp;
pub mod sentinel;
pub mod streams;
pub mod sync;
pub mod tasks;
pub mod tls_error;
pub mod world;
