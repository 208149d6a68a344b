//! Claim cycles: the search for idle entries, and their takeover.

pub mod candidates;
pub mod claim;
pub mod ended_turns;
pub mod idle_consumers;
pub mod inspection;
pub mod inspection_replies;
pub mod pending_page;
pub mod schedule;
pub mod search;
