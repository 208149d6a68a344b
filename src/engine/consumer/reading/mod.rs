//! Reads of entries: streams and their lanes, blocking reads, recovery from failures, and groups that were removed.

pub mod groups;
pub mod lanes;
pub mod read_recovery;
pub mod reader;
pub mod unblock;
