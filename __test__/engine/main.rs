//! The engine and the links of `redis_io` against a real Redis.
#![expect(clippy::unwrap_used, reason = "a test that finds nothing there has failed")]

mod closing;
mod cluster;
mod codec;
mod ejecting;
mod handshake;
mod independent_client;
mod jobs;
mod judging;
mod locating;
mod pipelining;
mod pubsub;
mod reconnecting;
mod silence;
mod sockets;
mod stopping;
mod support;
