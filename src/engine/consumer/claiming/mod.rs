//! Claim cycles: finding entries that nobody works on any more, and taking them over.

pub mod candidates;
pub mod claim;
pub mod idle_consumers;
pub mod inspection;
pub mod inspection_replies;
pub mod pending_page;
pub mod schedule;
pub mod search;
