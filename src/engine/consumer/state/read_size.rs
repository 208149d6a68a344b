//! Size of the next read: the free slots, shared by claims, lanes and streams, and the entries to read ahead. Pure.

use crate::engine::consumer::state::lane::LaneState;
use crate::engine::consumer::state::{ConsumerState, Phase};

/// Concurrency from which on one read takes at most half of it, so that one half runs while the other is read. A read
/// ahead needs no halves.
const HALVING_FROM: usize = 64;
/// Maximum number of entries of one read.
const MAX_READ_SIZE: usize = 1_024;

impl ConsumerState {
    /// Number of free slots.
    pub fn free(&self, concurrency: u32) -> usize {
        let cap = if concurrency == u32::MAX { usize::MAX } else { concurrency as usize };
        cap.saturating_sub(self.jobs.running() + self.reserved)
    }

    /// Number of free slots for entries that are read. The other ones are left to claims.
    pub fn startable(&self, concurrency: u32) -> usize {
        let free = self.free(concurrency);
        match self.phase {
            Phase::Playing => free - self.claim_backlog.share(free),
            // Claiming ends with a pause.
            Phase::Idle | Phase::Pausing => free,
            Phase::HandingBack => 0,
        }
    }

    /// Reserves free slots for claims, `most` at most, and returns their number.
    pub fn reserve(&mut self, concurrency: u32, most: usize) -> usize {
        let room = self.free(concurrency).min(most);
        self.reserved += room;
        room
    }

    /// Number of entries per stream for the next read of a lane; `None` if no read is due.
    pub fn next_count(&self, lane: usize, concurrency: u32) -> Option<usize> {
        let LaneState { reading, recovering, busy, .. } = self.lanes[lane];
        if self.phase != Phase::Playing || reading || recovering || self.handing_back > 0 {
            return None;
        }
        if self.fair.is_some() {
            return self.next_fair_count(lane, MAX_READ_SIZE);
        }
        let streams = self.active_streams(lane).count();
        let waiting = self.waiting(lane);
        let free = if waiting == 0 { self.startable(concurrency) } else { 0 };
        let ahead = self.ahead(waiting, streams);
        if streams == 0 {
            return None;
        }
        let is_limited = !self.limits.is_empty();
        if is_limited && self.awaits_permits(lane) {
            return None;
        }
        if free == 0 && ahead == 0 {
            // The entries of a takeover take all slots, and those of a read start in turn with them.
            return (waiting == 0 && self.buffered.has_taken()).then_some(1);
        }
        let half = (concurrency as usize).div_ceil(2);
        let is_halved = concurrency as usize >= HALVING_FROM && ahead == 0;
        let most = if is_halved { free.min(half) } else { free };
        // Lanes with work get the slots; the others get their share only.
        let share = most / self.lanes.len();
        let wanted = if busy { most.saturating_sub(self.promised()).max(share) } else { share };
        let count = (wanted.saturating_add(ahead).min(MAX_READ_SIZE) / streams).max(1);
        Some(if is_limited { count.min(self.permitted_read(lane)) } else { count })
    }

    /// Number of entries that the reads under way probably return.
    fn promised(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.reading && lane.busy).map(|lane| lane.asked).sum()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::engine::consumer::state::in_flight::Delivery;
    use crate::engine::consumer::state::tests::playing;
    use crate::redis_io::streams::entry::EntryId;

    #[test]
    fn one_stream_is_read_for_all_free_slots() {
        let mut state = playing(1);
        assert_eq!(state.next_count(0, 5), Some(5));
        let (stream, entry, at) = (0, EntryId::default(), Instant::now());
        let delivery = Delivery::bare(stream, entry, at);
        state.jobs.take(delivery, None);
        assert_eq!(state.next_count(0, 5), Some(4));
        assert_eq!(state.next_count(0, 1), None);
    }

    #[test]
    fn slots_reserved_for_claims_are_not_read_for() {
        let mut state = playing(1);
        state.claim_backlog.claims_due = true;
        assert_eq!((state.next_count(0, 5), state.next_count(0, 1)), (Some(4), None));
        (state.claim_backlog.claims_due, state.reserved) = (false, 2);
        assert_eq!((state.next_count(0, 5), state.next_count(0, 2)), (Some(3), None));
        assert!(state.is_idle(), "looking for what there is to claim is nothing to wait for");
        state.claiming = 1;
        assert!(!state.is_idle());
    }

    #[test]
    fn several_streams_share_the_free_slots_and_each_is_read() {
        assert_eq!(playing(3).next_count(0, 7), Some(2));
        assert_eq!(playing(3).next_count(0, 1), Some(1));
    }

    #[test]
    fn large_concurrencies_are_read_in_halves_up_to_the_maximum() {
        assert_eq!(playing(1).next_count(0, 63), Some(63));
        assert_eq!(playing(1).next_count(0, 128), Some(64));
        assert_eq!(playing(1).next_count(0, u32::MAX), Some(MAX_READ_SIZE));
    }

    #[test]
    fn nodes_share_the_free_slots_until_one_has_work() {
        let mut state = playing(3);
        state.lanes = (0..3).map(|_| LaneState::default()).collect();
        for (lane, stream) in state.streams.iter_mut().enumerate() {
            stream.lane = lane;
        }
        assert_eq!([0, 1, 2].map(|lane| state.next_count(lane, 7)), [Some(2); 3]);
        assert_eq!([0, 1, 2].map(|lane| state.next_count(lane, 1)), [Some(1); 3]);
        state.lanes[1].busy = true;
        assert_eq!(state.next_count(1, 7), Some(7));
        state.lanes[2] = LaneState { reading: true, busy: true, asked: 3, ..LaneState::default() };
        assert_eq!(state.next_count(1, 7), Some(4), "what another lane will bring is spoken for");
    }

    #[test]
    fn nothing_is_read_unless_playing_and_ready_for_it() {
        for change in [
            (|state| state.phase = Phase::Pausing) as fn(&mut ConsumerState),
            |state| state.lanes[0].reading = true,
            |state| state.lanes[0].recovering = true,
            |state| state.streams[0].active = false,
        ] {
            let mut state = playing(1);
            change(&mut state);
            assert_eq!(state.next_count(0, 4), None);
        }
    }
}
