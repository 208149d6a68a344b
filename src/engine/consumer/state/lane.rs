//! State of one lane. Pure.

use tokio::time::Instant;

use crate::engine::consumer::state::clock_skew::ServerClock;
use crate::engine::runtime::backoff::Backoff;

/// State of the reads from one node: at most one at a time, on a reader connection.
#[derive(Debug, Default)]
pub struct LaneState {
    /// True while a read has no reply yet.
    pub reading: bool,
    /// True if this read is one of a history.
    pub reads_history: bool,
    /// Number of entries that this read asks for.
    pub asked: usize,
    /// True if the read under way lacks a stream, or entries of the history, that must be read.
    pub outdated: bool,
    /// True while the next read waits for a back-off or a new group.
    pub recovering: bool,
    /// True while a task creates its groups, since its node did not answer in time.
    pub catching_up: bool,
    /// True if the last read returned entries. The next one can then take every free slot.
    pub busy: bool,
    /// Number of lease renewals without a reply.
    pub renewals: usize,
    /// Time at which the read under way was submitted.
    pub read_sent: Option<Instant>,
    /// Time of the last read that showed Redis that the consumer lives.
    pub shown: Option<Instant>,
    /// Rotates the streams from read to read.
    pub rotation: usize,
    /// The connection's CLIENT ID and the session it belongs to.
    pub client_id: Option<(u64, i64)>,
    /// Session of the last CLIENT ID.
    pub client_id_asked: Option<u64>,
    /// Back-off after failed reads in a row.
    pub backoff: Backoff,
    /// Current failure of reads, so that it is reported once.
    pub last_failure: Option<String>,
    /// Clock of the server, which measures the idle time of entries.
    pub clock: ServerClock,
}

impl LaneState {
    /// Returns true if a failure of reads is news. Failures are compared by Redis' code, not by its text.
    pub fn is_news(&mut self, last_failure: &str) -> bool {
        let news = self.last_failure.as_deref() != Some(last_failure);
        if news {
            self.last_failure = Some(last_failure.to_owned());
        }
        news
    }
}
