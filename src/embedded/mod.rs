//! An in-process server with the semantics of Redis 7, for first steps and for tests.
//!
//! It speaks the wire protocol on a loopback port, so that what uses it does not know: a bus, several processes,
//! `redis-cli`. Nothing is kept on disk. Of the other rooms it knows redis_io's codec, ids, globs and tasks; only the
//! binding knows it.
//!
//! ```text
//! server              listens, and owns what is connected
//!   └─ session        one connection: reads requests, writes replies
//!        └─ dispatch  one command: may it run, and when
//!             └─ commands  what it does, with what they need of Redis' own: keyspace, stream, group, channels …
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
