//! End of entries that reached the retry limit or failed for good.

pub mod failure_record;
pub mod retry_limit;
