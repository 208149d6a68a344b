//! Commands and replies of Redis Streams.

pub mod commands;
pub mod entry;
