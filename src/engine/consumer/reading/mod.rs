//! Reads of entries: blocking reads, recovery from failures, and groups that were removed.

pub mod groups;
pub mod read_recovery;
pub mod reader;
pub mod unblock;
