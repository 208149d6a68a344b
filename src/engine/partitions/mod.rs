//! Partitioned streams: a logical stream whose jobs are spread over several streams of Redis.
//!
//! `key_partition` leads a key to a partition, `partition_name` names the stream of a partition, and `declaration` keeps
//! the count that all processes agree on.

pub mod declaration;
pub mod key_partition;
pub mod partition_name;
