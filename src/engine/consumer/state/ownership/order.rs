//! Order of the jobs of a partition by key. Pure.
//!
//! At most one entry of a key runs or can run next. The others are parked in the buffer until it is settled for good, so a job
//! that waits for its retry blocks its key only.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashSet;

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::buffer::partition_entries::PartitionEntries;
use crate::engine::consumer::state::in_flight::Delivery;
use crate::engine::consumer::state::ownership::ending_entries::EndingEntries;
use crate::engine::consumer::state::ownership::{Ownership, OwnershipPhase};
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::host::job_token::JobToken;

impl ConsumerState {
    /// Returns true if jobs of a stream can begin: it is not ordered, or this consumer owns it.
    pub fn can_start(&self, stream: u32, now: Instant) -> bool {
        self.streams[stream as usize].can_start(now)
    }

    /// Returns true if entries of a stream are taken: it is not ordered, or this consumer owns it.
    pub fn is_taken(&self, stream: u32) -> bool {
        self.streams[stream as usize].ownership.as_ref().is_none_or(Ownership::is_taken)
    }

    /// Returns true if this consumer has lost the partition of a running job.
    pub fn has_lost(&self, token: JobToken) -> bool {
        if !self.is_ordered {
            return false;
        }
        let Some(slot) = self.jobs.running_job(token) else { return false };
        let ownership = &self.streams[slot.stream as usize].ownership;
        ownership.as_ref().is_some_and(|ownership| !ownership.is_valid(Instant::now()))
    }

    /// Returns true if a job that holds a slot, and is not known to the host yet, can begin. One whose partition was lost ends: the
    /// next owner runs it.
    pub fn can_begin(&mut self, token: JobToken) -> bool {
        if self.disconnected || self.jobs.running_job(token).is_none() {
            return false;
        }
        let has_lost = self.has_lost(token);
        if has_lost {
            self.note_ends(std::iter::once(token));
            self.jobs.settle(token);
            self.jobs.retire(token);
        }
        !has_lost
    }

    /// Admits an entry to run now or next. Returns false if it must wait for another entry of its key.
    #[inline]
    pub fn admit(&mut self, delivery: &Delivery<'_>) -> bool {
        !self.is_ordered || self.admit_ordered(delivery)
    }

    fn admit_ordered(&mut self, delivery: &Delivery<'_>) -> bool {
        let Some(ownership) = &mut self.streams[delivery.stream as usize].ownership else { return true };
        let Some(key) = delivery.carried.and_then(|carried| carried.order_key.as_deref()) else {
            return true;
        };
        match ownership.busy.get(key) {
            Some(&entry) => entry == delivery.entry,
            None => {
                ownership.busy.insert(key.into(), delivery.entry);
                true
            }
        }
    }

    /// Buffers an entry behind the others. A parked one waits for another entry of its key.
    pub fn buffer(&mut self, mut one: BufferedEntry, is_parked: bool) {
        if let Some(limit) = self.streams[one.stream as usize].limit {
            one.limit = Some(self.limits.of_entries(limit));
            self.limits.is_due = true;
        }
        if !is_parked {
            self.buffered.push(one);
            return self.schedule_waiting();
        }
        let stream = one.stream;
        self.buffered.park(one);
        if let Some(ownership) = &mut self.streams[stream as usize].ownership {
            ownership.parked = self.buffered.parked_of(stream);
        }
        self.schedule_waiting();
    }

    /// Lets the parked entries of streams start that have no order any more.
    pub fn unpark_unordered(&mut self) {
        let streams = &self.streams;
        self.buffered.unpark_all(|stream| streams[stream as usize].ownership.is_none());
        self.schedule_waiting();
        self.count_parked();
    }

    /// Counts the parked entries again, after entries have left the buffer.
    pub fn count_parked(&mut self) {
        for (stream, of) in (0..).zip(&mut self.streams) {
            of.ownership.iter_mut().for_each(|ownership| ownership.parked = self.buffered.parked_of(stream));
        }
    }

    /// Ends the turn of a job in its key, before its slot is retired. The next entry of the key can start then.
    pub fn end_turn(&mut self, token: JobToken) {
        if !self.is_ordered {
            return;
        }
        let Some(slot) = self.jobs.job(token) else { return };
        let (stream, entry, carried) = (slot.stream, slot.entry, slot.carried.clone());
        let Some(key) = carried.as_ref().and_then(|carried| carried.order_key.as_deref()) else { return };
        self.pass_turn(stream, entry, key);
    }

    /// Ends the turn of an entry that does not run again: it is not in the stream any more, or had its last delivery. The
    /// settlement of its failure can be under way still.
    pub fn end_turn_of(&mut self, stream: u32, entry: EntryId) {
        if !self.is_ordered || self.jobs.runs(stream, entry) || self.buffers(stream, entry) {
            return;
        }
        let Some(ownership) = &mut self.streams[stream as usize].ownership else { return };
        ownership.ending.remove(entry);
        let Some(key) = ownership.busy.iter().find(|(_, of)| **of == entry).map(|(key, _)| key.clone())
        else {
            return;
        };
        self.pass_turn(stream, entry, &key);
    }

    /// Lets a key wait for the dead letter of an entry that a takeover has found at the retry limit. Entries in front of it have
    /// their turn before.
    pub fn await_end(&mut self, stream: usize, entry: EntryId, key: &str) {
        let Some(ownership) = &mut self.streams[stream].ownership else { return };
        ownership.ending.insert(entry, key);
        if !ownership.busy.contains_key(key) {
            ownership.busy.insert(key.into(), entry);
        }
    }

    /// Entries that have the turn of a key, wait for their retry or their dead letter, and keep other entries parked. `most`
    /// limits their number.
    pub fn waiting_turns(&self, most: usize) -> Vec<(usize, EntryId)> {
        let startable = self.buffered.startable().chain(self.scheduled()).map(|one| (one.stream, one.entry));
        let held: HashSet<(u32, EntryId)> = startable.chain(self.jobs.entries()).collect();
        let mut waiting = Vec::new();
        for at in self.ordered() {
            let Some(ownership) = &self.streams[at].ownership else { continue };
            let keys = self.buffered.partition(at as u32).into_iter().flat_map(PartitionEntries::keys);
            let turns = keys.filter_map(|key| ownership.busy.get(key).copied());
            waiting
                .extend(turns.filter(|entry| !held.contains(&(at as u32, *entry))).map(|entry| (at, entry)));
        }
        waiting.truncate(most);
        waiting
    }

    /// Passes the turn of a key to its next entry.
    fn pass_turn(&mut self, stream: u32, entry: EntryId, key: &str) {
        let Some(ownership) = &mut self.streams[stream as usize].ownership else { return };
        let Some(turn) = ownership.busy.get_mut(key).filter(|turn| **turn == entry) else { return };
        ownership.ending.remove(entry);
        if let Some(ending) = ownership.ending.first_of(key) {
            let parked = self.buffered.partition(stream).and_then(|partition| partition.first_of(key));
            if parked.is_none_or(|parked| ending < parked) {
                *turn = ending;
                return;
            }
        }
        match self.buffered.unpark(stream, key) {
            Some(next) => {
                *turn = next;
                ownership.parked = self.buffered.parked_of(stream);
                self.limits.note_change();
                self.has_unparked = true;
            }
            None => drop(ownership.busy.remove(key)),
        }
        self.schedule_waiting();
    }

    /// Takes over a partition. Its jobs that still run here have their turn.
    pub fn own(&mut self, stream: usize, fence: u64, valid_until: Instant) {
        let running: Vec<(Box<str>, EntryId)> = self
            .jobs
            .jobs_of(stream as u32)
            .filter_map(|slot| Some((slot.carried.as_ref()?.order_key.clone()?, slot.entry)))
            .collect();
        if let Some(ownership) = &mut self.streams[stream].ownership {
            ownership.busy = running.into_iter().collect();
            ownership.ending = EndingEntries::default();
            (ownership.phase, ownership.fence) = (OwnershipPhase::TakingOver, fence);
            ownership.takeover_from = EntryId::default();
            ownership.valid_until = valid_until;
        }
    }

    /// Ends reads and starts of a partition. Returns its entries that have not begun, which stay pending for the next owner.
    pub fn leave(&mut self, stream: usize, phase: OwnershipPhase) -> VecDeque<BufferedEntry> {
        let reads = self.lanes[self.streams[stream].lane].rotation;
        if let Some(ownership) = &mut self.streams[stream].ownership {
            ownership.phase = phase;
            ownership.reads_at_leave = reads;
        }
        let left = stream as u32;
        self.delayed_retries.retain(|one| one.stream != left);
        let left = self.leave_buffer(|one| one.stream == left);
        self.limits.note_change();
        self.count_parked();
        left
    }

    /// Returns true if an entry of a read is returned, since the partition leaves and has its lease yet.
    pub fn returns(&self, stream: u32) -> bool {
        let ownership = self.streams[stream as usize].ownership.as_ref();
        ownership.is_some_and(|of| of.phase == OwnershipPhase::Leaving && of.is_valid(Instant::now()))
    }

    /// Returns true while a takeover with this fencing number goes on. A lease that lapses for a moment can still be renewed;
    /// jobs do not start meanwhile.
    pub fn is_taking_over(&self, stream: usize, fence: u64) -> bool {
        self.phase == Phase::Playing
            && self.streams[stream].ownership.as_ref().is_some_and(|ownership| {
                ownership.phase == OwnershipPhase::TakingOver && ownership.fence == fence
            })
    }

    /// Returns true if nothing of a partition runs here, and no read or claim can bring an entry of it.
    pub fn has_drained(&self, stream: usize) -> bool {
        !self.is_being_read(stream)
            && self.streams[stream].claiming == 0
            && self.jobs.jobs_of(stream as u32).next().is_none()
    }

    /// Returns true if a read from before the partition was left can still bring an entry of it. It would overtake the
    /// pending ones.
    pub fn is_being_read(&self, stream: usize) -> bool {
        let of = &self.streams[stream];
        let lane = &self.lanes[of.lane];
        let reads = of.ownership.as_ref().map(|ownership| ownership.reads_at_leave);
        lane.reading && reads == Some(lane.rotation)
    }

    /// Indices of the ordered partitions.
    pub fn ordered(&self) -> impl Iterator<Item = usize> + '_ {
        let is_ordered = |at: &usize| self.streams[*at].ownership.is_some();
        (0..self.streams.len()).filter(is_ordered)
    }

    /// Leaves every partition, at a pause. A read under way can bring later entries than those that it drops. Returns the
    /// entries that have not begun and whose lease is certain.
    pub fn leave_all(&mut self) -> VecDeque<BufferedEntry> {
        let mut all = VecDeque::new();
        for stream in self.ordered().collect::<Vec<_>>() {
            if self.is_taken(stream as u32) {
                let mut left = self.leave(stream, OwnershipPhase::Leaving);
                if self.returns(stream as u32) {
                    all.append(&mut left);
                }
            }
        }
        all
    }

    /// Forgets every ownership, at a disconnect.
    pub fn disown(&mut self) {
        for stream in self.ordered().collect::<Vec<_>>() {
            drop(self.leave(stream, OwnershipPhase::Vacant));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::engine::consumer::state::tests::playing;
    use crate::engine::options::consumer::OrderOptions;
    use crate::redis_io::streams::carried_payload::CarriedPayload;

    /// Longer than a test takes, also in Miri.
    const LEASE: Duration = Duration::from_secs(3_600);

    fn entry(time: u64) -> EntryId {
        EntryId { time, sequence: 0 }
    }

    /// State with one ordered partition that it has just taken.
    fn owner() -> ConsumerState {
        let mut state = playing(1);
        let order = Some(OrderOptions { stream: "s".to_owned(), lease: LEASE });
        let options = state.streams[0].options.clone();
        state.streams[0].change_options(crate::engine::options::consumer::StreamOptions { order, ..options });
        state.is_ordered = true;
        state.own(0, 1, Instant::now() + LEASE);
        state
    }

    /// Takes an entry as a read does. Returns the token of its job if it starts.
    fn take(state: &mut ConsumerState, time: u64, key: &str) -> Option<JobToken> {
        let carried = Arc::new(CarriedPayload { order_key: Some(key.into()), ..CarriedPayload::default() });
        let delivery = Delivery { carried: Some(&carried), ..Delivery::bare(0, entry(time), Instant::now()) };
        if state.admit(&delivery) {
            return Some(state.jobs.take(delivery, None));
        }
        state.buffer(BufferedEntry::new(delivery), true);
        None
    }

    fn next(state: &mut ConsumerState) -> Option<u64> {
        state.take_waiting(Instant::now(), LEASE).map(|one| one.entry.time)
    }

    #[test]
    fn entries_of_a_key_wait_for_each_other_in_the_order_of_their_ids() {
        let mut state = owner();
        let first = take(&mut state, 1, "a").expect("starts");
        assert!(take(&mut state, 4, "a").is_none() && take(&mut state, 3, "a").is_none());
        assert!(take(&mut state, 5, "b").is_some(), "another key");
        assert_eq!((next(&mut state), state.waiting(0)), (None, 0));
        state.end_turn(first);
        assert_eq!((next(&mut state), next(&mut state), state.buffered.parked_of(0)), (Some(3), None, 1));
    }

    #[test]
    fn a_partition_with_too_many_parked_entries_is_not_read_and_the_others_are() {
        let mut state = owner();
        state.streams.extend(playing(1).streams);
        if let Some(ownership) = &mut state.streams[0].ownership {
            ownership.phase = OwnershipPhase::Held;
        }
        assert!(take(&mut state, 1, "a").is_some());
        assert_eq!(state.active_streams(0).count(), 2);
        for time in 0..1_024 {
            assert!(take(&mut state, 2 + time, "a").is_none());
        }
        assert!(!state.streams[0].is_read() && state.streams[1].is_read());
        assert!(state.next_count(0, 8).is_some(), "the other stream is read");
        drop(state.leave_waiting(|one| one.entry == entry(2)));
        assert!(state.streams[0].is_read(), "there is room again");
    }

    #[test]
    fn an_entry_that_waits_for_its_retry_keeps_its_turn() {
        let mut state = owner();
        let failed = take(&mut state, 1, "a").expect("starts");
        state.jobs.settle(failed);
        state.jobs.retire(failed);
        assert!(take(&mut state, 2, "a").is_none());
        let again = take(&mut state, 1, "a").expect("the entry itself starts");
        state.end_turn(again);
        assert_eq!(next(&mut state), Some(2));
    }

    #[test]
    fn another_lease_leaves_what_is_owned_and_parked() {
        let mut state = owner();
        let running = take(&mut state, 1, "a").expect("starts");
        assert!(take(&mut state, 2, "a").is_none());
        let options = state.streams[0].options.clone();
        let order = Some(OrderOptions { stream: "s".to_owned(), lease: 2 * LEASE });
        state.streams[0]
            .change_options(crate::engine::options::consumer::StreamOptions { order, ..options.clone() });
        state.unpark_unordered();
        assert!(!state.has_lost(running) && state.is_taken(0));
        assert!(take(&mut state, 3, "a").is_none(), "the key still waits");
        state.streams[0]
            .change_options(crate::engine::options::consumer::StreamOptions { order: None, ..options });
        state.unpark_unordered();
        assert_eq!((state.buffered.parked_of(0), next(&mut state), next(&mut state)), (0, Some(2), Some(3)));
    }

    #[test]
    fn an_entry_that_is_gone_passes_its_turn_unless_its_job_runs() {
        let mut state = owner();
        let failed = take(&mut state, 1, "a").expect("starts");
        assert!(take(&mut state, 2, "a").is_none());
        state.end_turn_of(0, entry(1));
        assert_eq!((next(&mut state), state.waiting_turns(9)), (None, Vec::new()));
        state.jobs.settle(failed);
        state.jobs.retire(failed);
        assert_eq!(state.waiting_turns(9), [(0, entry(1))]);
        state.end_turn_of(0, entry(1));
        assert_eq!(state.waiting_turns(9), []);
        assert_eq!((next(&mut state), state.buffered.parked_of(0)), (Some(2), 0));
    }

    #[test]
    fn an_entry_that_failed_for_good_passes_its_turn_before_its_settlement_ends() {
        let mut state = owner();
        let failed = take(&mut state, 1, "a").expect("starts");
        assert!(take(&mut state, 2, "a").is_none());
        state.jobs.settle(failed);
        state.end_turn_of(0, entry(1));
        assert_eq!(next(&mut state), Some(2));
        state.end_turn(failed);
        assert!(take(&mut state, 3, "a").is_none(), "the second one has the turn");
    }

    #[test]
    fn a_key_waits_for_the_dead_letters_between_its_jobs() {
        let mut state = owner();
        let first = take(&mut state, 1, "a").expect("starts");
        state.await_end(0, entry(2), "a");
        assert!(take(&mut state, 3, "a").is_none());
        state.await_end(0, entry(4), "a");
        assert!(take(&mut state, 5, "a").is_none());
        state.await_end(0, entry(11), "b");
        assert!(take(&mut state, 12, "b").is_none(), "also at the front of a key");
        state.end_turn_of(0, entry(4));
        state.end_turn(first);
        assert_eq!((next(&mut state), state.waiting_turns(9).len()), (None, 2));
        state.end_turn_of(0, entry(2));
        assert_eq!((next(&mut state), next(&mut state)), (Some(3), None));
        state.end_turn_of(0, entry(3));
        assert_eq!((next(&mut state), next(&mut state)), (Some(5), None), "the letter was there before");
        state.end_turn_of(0, entry(11));
        assert_eq!(next(&mut state), Some(12));
    }

    #[test]
    fn an_entry_that_runs_after_all_has_one_turn() {
        let mut state = owner();
        state.await_end(0, entry(1), "a");
        assert!(take(&mut state, 2, "a").is_none());
        let again = take(&mut state, 1, "a").expect("its deliveries were set back");
        state.end_turn(again);
        assert_eq!(next(&mut state), Some(2));
    }

    #[test]
    fn a_partition_is_not_drained_during_a_claim() {
        let mut state = owner();
        drop(state.leave(0, OwnershipPhase::Leaving));
        state.streams[0].claiming = 1;
        assert!(!state.has_drained(0));
        state.streams[0].claiming = 0;
        assert!(state.has_drained(0));
    }

    #[test]
    fn a_partition_that_leaves_drops_what_has_not_begun_and_drains() {
        let mut state = owner();
        let running = take(&mut state, 1, "a").expect("starts");
        assert!(take(&mut state, 2, "a").is_none());
        let left = state.leave(0, OwnershipPhase::Leaving);
        assert_eq!(left.iter().map(|one| one.entry).collect::<Vec<_>>(), [entry(2)]);
        assert_eq!((state.buffered.len(), state.buffered.parked_of(0), state.has_drained(0)), (0, 0, false));
        assert!(!state.has_lost(running) && !state.is_taken(0));
        state.end_turn(running);
        state.jobs.settle(running);
        state.jobs.retire(running);
        assert!(state.has_drained(0));
        state.lanes[0].reading = true;
        assert!(state.is_being_read(0) && !state.has_drained(0));
        state.lanes[0].rotation += 1;
        assert!(!state.is_being_read(0), "a later read is without it");
    }

    #[test]
    fn a_paused_consumer_takes_no_entry_behind_those_that_it_has_dropped() {
        let mut state = owner();
        assert!(take(&mut state, 1, "a").is_some() && take(&mut state, 2, "a").is_none());
        assert!(state.is_taking_over(0, 1));
        state.phase = Phase::Pausing;
        assert!(!state.is_taking_over(0, 1), "also before it leaves");
        assert_eq!(state.leave_all().len(), 1);
        assert!(!state.is_taken(0) && state.buffered.is_empty());
    }

    #[test]
    fn a_job_of_a_lapsed_lease_is_lost_and_nothing_starts() {
        let mut state = owner();
        let running = take(&mut state, 1, "a").expect("starts");
        assert!(!state.has_lost(running));
        if let Some(ownership) = &mut state.streams[0].ownership {
            ownership.valid_until = Instant::now();
        }
        assert!(state.has_lost(running) && !state.can_start(0, Instant::now()));
    }

    #[test]
    fn a_job_that_still_runs_has_its_turn_when_its_partition_comes_back() {
        let mut state = owner();
        let running = take(&mut state, 1, "a").expect("starts");
        drop(state.leave(0, OwnershipPhase::Vacant));
        state.own(0, 2, Instant::now() + LEASE);
        assert!(take(&mut state, 2, "a").is_none());
        state.end_turn(running);
        assert_eq!(next(&mut state), Some(2));
    }
}
