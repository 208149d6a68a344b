//! An in-process server with the semantics of Redis 7, for first steps and for tests.
//!
//! It speaks the wire protocol on a loopback port, so that any client works with it: a bus, several processes,
//! `redis-cli`. Nothing is kept on disk. It imports the codec, ids, globs, locks and tasks of redis_io. Only the binding
//! imports it.
//!
//! ```text
//! server              listens, and owns what is connected
//!   └─ session        one connection: reads requests, writes replies
//!        └─ dispatch  one command: decides its time, or refuses it
//!             └─ commands  its effect on keyspace, streams, groups and channels
//! ```
//!
//! Time, chance and memory have one owner each: [`clock`], [`chaos`] and the keyspace.
#![forbid(unsafe_code)]

mod channels;
pub mod chaos;
mod client;
mod client_id;
pub mod clock;
mod command;
mod command_error;
mod command_lookup;
mod commands;
mod core;
mod delivery;
mod dispatch;
mod execution;
mod group;
mod key;
mod keyspace;
mod listpack;
mod log;
mod monitor;
mod node;
mod number;
pub mod options;
mod random;
mod reply;
mod request;
pub mod server;
mod serving;
mod session;
mod stream;
mod stream_id;
mod transaction;
mod waiting;
