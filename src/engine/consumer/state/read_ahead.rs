//! Buffered entries, and those that are read ahead: their number, their start, and their return to the group. Pure.
//!
//! Each lane reads ahead for its own part of the limit, and reads again once at most half of that part waits. So one
//! read brings several entries, and a busy lane takes nothing from the others.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;

impl ConsumerState {
    /// Number of buffered entries.
    pub fn buffered_count(&self) -> usize {
        self.buffered.len() + self.fair.as_ref().map_or(0, |fair| fair.schedule.waiting())
    }

    /// Returns true if an entry waits for a slot only.
    pub fn has_waiting(&self) -> bool {
        self.buffered.waiting() > 0 || self.fair.as_ref().is_some_and(|fair| fair.schedule.waiting() > 0)
    }

    /// All buffered entries, those of a key in their order.
    pub fn buffered_entries(&self) -> impl Iterator<Item = &BufferedEntry> {
        self.buffered.iter().chain(self.scheduled())
    }

    /// Buffered entries of a stream, for changes of them.
    pub fn buffered_of_stream_mut(&mut self, stream: u32) -> impl Iterator<Item = &mut BufferedEntry> {
        let fair = self.fair.iter_mut().flat_map(|fair| fair.schedule.entries_mut());
        self.buffered.of_stream_mut(stream).chain(fair.filter(move |one| one.stream == stream))
    }

    /// Returns true if an entry is buffered.
    pub fn buffers(&self, stream: u32, entry: EntryId) -> bool {
        self.buffered.holds(stream, entry) || self.fair.as_ref().is_some_and(|fair| fair.holds(stream, entry))
    }

    /// Returns true if an entry is buffered, and another consumer can have run it before.
    pub fn may_have_run(&mut self, stream: u32, entry: EntryId) -> bool {
        self.buffered_of_stream_mut(stream).any(|one| one.entry == entry && one.deliveries != 1)
    }

    /// Returns true if an entry is in flight or buffered, so that the history must not start it again.
    pub fn holds(&self, stream: u32, entry: EntryId) -> bool {
        self.jobs.holds(stream, entry) || self.buffers(stream, entry)
    }

    /// Returns true if this job of an entry is in flight or buffered.
    pub fn holds_job(&self, stream: u32, entry: EntryId, job: Option<&[u8]>) -> bool {
        let is_it = |one: &BufferedEntry| one.is(stream, entry) && job == Some(one.job.as_bytes());
        self.jobs.holds_job(stream, entry, job)
            || job.is_some_and(|job| self.buffered.holds_job(stream, entry, job))
            || self
                .fair
                .as_ref()
                .is_some_and(|fair| fair.holds(stream, entry) && fair.schedule.entries().any(is_it))
    }

    /// Returns true if entries are read beyond the free slots.
    pub fn reads_ahead(&self) -> bool {
        self.read_ahead > 0 || self.fair.is_some()
    }

    /// Number of buffered entries of the reads of a lane that wait for a slot only.
    pub fn waiting(&self, lane: usize) -> usize {
        let read = self.buffered.of_reads();
        if self.lanes.len() == 1 {
            return read.len();
        }
        read.iter().filter(|one| self.streams[one.stream as usize].lane == lane).count()
    }

    /// Number of entries that the next read of a lane asks for beyond the free slots, if `waiting` of its entries are
    /// buffered. A read asks each of its streams for one entry at least.
    pub fn ahead(&self, waiting: usize, streams: usize) -> usize {
        let most = self.read_ahead / self.lanes.len().max(1);
        let missing = most.saturating_sub(waiting);
        if waiting <= most / 2 && missing >= streams { missing } else { 0 }
    }

    /// Takes the buffered entry that starts next. One without a renewal within `lease` stays until the next renewal shows its
    /// owner, except in an owned partition.
    pub fn take_waiting(&mut self, now: Instant, lease: Duration) -> Option<BufferedEntry> {
        if self.fair.is_some() {
            return self.take_fair(now, lease);
        }
        let streams = &self.streams;
        self.buffered.take(|one| streams[one.stream as usize].can_start_waiting(one.touched, now, lease))
    }

    /// Takes the buffered entries that `is_left` selects out of this consumer. Its next reads find those that are still
    /// pending for it.
    pub fn leave_waiting(&mut self, is_left: impl Fn(&BufferedEntry) -> bool) -> VecDeque<BufferedEntry> {
        let left = self.drop_waiting(is_left);
        for one in &left {
            self.streams[one.stream as usize].hand_back(one.entry, one.deliveries);
        }
        left
    }

    /// Takes the buffered entries that `is_left` selects out of this consumer. They are not pending for it, so its next reads do
    /// not look for them: a history has the entries of failed jobs too.
    pub fn drop_waiting(&mut self, is_left: impl Fn(&BufferedEntry) -> bool) -> VecDeque<BufferedEntry> {
        let left = self.leave_buffer(is_left);
        self.limits.note_change();
        if self.is_ordered {
            self.count_parked();
        }
        for one in &left {
            self.streams[one.stream as usize].claimed.remove(&one.entry);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::consumer::state::Phase;
    use crate::engine::consumer::state::in_flight::Delivery;
    use crate::engine::consumer::state::lane::LaneState;
    use crate::engine::consumer::state::ownership::{Ownership, OwnershipPhase};
    use crate::engine::consumer::state::stream::StreamState;
    use crate::engine::consumer::state::tests::playing;
    use crate::engine::options::consumer::{OrderOptions, StreamOptions};

    fn delivery(stream: u32, time: u64, at: Instant) -> Delivery<'static> {
        let entry = EntryId { time, sequence: 0 };
        Delivery::bare(stream, entry, at)
    }

    /// State with a stream in each lane, and entries that wait, by stream.
    fn waiting(lanes: usize, read_ahead: usize, waiting: &[u32]) -> ConsumerState {
        let mut state = ConsumerState { read_ahead, ..playing(lanes) };
        state.lanes = (0..lanes).map(|_| LaneState::default()).collect();
        state.streams.iter_mut().enumerate().for_each(|(lane, stream)| stream.lane = lane);
        for (&stream, time) in waiting.iter().zip(1..) {
            state.buffered.push(BufferedEntry::new(delivery(stream, time, Instant::now())));
        }
        state
    }

    fn run(state: &mut ConsumerState, count: u64) {
        for time in 0..count {
            state.jobs.take(delivery(0, 100 + time, Instant::now()), None);
        }
    }

    #[test]
    fn a_read_asks_for_the_free_slots_and_the_entries_to_read_ahead() {
        assert_eq!(waiting(1, 16, &[]).next_count(0, 1), Some(17));
        assert_eq!(waiting(1, 100, &[]).next_count(0, 70), Some(170));
        let mut full = waiting(1, 16, &[]);
        run(&mut full, 1);
        assert_eq!(full.next_count(0, 1), Some(16));
        let mut none = waiting(1, 0, &[]);
        run(&mut none, 1);
        assert_eq!(none.next_count(0, 1), None);
        assert_eq!(waiting(1, usize::MAX, &[]).next_count(0, u32::MAX), Some(1_024));
    }

    #[test]
    fn the_next_read_is_due_once_half_of_the_entries_have_started() {
        let count = |read_ahead, entries: usize| {
            let mut state = waiting(1, read_ahead, &vec![0; entries]);
            run(&mut state, 1);
            state.next_count(0, 1)
        };
        assert_eq!(
            [16, 9, 8, 7, 0].map(|entries| count(16, entries)),
            [None, None, Some(8), Some(9), Some(16)]
        );
        assert_eq!([1, 0].map(|entries| count(1, entries)), [None, Some(1)]);
    }

    #[test]
    fn streams_share_the_entries_to_read_ahead_and_too_few_for_each_are_not_read() {
        let count = |read_ahead| {
            let mut state = ConsumerState { read_ahead, ..playing(3) };
            run(&mut state, 1);
            state.next_count(0, 1)
        };
        assert_eq!([2, 3, 5, 16].map(count), [None, Some(1), Some(1), Some(5)]);
    }

    #[test]
    fn each_lane_reads_ahead_for_its_own_part() {
        let mut state = waiting(2, 8, &[0, 0, 0]);
        run(&mut state, 1);
        assert_eq!([0, 1].map(|lane| state.next_count(lane, 1)), [None, Some(4)]);
        state.buffered.take(|_| true);
        assert_eq!([0, 1].map(|lane| state.next_count(lane, 1)), [Some(2), Some(4)]);
        let mut few = waiting(2, 1, &[]);
        assert_eq!([0, 1].map(|lane| few.next_count(lane, 1)), [Some(1), Some(1)]);
        run(&mut few, 1);
        assert_eq!([0, 1].map(|lane| few.next_count(lane, 1)), [None, None]);
    }

    #[test]
    fn nothing_is_read_until_entries_are_handed_back() {
        let state = ConsumerState { handing_back: 1, ..waiting(1, 16, &[]) };
        assert_eq!((state.next_count(0, 1), state.is_idle()), (None, false));
    }

    #[test]
    fn a_claim_that_waits_gets_the_next_slot_and_reads_go_on() {
        let mut state = waiting(1, 4, &[0]);
        state.claim_backlog.claims_due = true;
        assert_eq!((state.startable(1), state.startable(2), state.next_count(0, 1)), (0, 1, Some(3)));
        state.phase = Phase::Pausing;
        assert_eq!(state.startable(1), 1);
    }

    /// Ownership whose lease ends at a time.
    fn owned_until(end: Instant) -> Option<Ownership> {
        let order = Some(OrderOptions { stream: "s".to_owned(), lease: Duration::from_secs(9) });
        let owned = Ownership::of(&StreamOptions { order, ..playing(1).streams[0].options.clone() })?;
        Some(Ownership { phase: OwnershipPhase::Held, valid_until: end, ..owned })
    }

    #[test]
    fn entries_start_in_order_but_those_without_a_lease_wait() {
        let (lease, now) = (Duration::from_secs(1), Instant::now() + Duration::from_secs(60));
        let mut state = waiting(1, 4, &[0, 0, 0]);
        state.buffered.of_stream_mut(0).nth(1).expect("waits").touched = now;
        let mut take = |lease| state.take_waiting(now, lease).map(|one| one.entry.time);
        assert_eq!([lease, lease, Duration::MAX].map(&mut take), [Some(2), None, Some(1)]);
        state.read_ahead = 0;
        assert!(state.take_waiting(now, lease).is_none(), "another consumer can have claimed it");
        state.streams[0].ownership = owned_until(now + lease);
        assert!(state.take_waiting(now, lease).is_some(), "nobody claims the entries of an owned partition");
    }

    #[test]
    fn the_next_read_does_not_look_for_entries_of_others() {
        let mut state = waiting(1, 4, &[0, 0]);
        assert_eq!(state.drop_waiting(|one| one.entry.time == 1).len(), 1);
        assert_eq!((state.buffered.len(), state.streams[0].handed_back), (1, None));
    }

    #[test]
    fn the_next_read_begins_with_the_entries_that_left() {
        let mut state = waiting(2, 4, &[1, 0, 1]);
        let left = state.leave_waiting(|one| one.stream == 1);
        assert_eq!(left.iter().map(|one| one.entry.time).collect::<Vec<u64>>(), [1, 3]);
        assert_eq!(state.buffered.len(), 1);
        state.streams.iter_mut().for_each(StreamState::reread_handed_back);
        assert_eq!(state.streams[0].position_text(), ">");
        assert_eq!(state.streams[1].position_text(), format!("0-{}", u64::MAX));
        let entry = |time| EntryId { time, sequence: 0 };
        let mut deliveries = |time| state.streams[1].deliveries_of_history(entry(time));
        assert_eq!([1, 1, 2].map(&mut deliveries), [1, 0, 0]);
        state.streams[1].hand_back(entry(4), 1);
        state.streams[1].end_history();
        assert_eq!(state.streams[1].deliveries_of_history(entry(4)), 1, "its history was not read yet");
        state.streams[1].reread_handed_back();
        state.streams[1].end_history();
        assert_eq!(state.streams[1].deliveries_of_history(entry(3)), 0, "another consumer has claimed it");
    }

    #[test]
    fn a_read_of_returned_entries_takes_no_job_that_has_failed_here() {
        let mut state = waiting(1, 4, &[]);
        let (stream, entry) = (&mut state.streams[0], |time| EntryId { time, sequence: 0 });
        stream.note_claim(entry(5), false);
        stream.hand_back(entry(2), 1);
        stream.reread_handed_back();
        assert_eq!([2, 3, 5, 6].map(|time| stream.takes_of_history(entry(time))), [true, false, false, true]);
        assert!(!stream.takes_of_history(entry(2)), "it runs once");
        stream.end_history();
        assert!(stream.takes_of_history(entry(3)), "a history that is read for a lost reply");
    }
}
