//! Removal of the entries that every group has acknowledged, by one consumer of a stream at a time.

pub(crate) mod boundary;
pub(crate) mod cycle;
pub(crate) mod lease;
pub(crate) mod removal;
pub(crate) mod schedule;
pub(crate) mod stream;
