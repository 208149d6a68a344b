//! Bytes and connections: commands in, replies out, no policy.
//!
//! Nothing here knows what a job, a group or a completion is. [`link::Link`] is the seam: the engine submits
//! packed commands to it and hears of each reply through the sink that the link was opened with.
#![forbid(unsafe_code)]

pub mod codec;
pub mod command;
pub mod connection;
mod driver;
pub mod entries;
pub mod error;
mod handshake;
pub mod keys;
pub mod link;
pub mod options;
mod outbox;
pub mod pubsub;
mod receiver;
mod shared;
mod socket;
pub mod streams;
mod subscriptions;
mod tls;
