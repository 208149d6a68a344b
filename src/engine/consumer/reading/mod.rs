//! Reading entries: the blocking reads, their failures, groups that are gone, and payloads that come with the entries.

pub mod groups;
pub mod read_recovery;
pub mod reader;
pub mod unblock;
