//! Entries that wait in a consumer: for a slot, for a permit of a rate limit, or for another entry of their key. Pure.
//!
//! Entries of reads and entries of takeovers wait for slots in two queues, which start in turn. So a partition with many
//! pending entries delays no other one.

pub mod buffered_entry;
pub mod entry_limit;
pub mod limited_entries;
pub mod partition_entries;
pub mod start_queues;

use std::collections::VecDeque;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::buffer::entry_limit::EntryLimit;
use crate::engine::consumer::state::buffer::limited_entries::LimitedEntries;
use crate::engine::consumer::state::buffer::partition_entries::PartitionEntries;
use crate::engine::consumer::state::buffer::start_queues::StartQueues;

/// Buffered entries of a consumer. Each step of a start, or of an end, looks at the entries concerned only.
#[derive(Debug, Default)]
pub struct EntryBuffer {
    /// Entries that wait for a slot.
    startable: StartQueues,
    /// Entries that wait for a permit of a rate limit.
    limited: LimitedEntries,
    /// Entries of ordered partitions that wait for another one of their key, and counts of takeovers, by stream.
    partitions: HashMap<u32, PartitionEntries>,
    /// Number of parked entries.
    parked: usize,
}

impl EntryBuffer {
    /// Number of all entries.
    pub fn len(&self) -> usize {
        self.waiting() + self.limited.len() + self.parked
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entries that wait for a slot only.
    pub fn waiting(&self) -> usize {
        self.startable.len()
    }

    /// Returns true if an entry of a takeover waits for a slot only.
    pub fn has_taken(&self) -> bool {
        self.startable.has_taken()
    }

    /// Entries of reads that wait for a slot only.
    pub fn of_reads(&self) -> &VecDeque<BufferedEntry> {
        self.startable.of_reads()
    }

    /// Entries that wait for a permit.
    pub fn limited(&self) -> &LimitedEntries {
        &self.limited
    }

    /// The same, to list their keys.
    pub fn limited_mut(&mut self) -> &mut LimitedEntries {
        &mut self.limited
    }

    /// The parked entries and the counts of a partition.
    pub fn partition(&self, stream: u32) -> Option<&PartitionEntries> {
        self.partitions.get(&stream)
    }

    /// Number of the entries of a partition that are parked.
    pub fn parked_of(&self, stream: u32) -> usize {
        self.partition(stream).map_or(0, PartitionEntries::parked)
    }

    /// Adds an entry behind those that wait for a slot, or for a permit.
    pub fn push(&mut self, one: BufferedEntry) {
        if one.is_uncounted {
            *self.partitions.entry(one.stream).or_default().taken_count(one.limit) += 1;
        }
        match one.limit {
            None => self.startable.push(one),
            Some(limit) => self.limited.push(limit.index, one),
        }
    }

    /// Parks an entry until [`EntryBuffer::unpark`]. One without a key waits for a slot only.
    pub fn park(&mut self, one: BufferedEntry) {
        let partition = self.partitions.entry(one.stream).or_default();
        let before = partition.parked();
        match partition.park(one) {
            None => self.parked += partition.parked() - before,
            Some(one) => self.push(one),
        }
    }

    /// Lets the first parked entry of a key start. Returns its id.
    pub fn unpark(&mut self, stream: u32, key: &str) -> Option<EntryId> {
        let one = self.partitions.get_mut(&stream)?.unpark(key)?;
        let entry = one.entry;
        self.parked -= 1;
        self.push(one);
        Some(entry)
    }

    /// Lets all parked entries start of the streams that `is_unordered` selects.
    pub fn unpark_all(&mut self, is_unordered: impl Fn(u32) -> bool) {
        let streams: Vec<u32> =
            self.partitions.keys().copied().filter(|stream| is_unordered(*stream)).collect();
        for stream in streams {
            let left = self.partitions.get_mut(&stream).map(PartitionEntries::take_all).unwrap_or_default();
            self.parked -= left.len();
            left.into_iter().for_each(|one| self.push(one));
        }
    }

    /// Takes the first entry that can start, of a read and of a takeover in turn.
    pub fn take(&mut self, can_start: impl Fn(&BufferedEntry) -> bool) -> Option<BufferedEntry> {
        let one = self.startable.take(can_start)?;
        self.forget(&one);
        Some(one)
    }

    /// Takes the first entry of a budget that can start with a permit.
    pub fn take_limited(
        &mut self,
        limit: usize,
        key: &str,
        can_start: impl Fn(&BufferedEntry) -> bool,
    ) -> Option<BufferedEntry> {
        let one = self.limited.take(limit, key, can_start)?;
        self.forget(&one);
        Some(one)
    }

    /// Gives the entries of a stream another rate limit, or none.
    pub fn change_limit(&mut self, stream: u32, limit: Option<EntryLimit>) {
        let is_of = |one: &BufferedEntry| one.stream == stream;
        let mut moved = self.startable.leave(is_of);
        moved.append(&mut self.limited.leave(is_of));
        for mut one in moved {
            self.forget(&one);
            one.limit = limit;
            self.push(one);
        }
        self.of_stream_mut(stream).for_each(|one| one.limit = limit);
    }

    /// Takes an entry that waits for a slot elsewhere from now on, and is counted until [`EntryBuffer::forget`].
    pub fn pass_on(&mut self) -> Option<BufferedEntry> {
        self.startable.pop()
    }

    /// All entries; the parked ones last.
    pub fn iter(&self) -> impl Iterator<Item = &BufferedEntry> {
        let parked = self.partitions.values().flat_map(PartitionEntries::iter);
        self.startable().chain(parked)
    }

    /// Entries that wait for a slot only, or for a permit.
    pub fn startable(&self) -> impl Iterator<Item = &BufferedEntry> {
        self.startable.iter().chain(self.limited.iter())
    }

    /// All entries of a stream, for changes of them.
    pub fn of_stream_mut(&mut self, stream: u32) -> impl Iterator<Item = &mut BufferedEntry> {
        let parked = self.partitions.get_mut(&stream).into_iter().flat_map(PartitionEntries::iter_mut);
        let waiting = self.startable.iter_mut().chain(self.limited.iter_mut());
        waiting.filter(move |one| one.stream == stream).chain(parked)
    }

    /// Returns true if it has this entry.
    pub fn holds(&self, stream: u32, entry: EntryId) -> bool {
        self.startable().any(|one| one.is(stream, entry))
            || self.partition(stream).is_some_and(|partition| partition.holds(entry))
    }

    /// Returns true if it has this job of an entry.
    pub fn holds_job(&self, stream: u32, entry: EntryId, job: &[u8]) -> bool {
        self.holds(stream, entry) && self.iter().any(|one| one.is(stream, entry) && job == one.job.as_bytes())
    }

    /// Takes the entries out that `is_left` selects.
    pub fn leave(&mut self, is_left: impl Fn(&BufferedEntry) -> bool) -> VecDeque<BufferedEntry> {
        let mut left = self.startable.leave(&is_left);
        left.append(&mut self.limited.leave(&is_left));
        left.iter().for_each(|one| self.forget(one));
        for partition in self.partitions.values_mut() {
            let mut gone = partition.leave(&is_left);
            self.parked -= gone.len();
            left.append(&mut gone);
        }
        left
    }

    /// Counts an entry out that waited for a slot, or for a permit.
    pub fn forget(&mut self, one: &BufferedEntry) {
        if one.is_uncounted
            && let Some(partition) = self.partitions.get_mut(&one.stream)
        {
            *partition.taken_count(one.limit) -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::engine::consumer::state::in_flight::Delivery;
    use crate::redis_io::streams::carried_payload::CarriedPayload;

    fn entry(stream: u32, time: u64, key: &str, is_uncounted: bool) -> BufferedEntry {
        let carried = Arc::new(CarriedPayload { order_key: Some(key.into()), ..CarriedPayload::default() });
        let id = EntryId { time, sequence: 0 };
        let delivery = Delivery { carried: Some(&carried), ..Delivery::bare(stream, id, Instant::now()) };
        BufferedEntry { is_uncounted, ..BufferedEntry::new(delivery) }
    }

    #[test]
    fn a_start_and_an_end_look_at_one_entry_however_many_wait() {
        const PARTITIONS: u32 = 64;
        const WAITING: u64 = 1_024;
        let mut buffer = EntryBuffer::default();
        for stream in 0..PARTITIONS {
            (0..WAITING).for_each(|time| buffer.park(entry(stream, time, "a", stream % 2 == 0)));
        }
        assert_eq!(buffer.len(), 65_536);
        let looks = Cell::new(0);
        let mut last = [None; PARTITIONS as usize];
        for at in 0..PARTITIONS * 8 {
            let stream = at % PARTITIONS;
            assert!(buffer.unpark(stream, "a").is_some());
            let can_start = |_: &BufferedEntry| {
                looks.set(looks.get() + 1);
                true
            };
            let one = buffer.take(can_start).expect("starts");
            assert!(last[one.stream as usize].replace(one.entry) < Some(one.entry), "in their order");
            assert!(
                !buffer.holds(one.stream, one.entry)
                    && buffer.holds(stream, EntryId { time: 999, sequence: 0 })
            );
        }
        assert_eq!(looks.get(), PARTITIONS * 8);
        assert!(
            buffer.partitions.values().all(|of| of.inserted_between == 0),
            "behind the last one of their key"
        );
    }

    #[test]
    fn entries_of_a_takeover_start_in_turn_with_those_of_reads() {
        let mut buffer = EntryBuffer::default();
        (0..4).for_each(|time| buffer.push(entry(0, time, "a", true)));
        (10..12).for_each(|time| buffer.push(entry(1, time, "b", false)));
        assert_eq!((buffer.partition(0).map(|of| of.waiting_taken), buffer.of_reads().len()), (Some(4), 2));
        let order: Vec<u64> =
            std::iter::from_fn(|| buffer.take(|_| true)).map(|one| one.entry.time).collect();
        assert_eq!(order, [0, 10, 1, 11, 2, 3]);
        assert_eq!(buffer.partition(0).map(|of| of.waiting_taken), Some(0));
    }

    #[test]
    fn an_entry_that_is_parked_again_waits_once() {
        let mut buffer = EntryBuffer::default();
        [1, 2, 1].into_iter().for_each(|time| buffer.park(entry(0, time, "a", time == 1)));
        buffer.park(BufferedEntry { deliveries: 7, ..entry(0, 2, "a", false) });
        assert_eq!((buffer.len(), buffer.parked_of(0)), (2, 2));
        let order: Vec<u64> = std::iter::from_fn(|| buffer.unpark(0, "a")).map(|entry| entry.time).collect();
        assert_eq!((order, buffer.len(), buffer.parked_of(0)), (vec![1, 2], 2, 0));
        let last = buffer.of_reads().back().map(|one| (one.entry.time, one.deliveries));
        assert_eq!(last, Some((2, 7)), "the later delivery");
    }

    #[test]
    fn entries_that_leave_are_counted_out() {
        let mut buffer = EntryBuffer::default();
        (0..3).for_each(|time| buffer.park(entry(0, time, "a", true)));
        buffer.push(entry(0, 3, "b", true));
        buffer.push(entry(1, 4, "b", false));
        let left = buffer.leave(|one| one.stream == 0 && one.entry.time != 1);
        assert_eq!(left.iter().map(|one| one.entry.time).collect::<Vec<u64>>(), [3, 0, 2]);
        assert_eq!((buffer.len(), buffer.parked_of(0), buffer.waiting()), (2, 1, 1));
        assert_eq!(buffer.unpark(0, "a").map(|entry| entry.time), Some(1));
        assert_eq!((buffer.unpark(0, "a"), buffer.parked_of(0)), (None, 0));
    }

    #[test]
    fn entries_of_a_stream_without_an_order_wait_for_slots_only() {
        let mut buffer = EntryBuffer::default();
        (0..3).for_each(|time| buffer.park(entry(0, time, "a", false)));
        buffer.unpark_all(|stream| stream == 0);
        assert_eq!((buffer.len(), buffer.waiting(), buffer.parked_of(0)), (3, 3, 0));
    }
}
