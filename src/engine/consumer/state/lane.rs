//! What a consumer knows of one of its lanes. Pure.

use std::time::Instant;

use crate::engine::consumer::state::clock_skew::ServerClock;
use crate::engine::runtime::backoff::Backoff;

/// The reads from one node: at most one at a time, on a connection of its own.
#[derive(Debug, Default)]
pub struct LaneState {
    /// Whether a read has no reply yet.
    pub reading: bool,
    /// How many entries that read asks for.
    pub asked: usize,
    /// Whether the read under way is not of all the streams that are to be read.
    pub outdated: bool,
    /// Whether the next read waits for a backoff to pass, or for a group to be made again.
    pub recovering: bool,
    /// Whether a task makes its groups, since its node did not answer in time.
    pub catching_up: bool,
    /// Whether the last read brought something, so that the next one may take every free slot.
    pub busy: bool,
    /// How many renewals of leases have no reply yet.
    pub renewals: usize,
    /// When its reads showed last that the consumer is there.
    pub shown: Option<Instant>,
    /// Rotates the streams from read to read.
    pub rotation: usize,
    /// The connection's CLIENT ID and the session it belongs to.
    pub client_id: Option<(u64, i64)>,
    /// The session in which the CLIENT ID was asked for last.
    pub client_id_asked: Option<u64>,
    /// Failures of reads in a row.
    pub backoff: Backoff,
    /// What reads fail with at present, so that it is reported once.
    pub complaint: Option<String>,
    /// The clock by which the server says how long entries have been idle.
    pub clock: ServerClock,
}

impl LaneState {
    /// Whether a failure of reads is news; what is told apart is Redis' code, not its text.
    pub fn is_news(&mut self, complaint: &str) -> bool {
        let news = self.complaint.as_deref() != Some(complaint);
        if news {
            self.complaint = Some(complaint.to_owned());
        }
        news
    }
}
