//! Entries that reached the retry limit.

pub mod failure_record;
pub mod retry_limit;
