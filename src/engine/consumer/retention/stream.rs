//! A stream within a cycle, and what retention knows of it.

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::retention::boundary::BoundaryHistory;

/// Retention of one stream.
#[derive(Debug, Default)]
pub(crate) struct StreamRetention {
    pub(crate) history: BoundaryHistory,
    /// Time before which the lease is not tried again.
    pub(crate) idle_until: Option<Instant>,
    /// First id that stayed at the last removal.
    pub(crate) below: Option<EntryId>,
    /// True once the server has refused to compare with its groups, as before Redis 8.2.
    pub(crate) has_no_group_check: bool,
}

impl StreamRetention {
    /// Returns true while the lease is not tried again.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle_until.is_some_and(|until| Instant::now() < until)
    }
}

/// A stream within a cycle.
#[derive(Clone, Debug)]
pub(crate) struct RetainedStream {
    pub(crate) lane: usize,
    pub(crate) key: String,
    pub(crate) name: String,
}
