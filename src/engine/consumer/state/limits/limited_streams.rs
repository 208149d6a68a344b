//! Limited streams: their limits, the size of their reads, and the lanes that leave such a stream out. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::limits::RateLimit;
use crate::engine::consumer::state::limits::budget::Budget;

impl ConsumerState {
    /// Gives a stream the limit of its options. Its entries that wait for permits start without one if it has none any more.
    pub fn limit_stream(&mut self, at: usize) {
        let options = self.streams[at].options.limit.clone();
        let had_limit = self.streams[at].limit.is_some();
        self.streams[at].limit = options.map(|options| self.limits.declare(&options));
        if had_limit || self.streams[at].limit.is_some() {
            let is_limited = self.streams[at].limit.is_some();
            self.streams[at].is_closed &= is_limited;
            self.streams[at].is_full &= is_limited;
            let limit = self.streams[at].limit.map(|limit| self.limits.of_entries(limit));
            self.buffered.change_limit(at as u32, limit);
        }
    }

    /// Number of entries of reads and claims that wait for permits of a limit.
    fn held(&self, limit: usize) -> u64 {
        let limited = self.buffered.limited();
        (limited.held(limit) - limited.taken(limit)) as u64
    }

    /// Number of entries that reads of the streams of a limit can take now; 0 for none.
    fn readable(&self, limit: usize, now: Instant) -> u64 {
        let has_taken = self.buffered.limited().taken(limit) > 0;
        self.limits.all[limit].readable(self.held(limit), has_taken, now)
    }

    /// Notes which streams are not read, or not claimed from, until there are permits.
    pub(super) fn close_streams(&mut self, now: Instant) {
        for at in 0..self.streams.len() {
            let limit = self.streams[at].limit;
            self.streams[at].is_closed = limit.is_some_and(|limit| self.readable(limit, now) == 0);
            self.streams[at].is_full = limit.is_some() && self.claim_room(at) == 0;
        }
    }

    /// Maximum number of entries of a stream that a claim takes over.
    pub fn claim_room(&self, stream: usize) -> usize {
        let limit = self.streams[stream].limit;
        let room = limit.map(|limit| self.limits.all[limit].claimable(self.held(limit)));
        room.map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Maximum number of entries of each stream of a lane in its next read.
    pub fn permitted_read(&self, lane: usize) -> usize {
        let now = Instant::now();
        let limited = self.active_streams(lane).filter_map(|stream| stream.limit);
        let share = |limit: usize| {
            let streams = self.streams.iter().filter(|stream| stream.active && stream.limit == Some(limit));
            usize::try_from(self.readable(limit, now)).unwrap_or(usize::MAX) / streams.count().max(1)
        };
        limited.map(share).min().unwrap_or(usize::MAX).max(1)
    }

    /// Returns true if a stream of a lane waits for the reply to its request for permits. A read now would leave it out. Requests
    /// that fail do not delay other streams.
    pub fn awaits_permits(&self, lane: usize) -> bool {
        let closed =
            self.streams.iter().filter(|stream| stream.active && stream.lane == lane && stream.is_closed);
        let asks = |limit: usize| {
            let budget = self.limits.all[limit].budgets.get("");
            budget.is_some_and(|budget| budget.is_asking && !budget.is_failing())
        };
        closed.filter_map(|stream| stream.limit).any(asks)
    }

    /// Maximum time of a read of a lane, after which a stream that it leaves out can have permits again.
    pub fn longest_read_without(&self, lane: usize) -> Duration {
        let closed =
            self.streams.iter().filter(|stream| stream.active && stream.lane == lane && stream.is_closed);
        let wait = |limit: usize| {
            let RateLimit { options, budgets, .. } = &self.limits.all[limit];
            let opens = budgets.get("").and_then(Budget::opens).filter(|_| !options.by_key);
            opens.map_or(options.interval, |opens| opens.saturating_duration_since(Instant::now()))
        };
        closed.filter_map(|stream| stream.limit).map(wait).min().unwrap_or(Duration::MAX)
    }
}
