//! The formats that a bus keeps in Redis: ids, entries, completions, records and dead letters.

pub mod completion_commands;
pub mod completion_message;
pub mod consumer_info;
pub mod dead_letter;
pub mod group_info;
pub mod group_members;
pub mod idempotency;
pub mod job_error;
pub mod job_id;
pub mod named_fields;
pub mod outcome_record;
pub mod payload_commands;
pub mod pending_entries;
pub mod reply_tag;
pub mod retention_mark;
pub(crate) mod schedule;
pub mod stream_info;
