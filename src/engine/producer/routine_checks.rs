//! Times of the checks of waits without a record and without a sign of a missed completion. Pure.
//!
//! A consumer that dies, or loses its connection, between the acknowledgement and the completion publishes nothing, and no
//! connection of the producer shows it. So the producer checks such waits from time to time. A wait has no timer of its own:
//! one sweep goes over all of them, and each is checked in sweeps that become rarer with its age.

use std::time::Duration;

use tokio::time::Instant;

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_secs(30);
/// Number of sweeps before the first check of a wait. The first of them can come right after its send.
const FIRST: u32 = 2;
/// Maximum number of sweeps between two checks of a wait.
const RAREST: u32 = 120;

/// The sweeps of a producer.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    /// Time of the next one, while there are waits.
    next: Option<Instant>,
    /// Number of sweeps so far.
    count: u32,
}

/// Sweeps that a wait is checked in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoutineCheck {
    began: u32,
    due: u32,
}

impl Sweeps {
    /// Adds a wait. The first one starts the sweeps.
    pub(crate) fn begin(&mut self) -> RoutineCheck {
        self.next.get_or_insert_with(|| Instant::now() + INTERVAL);
        RoutineCheck { began: self.count, due: self.count + FIRST }
    }

    /// Time of the next sweep.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Begins a sweep if it is time. Returns its number.
    pub(crate) fn start(&mut self, now: Instant) -> Option<u32> {
        self.next.take_if(|next| *next <= now)?;
        self.count += 1;
        Some(self.count)
    }

    /// Ends a sweep. Another one follows while there are waits.
    pub(crate) fn end(&mut self, now: Instant, has_waits: bool) {
        self.next = has_waits.then(|| now + INTERVAL);
    }
}

impl RoutineCheck {
    /// Returns true if the wait is due in a sweep. Then its age until the next check doubles, up to a limit.
    pub(crate) fn take_due(&mut self, sweep: u32) -> bool {
        if self.due > sweep {
            return false;
        }
        self.due = sweep + (sweep - self.began).clamp(FIRST, RAREST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_checked_more_and_more_rarely() {
        let mut sweeps = Sweeps::default();
        let mut check = sweeps.begin();
        let checked: Vec<u32> = (1..=600)
            .filter(|_| {
                let now = sweeps.next().unwrap();
                let sweep = sweeps.start(now).unwrap();
                sweeps.end(now, true);
                check.take_due(sweep)
            })
            .collect();
        assert_eq!(checked, [2, 4, 8, 16, 32, 64, 128, 248, 368, 488]);
    }

    #[test]
    fn there_is_no_sweep_without_waits() {
        let mut sweeps = Sweeps::default();
        assert_eq!(sweeps.next(), None);
        sweeps.begin();
        let first = sweeps.next().unwrap();
        sweeps.begin();
        assert_eq!(sweeps.next(), Some(first), "a later wait does not delay the sweep");
        assert_eq!(sweeps.start(first - INTERVAL), None);
        assert_eq!(sweeps.start(first), Some(1));
        sweeps.end(first, false);
        assert_eq!(sweeps.next(), None);
    }
}
