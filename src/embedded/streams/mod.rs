//! Streams: entries, their ids, groups, and the delivery to readers.

pub mod delivery;
pub mod group;
pub mod listpack;
pub mod log;
pub mod node;
pub mod stream;
pub mod stream_id;
