//! Commands and replies of Redis Streams.

pub mod carried_payload;
pub mod commands;
pub mod entry;
pub mod trim;
