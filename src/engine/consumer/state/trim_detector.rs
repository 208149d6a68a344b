//! Trimmed entries: those removed from a stream before the group read them. Pure.
//!
//! Redis 7.0 and later counts the entries ever added to a stream. So the position of a group that has read to the end
//! is known as a number of entries, and those not delivered of them were trimmed. Redis counts deliveries too, but
//! not every version alike: 7.0 counts exactly them, later ones include trimmed entries once the group reads on. So a
//! consumer that is alone in its group counts for itself, and others count only certain ones.

use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::state::group_position::GroupPosition;

/// Number of new entries that a consumer received, and the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    last: EntryId,
    count: u64,
}

/// Detector of the trimmed entries of a group.
#[derive(Clone, Debug, Default)]
pub struct TrimDetector {
    received: Received,
    known: Option<TrimSnapshot>,
}

/// Result of an inspection.
#[derive(Clone, Copy, Debug)]
struct TrimSnapshot {
    passed: u64,
    delivered: EntryId,
    /// Number of these that Redis knows as not delivered.
    missing: Option<u64>,
    /// Number of entries that this consumer received, if it was alone.
    received: Option<u64>,
}

impl TrimDetector {
    /// Notes an entry that the consumer received, new or again.
    pub fn receive(&mut self, id: EntryId) {
        if id > self.received.last {
            self.received = Received { last: id, count: self.received.count + 1 };
        }
    }

    /// Count of received entries, to be noted with a query.
    pub fn received(&self) -> Received {
        self.received
    }

    /// Returns the number of newly trimmed entries by an inspection. `asked` is the count of received entries when
    /// the query left.
    pub fn observe(&mut self, position: &GroupPosition, asked: Received) -> u64 {
        let Some(passed) = position.passed() else { return 0 };
        if self.was_set(position) {
            self.forget();
        }
        if self.known.is_none() && self.received.last < position.delivered {
            self.received.last = position.delivered;
        }
        let is_alone = position.consumers <= 1;
        let of_own = [asked, self.received].into_iter().find(|own| own.last == position.delivered);
        let moved = self.known.is_some_and(|known| known.delivered != position.delivered);
        if is_alone && moved && of_own.is_none() {
            // A delivered entry is on its way here.
            return 0;
        }
        let now = TrimSnapshot {
            passed,
            delivered: position.delivered,
            missing: position.read.and_then(|read| passed.checked_sub(read)),
            received: of_own.filter(|_| is_alone).map(|own| own.count),
        };
        match self.known.replace(now) {
            Some(known) => now.lost_since(&known).min(position.removed.saturating_sub(known.passed)),
            // The group has read the whole stream, so its reader reported them.
            None if position.is_at_end() => 0,
            None => now.missing.unwrap_or(0),
        }
    }

    /// Returns true if the group was set to an entry by XGROUP SETID: it moved, and Redis lost its count of
    /// deliveries.
    fn was_set(&self, position: &GroupPosition) -> bool {
        let is_elsewhere = position.delivered != self.received.last;
        is_elsewhere && position.read.is_none() && self.known.is_some_and(|known| known.missing.is_some())
    }

    /// Forgets everything, since the group was created again or set to an entry.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

impl TrimSnapshot {
    fn lost_since(&self, known: &Self) -> u64 {
        let passed = self.passed.saturating_sub(known.passed);
        if self.delivered == known.delivered {
            return passed;
        }
        if let (Some(now), Some(before)) = (self.received, known.received) {
            return passed.saturating_sub(now.saturating_sub(before));
        }
        match (self.missing, known.missing) {
            (Some(now), Some(before)) if now >= before => now - before,
            // The entries that were missing before have been passed, and were reported.
            (Some(now), _) => now,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> EntryId {
        EntryId { time: number, sequence: 0 }
    }

    /// Stream with entries 1, 2, … and one group, counted as by one kind of server.
    struct Stream {
        added: u64,
        first: u64,
        delivered: u64,
        read: Option<u64>,
        consumers: u64,
        /// True if trimmed entries count as read once the group reads on.
        forgets: bool,
        lost: u64,
    }

    impl Stream {
        fn new(forgets: bool) -> Self {
            Self { added: 0, first: 1, delivered: 0, read: None, consumers: 1, forgets, lost: 0 }
        }

        fn add(&mut self, count: u64, capped: u64) {
            self.added += count;
            let first = self.first.max((self.added + 1).saturating_sub(capped));
            self.lost += first.saturating_sub(self.first.max(self.delivered + 1));
            self.first = first;
        }

        /// Delivers entries and returns them.
        fn read(&mut self, count: u64) -> Vec<EntryId> {
            let begin = self.first.max(self.delivered + 1);
            let given: Vec<u64> = (begin..=self.added).take(count as usize).collect();
            for &number in &given {
                let is_jump = self.read.is_none() || (self.forgets && self.delivered < self.first);
                self.read = if is_jump { Some(number) } else { self.read.map(|read| read + 1) };
                self.delivered = number;
            }
            given.into_iter().map(id).collect()
        }

        fn position(&self) -> GroupPosition {
            GroupPosition {
                added: self.added,
                removed: self.first - 1,
                first: (self.first <= self.added).then(|| id(self.first)),
                last: id(self.added),
                delivered: id(self.delivered),
                read: self.read,
                consumers: self.consumers,
            }
        }

        fn observe(&self, trim_detector: &mut TrimDetector) -> u64 {
            let asked = trim_detector.received();
            trim_detector.observe(&self.position(), asked)
        }
    }

    fn receive(trim_detector: &mut TrimDetector, entries: Vec<EntryId>) {
        entries.into_iter().for_each(|entry| trim_detector.receive(entry));
    }

    /// Adds and reads alternately, and inspects every fifth time. Returns the trimmed and the detected count.
    fn run(forgets: bool, others: bool) -> (u64, u64) {
        let (mut stream, mut trim_detector) = (Stream::new(forgets), TrimDetector::default());
        stream.consumers = 1 + u64::from(others);
        let mut known = stream.observe(&mut trim_detector);
        for turn in 0..100 {
            stream.add(turn % 7 * 3, 10);
            receive(&mut trim_detector, stream.read(turn % 4));
            if others {
                stream.read(turn % 3);
            }
            if turn % 5 == 0 {
                known += stream.observe(&mut trim_detector);
            }
        }
        receive(&mut trim_detector, stream.read(100));
        (stream.lost, known + stream.observe(&mut trim_detector))
    }

    #[test]
    fn a_consumer_alone_in_its_group_detects_every_trimmed_entry_on_any_server() {
        for forgets in [false, true] {
            let (lost, known) = run(forgets, false);
            assert!(lost > 100, "{lost}");
            assert_eq!(known, lost, "forgets: {forgets}");
        }
    }

    #[test]
    fn with_other_consumers_never_too_many_trimmed_entries_are_detected() {
        // The entry that made the count valid was not the first one.
        let (lost, known) = run(false, true);
        assert!(known <= lost && known > lost / 2, "{known} of {lost}");
        let (lost, known) = run(true, true);
        assert!(known <= lost && known > 0, "{known} of {lost}");
    }

    #[test]
    fn entries_trimmed_between_reads_are_detected_at_the_next_inspection() {
        for forgets in [false, true] {
            let (mut stream, mut trim_detector) = (Stream::new(forgets), TrimDetector::default());
            stream.add(3, 100);
            receive(&mut trim_detector, stream.read(2));
            assert_eq!(stream.observe(&mut trim_detector), 0);
            stream.add(20, 10);
            let mut later = TrimDetector::default();
            assert_eq!((stream.observe(&mut later), stream.observe(&mut later)), (11, 0));
            stream.add(1, 10);
            assert_eq!(stream.observe(&mut later), 1);
        }
    }

    #[test]
    fn entries_removed_after_their_read_or_before_the_group_are_not_trimmed() {
        let (mut stream, mut trim_detector) = (Stream::new(true), TrimDetector::default());
        stream.add(100, 10);
        stream.delivered = 100;
        assert_eq!(stream.observe(&mut trim_detector), 0);
        stream.add(10, 10);
        receive(&mut trim_detector, stream.read(10));
        stream.add(10, 10);
        assert_eq!(stream.observe(&mut trim_detector), 0);
        let (mut begun_late, mut fresh) = (Stream::new(true), TrimDetector::default());
        begun_late.add(100, 10);
        assert_eq!(begun_late.observe(&mut fresh), 0);
        receive(&mut fresh, begun_late.read(10));
        assert_eq!(begun_late.observe(&mut fresh), 0);
    }

    #[test]
    fn a_group_set_forward_has_no_trimmed_entries() {
        let (mut stream, mut trim_detector) = (Stream::new(true), TrimDetector::default());
        stream.add(10, 100);
        receive(&mut trim_detector, stream.read(5));
        stream.observe(&mut trim_detector);
        (stream.delivered, stream.read) = (10, None);
        assert_eq!(stream.observe(&mut trim_detector), 0);
        stream.add(5, 100);
        receive(&mut trim_detector, stream.read(5));
        assert_eq!(stream.observe(&mut trim_detector), 0);
    }

    #[test]
    fn delivered_entries_on_their_way_are_not_trimmed() {
        let (mut stream, mut trim_detector) = (Stream::new(true), TrimDetector::default());
        stream.observe(&mut trim_detector);
        stream.add(10, 5);
        let given = stream.read(5);
        assert_eq!(stream.observe(&mut trim_detector), 0);
        receive(&mut trim_detector, given);
        assert_eq!(stream.observe(&mut trim_detector), 5);
    }
}
