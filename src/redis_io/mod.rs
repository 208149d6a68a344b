//! Bytes and connections: commands in, replies out, no policy.
//!
//! Nothing here knows what a job, a group or a completion is. [`link::Link`] is the seam: the engine submits
//! packed commands to it and hears of each reply through the sink that the link was opened with.
#![forbid(unsafe_code)]

mod asking;
pub mod cluster;
pub mod codec;
pub mod command;
pub mod connection;
pub mod detour;
mod driver;
pub mod entries;
pub mod error;
pub mod glob;
mod handshake;
pub mod keys;
pub mod link;
mod lookup;
pub mod options;
mod outbox;
mod pool;
pub mod pubsub;
mod receiver;
mod rerouting;
pub mod sentinel;
mod shared;
mod silence;
pub mod slot_map;
mod socket;
pub mod streams;
mod subscriptions;
pub mod tasks;
pub mod tls;
pub mod topology;
pub mod traffic;
