//! How long to wait after the n-th failure in a row.

use std::time::{Duration, Instant};

use uuid::Uuid;

/// The shortest wait.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait.
const LAST: Duration = Duration::from_secs(2);

/// After so long it is not what passes by itself.
const LASTING: Duration = Duration::from_secs(20);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    /// When the first of them was.
    since: Option<Instant>,
}

impl Backoff {
    /// Counts one more failure and says how long to wait: doubling up to two seconds, less up to a quarter at
    /// random, so that a fleet does not come back in step.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(10)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
        doubled.mul_f64(1.0 - chance() / 4.0)
    }

    /// Whether it has failed for more than a moment.
    pub fn is_lasting(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= LASTING)
    }

    /// Something worked.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// A number from 0 to 1.
pub fn chance() -> f64 {
    let [high, low, ..] = Uuid::new_v4().into_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_last_and_start_again_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits[19] <= LAST && waits[19] >= LAST.mul_f64(0.75));
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn what_has_failed_for_long_is_lasting_however_often_it_failed() {
        let mut backoff = Backoff::default();
        let waits = (0..20).map(|_| backoff.next_wait());
        assert_eq!((waits.count(), backoff.is_lasting()), (20, false));
        backoff.since = Instant::now().checked_sub(LASTING);
        assert!(backoff.is_lasting());
        backoff.reset();
        assert!(!backoff.is_lasting());
    }
}
