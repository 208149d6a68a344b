//! Fair dispatch of a consumer: entries wait by key, and free slots are shared by the keys. Pure.
//!
//! One schedule has the entries of all streams of the consumer, since they share its slots. A key belongs to a stream of the
//! user, so to all of its partitions and nodes. The entries of a stream without fair dispatch have one key together, without a
//! cap. Parked entries of ordered partitions are not in the schedule until their turn.

pub mod dispatch;
pub mod look_ahead;
pub mod schedule;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::world::fault::planted;

use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::fair_dispatch::dispatch::{key_of, set_name};
use crate::engine::consumer::state::fair_dispatch::look_ahead::LookAhead;
use crate::engine::consumer::state::stream::StreamState;

impl ConsumerState {
    /// Begins fair dispatch, or takes its changed options, after the stream of a number was added or changed.
    pub fn arrange_fair(&mut self, number: u32, concurrency: u32) {
        let is_new = self.fair.is_none();
        if is_new && self.streams.iter().all(|stream| stream.options.fair.is_none()) {
            return;
        }
        let mut fair = self.fair.take().unwrap_or_default();
        for stream in self.streams.iter_mut().filter(|stream| is_new || stream.number == number) {
            let cap = stream.options.fair.as_ref().and_then(|fair| fair.cap).unwrap_or(usize::MAX);
            let set = fair.schedule.set(&set_name(&stream.options), cap);
            let limit = LookAhead::limit_of(&stream.options, concurrency, self.read_ahead);
            match &mut stream.look_ahead {
                Some(ahead) => ahead.change(set, limit),
                None => stream.look_ahead = Some(LookAhead::new(set, limit)),
            }
        }
        self.fair = Some(fair);
        if is_new {
            self.schedule_all();
        }
    }

    /// Moves the waiting entries to the schedule, and notes the slots of the running jobs.
    fn schedule_all(&mut self) {
        self.schedule_waiting();
        let Self { fair: Some(fair), streams, jobs, .. } = self else { return };
        jobs.assign_keys(|slot| {
            let StreamState { options, look_ahead, .. } = &streams[slot.stream as usize];
            let key = key_of(options, slot.carried.as_deref());
            Some(fair.schedule.begin(look_ahead.as_ref()?.set, key))
        });
    }

    /// Moves the buffered entries to the schedule that wait for a slot only.
    pub(super) fn schedule_waiting(&mut self) {
        let Self { fair: Some(fair), streams, buffered, .. } = self else { return };
        while let Some(one) = buffered.pass_on() {
            fair.add(streams, one);
        }
    }

    /// Entries of the schedule.
    pub(super) fn scheduled(&self) -> impl Iterator<Item = &BufferedEntry> {
        self.fair.iter().flat_map(|fair| fair.schedule.entries())
    }

    /// Notes the slots that have become free since the last turn. Keys are tried again whose entries could not start.
    pub fn update_shares(&mut self) {
        let Some(fair) = &mut self.fair else { return };
        for key in self.jobs.take_freed_keys() {
            fair.schedule.end(key);
        }
        fair.schedule.retry_stalled();
    }

    /// Takes the entry that starts next, as [`ConsumerState::take_waiting`].
    pub(super) fn take_fair(&mut self, now: Instant, lease: Duration) -> Option<BufferedEntry> {
        let Self { fair: Some(fair), streams, buffered, .. } = self else { return None };
        let can_start =
            |one: &BufferedEntry| streams[one.stream as usize].can_start_waiting(one.touched, now, lease);
        let (key, mut one) = fair.schedule.take(can_start)?;
        fair.remove(streams, &one);
        buffered.forget(&one);
        one.fair_key = Some(key).filter(|_| !planted("fair slot is not counted"));
        Some(one)
    }

    /// Takes out the buffered entries that `is_left` selects.
    pub(super) fn leave_buffer(
        &mut self,
        is_left: impl Fn(&BufferedEntry) -> bool,
    ) -> VecDeque<BufferedEntry> {
        let Self { fair, streams, buffered, .. } = self;
        let mut left = buffered.leave(&is_left);
        if let Some(fair) = fair {
            let scheduled = fair.schedule.leave(is_left);
            scheduled.iter().for_each(|one| {
                fair.remove(streams, one);
                buffered.forget(one);
            });
            left.extend(scheduled);
        }
        left
    }

    /// Returns true if the next read of a lane leaves out a stream whose look-ahead is full.
    pub fn leaves_out(&self, lane: usize) -> bool {
        let is_full =
            |stream: &StreamState| stream.look_ahead.as_ref().is_some_and(|ahead| !ahead.can_read());
        self.fair.is_some()
            && self.streams.iter().any(|stream| stream.active && stream.lane == lane && is_full(stream))
    }

    /// Notes which streams are full, once the entries that can start have left.
    pub fn note_full(&mut self) {
        let Self { fair: Some(fair), streams, .. } = self else { return };
        for stream in fair.grown.drain(..) {
            streams[stream as usize].look_ahead.iter_mut().for_each(LookAhead::note_full);
        }
    }

    /// Takes the lanes whose read under way lacks a stream that is read again.
    pub fn take_lacking(&mut self) -> Vec<usize> {
        let Self { fair: Some(fair), lanes, .. } = self else { return Vec::new() };
        let mut lacking = std::mem::take(&mut fair.lacking);
        lacking.retain(|&lane| lanes[lane].reading && lanes[lane].leaves_out && !lanes[lane].outdated);
        lacking.dedup();
        lacking
    }

    /// Number of entries per stream for the next read of a lane: all of its streams are read for their look-ahead.
    pub(super) fn next_fair_count(&self, lane: usize, most: usize) -> Option<usize> {
        let rooms = self.active_streams(lane).filter_map(|stream| Some(stream.look_ahead.as_ref()?.room()));
        let (streams, room) = rooms.fold((0, most), |(count, least), room| (count + 1, least.min(room)));
        (streams > 0).then(|| room.min(most / streams).max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::consumer::state::in_flight::Delivery;
    use crate::engine::consumer::state::lane::LaneState;
    use crate::engine::consumer::state::tests::playing;
    use crate::engine::options::consumer::FairOptions;
    use crate::redis_io::streams::carried_payload::CarriedPayload;
    use crate::redis_io::streams::entry::EntryId;

    /// State that plays streams of one lane, each with its options of fair dispatch.
    fn fair(streams: &[Option<FairOptions>]) -> ConsumerState {
        let mut state = playing(streams.len());
        for (nth, (stream, fair)) in state.streams.iter_mut().zip(streams).enumerate() {
            stream.number = nth as u32;
            stream.options.stream = format!("s{nth}");
            stream.options.fair.clone_from(fair);
        }
        state.arrange_fair(0, 4);
        state
    }

    fn some(waiting: usize) -> Option<FairOptions> {
        Some(FairOptions { cap: None, waiting: Some(waiting) })
    }

    fn entry(stream: u32, time: u64, key: &str) -> BufferedEntry {
        let carried = Arc::new(CarriedPayload { order_key: Some(key.into()), ..CarriedPayload::default() });
        let id = EntryId { time, sequence: 0 };
        BufferedEntry::new(Delivery { carried: Some(&carried), ..Delivery::bare(stream, id, Instant::now()) })
    }

    /// Starts the next entry, and returns its time and its key's name.
    fn start(state: &mut ConsumerState) -> Option<(u64, String)> {
        state.update_shares();
        // Longer than a test takes, also in Miri.
        let one = state.take_waiting(Instant::now(), Duration::from_secs(3_600))?;
        let token = state.jobs.take(one.delivery(), None);
        state.jobs.set_key(token, one.fair_key);
        Some((one.entry.time, one.order_key().unwrap_or_default().to_owned()))
    }

    #[test]
    fn without_fair_dispatch_nothing_is_scheduled() {
        let mut state = fair(&[None, None]);
        state.buffer(entry(0, 1, "a"), false);
        assert!(state.fair.is_none() && state.buffered.waiting() == 1);
        assert!(state.streams.iter().all(|stream| stream.look_ahead.is_none()));
        state.note_full();
        assert_eq!((state.leaves_out(0), state.take_lacking()), (false, Vec::new()));
    }

    #[test]
    fn equal_keys_of_two_streams_are_two_and_a_stream_without_it_is_one() {
        let mut state = fair(&[some(9), some(9), None]);
        for (time, (stream, key)) in (1..).zip([(0, "a"), (0, "a"), (1, "a"), (2, "x"), (2, "y"), (2, "z")]) {
            state.buffer(entry(stream, time, key), false);
        }
        assert_eq!((state.buffered_count(), state.has_waiting(), state.buffered.len()), (6, true, 0));
        let order: Vec<u64> = std::iter::from_fn(|| start(&mut state)).map(|(time, _)| time).collect();
        assert_eq!(order, [1, 3, 4, 2, 5, 6]);
        assert!(state.holds(1, EntryId { time: 3, sequence: 0 }) && !state.has_waiting());
    }

    #[test]
    fn running_jobs_and_waiting_entries_are_taken_over_when_it_begins() {
        let mut state = fair(&[None]);
        let running = [1, 2].map(|time| state.jobs.take(entry(0, time, "a").delivery(), None));
        (3..5).for_each(|time| state.buffer(entry(0, time, "a"), false));
        state.streams[0].options.fair = Some(FairOptions { cap: Some(2), waiting: None });
        state.arrange_fair(0, 4);
        state.buffer(entry(0, 5, "b"), false);
        assert_eq!((start(&mut state), start(&mut state)), (Some((5, "b".to_owned())), None));
        state.jobs.release(running[0]);
        state.jobs.settle(running[0]);
        assert_eq!((start(&mut state), start(&mut state)), (Some((3, "a".to_owned())), None));
        state.jobs.abandon();
        assert_eq!(start(&mut state), Some((4, "a".to_owned())));
    }

    #[test]
    fn a_full_stream_is_left_out_until_half_of_its_entries_have_left() {
        let mut state = fair(&[some(4), some(40)]);
        assert_eq!((state.next_count(0, 4), state.leaves_out(0)), (Some(4), false));
        (1..5).for_each(|time| state.buffer(entry(0, time, "a"), false));
        state.note_full();
        assert_eq!((state.next_count(0, 4), state.leaves_out(0)), (Some(40), true));
        state.lanes = vec![LaneState { reading: true, leaves_out: true, ..LaneState::default() }];
        assert!(start(&mut state).is_some() && state.take_lacking().is_empty());
        assert!(start(&mut state).is_some());
        assert_eq!((state.take_lacking(), state.take_lacking()), (vec![0], Vec::new()));
        state.lanes[0].reading = false;
        assert_eq!(state.next_count(0, 4), Some(2));
    }

    #[test]
    fn entries_that_leave_are_counted_no_more_and_are_read_again() {
        let mut state = fair(&[some(9), some(9)]);
        for (stream, time, key) in [(0, 1, "a"), (1, 2, "a"), (0, 3, "b")] {
            state.buffer(entry(stream, time, key), false);
        }
        let left = state.leave_waiting(|one| one.stream == 0);
        assert_eq!((left.len(), state.buffered_count()), (2, 1));
        assert!(!state.holds(0, EntryId { time: 1, sequence: 0 }));
        assert!(state.streams[0].handed_back.is_some() && state.streams[1].handed_back.is_none());
    }

    #[test]
    fn entries_of_a_takeover_are_counted_until_they_start_and_parked_ones_join_at_their_turn() {
        let mut state = fair(&[some(9), some(9)]);
        let taken = |time, key| BufferedEntry { is_uncounted: true, ..entry(0, time, key) };
        [(1, "a"), (2, "b")].into_iter().for_each(|(time, key)| state.buffer(taken(time, key), false));
        state.buffer(taken(3, "a"), true);
        state.buffer(entry(1, 4, "a"), false);
        let waiting_taken = |state: &ConsumerState| state.buffered.partition(0).map(|of| of.waiting_taken());
        assert_eq!((state.buffered_count(), state.buffered.len(), waiting_taken(&state)), (4, 1, Some(2)));
        assert!(start(&mut state).is_some_and(|(time, _)| time == 1));
        assert_eq!(waiting_taken(&state), Some(1));
        assert_eq!(state.buffered.unpark(0, "a").map(|entry| entry.time), Some(3));
        state.schedule_waiting();
        assert_eq!((state.buffered.len(), waiting_taken(&state)), (0, Some(2)));
        let order: Vec<u64> = std::iter::from_fn(|| start(&mut state)).map(|(time, _)| time).collect();
        assert_eq!((order, waiting_taken(&state)), (vec![2, 4, 3], Some(0)));
        state.buffer(taken(5, "a"), false);
        assert_eq!(state.leave_waiting(|one| one.stream == 0).len(), 1);
        assert_eq!((state.buffered_count(), waiting_taken(&state)), (0, Some(0)));
    }
}
