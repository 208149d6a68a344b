//! Limit of the entries of one stream in Redis that wait for their turn. Pure.
//!
//! A full stream is not read until half of its entries have left, so that a key that floods it stops that stream alone. A
//! stream is full once there is no room for an eighth of the limit, since a lane asks all of its streams for the same number.

use crate::engine::options::consumer::StreamOptions;

/// Largest default of the limit, and the limit of streams without fair dispatch.
const MAX_DEFAULT: usize = 1_024;
/// Smallest default of the limit.
const MIN_DEFAULT: usize = 16;
/// Number of waiting entries for each slot by default.
const ENTRIES_PER_SLOT: usize = 4;
/// Maximum size of the waiting entries of a stream, in bytes.
const MAX_BYTES: usize = 16 * 1_024 * 1_024;
/// Size of an entry before one is known, in bytes.
const FIRST_MEAN: usize = 16 * 1_024;
/// Part of the limit that the room for a read must have.
const ROOM_PART: usize = 8;
/// Weight of the mean size against that of one more entry.
const MEAN_WEIGHT: usize = 7;

/// Waiting entries of one stream in Redis.
#[derive(Debug)]
pub struct LookAhead {
    /// Index of the set of its keys.
    pub set: usize,
    limit: usize,
    waiting: usize,
    bytes: usize,
    /// Mean size of the last entries, in bytes.
    mean: usize,
    is_full: bool,
}

impl LookAhead {
    /// A stream without waiting entries.
    pub fn new(set: usize, limit: usize) -> Self {
        Self { set, limit, waiting: 0, bytes: 0, mean: FIRST_MEAN, is_full: false }
    }

    /// Returns the limit of a stream. One without fair dispatch reads for the slots, or ahead, as other consumers do.
    pub fn limit_of(options: &StreamOptions, concurrency: u32, read_ahead: usize) -> usize {
        let slots = concurrency as usize;
        match &options.fair {
            Some(fair) => {
                let default = slots.saturating_mul(ENTRIES_PER_SLOT).clamp(MIN_DEFAULT, MAX_DEFAULT);
                fair.waiting.unwrap_or(default)
            }
            None => slots.max(read_ahead).clamp(1, MAX_DEFAULT),
        }
    }

    /// Takes another set and limit, and keeps the counts.
    pub fn change(&mut self, set: usize, limit: usize) {
        (self.set, self.limit) = (set, limit);
        self.is_full = self.lacks_room();
    }

    /// Returns true if the stream is read further.
    pub fn can_read(&self) -> bool {
        !self.is_full
    }

    /// Notes whether it is full now, after entries were added and those that could start have left.
    pub fn note_full(&mut self) {
        self.is_full |= self.lacks_room();
    }

    fn lacks_room(&self) -> bool {
        self.waiting + self.limit.div_ceil(ROOM_PART) > self.limit || self.bytes >= MAX_BYTES
    }

    /// Returns true if idle entries of the stream are claimed.
    pub fn can_claim(&self) -> bool {
        self.waiting < self.limit && self.bytes < MAX_BYTES
    }

    /// Number of entries that the next read can ask for.
    pub fn room(&self) -> usize {
        let of_bytes = MAX_BYTES.saturating_sub(self.bytes) / self.mean.max(1);
        self.limit.saturating_sub(self.waiting).min(of_bytes).max(1)
    }

    /// Adds an entry of a size in bytes.
    pub fn add(&mut self, size: usize) {
        self.waiting += 1;
        self.bytes += size;
        self.mean = self.mean.saturating_mul(MEAN_WEIGHT).saturating_add(size) / (MEAN_WEIGHT + 1);
    }

    /// Removes an entry. Returns true if the stream is read again from now on.
    pub fn remove(&mut self, size: usize) -> bool {
        self.waiting = self.waiting.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
        let has_room = self.waiting <= self.limit / 2 && self.bytes <= MAX_BYTES / 2;
        let was_full = self.is_full;
        self.is_full &= !has_room;
        was_full && has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_again_once_half_of_its_entries_have_left() {
        let mut ahead = LookAhead::new(0, 8);
        assert_eq!((ahead.can_read(), ahead.room()), (true, 8));
        (0..8).for_each(|_| ahead.add(10));
        assert!(ahead.can_read() && !ahead.remove(10), "some can start at once");
        ahead.note_full();
        assert!(ahead.can_read() && ahead.room() == 1, "room for an eighth");
        ahead.add(10);
        ahead.note_full();
        assert_eq!((ahead.can_read(), ahead.can_claim()), (false, false));
        let left: Vec<bool> = (0..5).map(|_| ahead.remove(10)).collect();
        assert_eq!(left, [false, false, false, true, false]);
        assert_eq!((ahead.can_read(), ahead.can_claim(), ahead.room()), (true, true, 5));
    }

    #[test]
    fn large_entries_are_read_in_small_numbers() {
        let mut ahead = LookAhead::new(0, 1_000_000);
        assert_eq!(ahead.room(), MAX_BYTES / FIRST_MEAN);
        let size = 1_024 * 1_024;
        (0..20).for_each(|_| ahead.add(size));
        ahead.note_full();
        assert_eq!((ahead.can_read(), ahead.can_claim(), ahead.room()), (false, false, 1));
        let again = (0..20).position(|_| ahead.remove(size)).expect("is read again");
        assert_eq!(again, 11);
        assert!(ahead.room() < 10, "{}", ahead.room());
    }

    #[test]
    fn one_entry_at_a_time_waits_at_the_limit_of_one() {
        let mut ahead = LookAhead::new(0, 1);
        assert!(ahead.can_read() && ahead.room() == 1);
        ahead.add(1);
        ahead.note_full();
        assert!(!ahead.can_read() && ahead.remove(1));
    }
}
