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
//! `protocol` reads requests and writes replies. `clients` has the state of the connections, `streams` the entries and
//! groups, `core` both of them with the keyspace.
//!
//! Time, chance and memory have one owner each: [`clock`], [`chaos`] and the keyspace.
#![forbid(unsafe_code)]

#[cfg(feature = "simulation")]
pub mod access;
pub mod chaos;
mod clients;
pub mod clock;
mod command;
mod command_lookup;
mod commands;
mod core;
mod dispatch;
mod execution;
#[cfg(feature = "simulation")]
mod gating;
mod key;
mod keyspace;
mod monitor;
#[cfg(any(test, fuzzing))]
pub mod offline;
pub mod options;
mod protocol;
mod random;
pub mod server;
mod serving;
mod session;
#[cfg(feature = "simulation")]
pub mod simulation;
mod socket;
mod streams;
