//! Delays between attempts, with jitter so that the processes of a fleet do not act in step.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::world::chance;

/// Delay after the first failure.
const FIRST: Duration = Duration::from_millis(50);
/// Maximum delay.
const LAST: Duration = Duration::from_secs(2);
/// Duration of failures after which they do not count as passing.
const LASTING: Duration = Duration::from_secs(20);

/// Delays of a sequence of failures, which double from 50 ms to 2 s.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    /// Time of the first failure in a row.
    since: Option<Instant>,
}

impl Backoff {
    /// Counts one more failure and returns the delay after it, shortened by up to a quarter at random.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = exponential(FIRST, self.failures, LAST);
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
        doubled.mul_f64(1.0 - jitter() / 4.0)
    }

    /// Returns true if the failures have lasted for 20 s.
    pub fn is_lasting(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= LASTING)
    }

    /// Begins again after a success.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Delay `first`, doubled `doublings` times, up to `max`.
pub fn exponential(first: Duration, doublings: u32, max: Duration) -> Duration {
    first.saturating_mul(1 << doublings.min(31)).min(max)
}

/// Delay of one `step` for each attempt, up to `max`.
pub fn linear(step: Duration, attempt: u32, max: Duration) -> Duration {
    step.saturating_mul(attempt).min(max)
}

/// Random number from 0 to 1.
pub fn jitter() -> f64 {
    let [high, low, ..] = chance::uuid().into_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_maximum_and_begin_again_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits[19] <= LAST && waits[19] >= LAST.mul_f64(0.75));
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn failures_are_lasting_by_time_not_by_count() {
        let mut backoff = Backoff::default();
        let waits = (0..20).map(|_| backoff.next_wait());
        assert_eq!((waits.count(), backoff.is_lasting()), (20, false));
        backoff.since = Instant::now().checked_sub(LASTING);
        assert!(backoff.is_lasting());
        backoff.reset();
        assert!(!backoff.is_lasting());
    }

    #[test]
    fn delays_of_attempts_stop_at_the_maximum() {
        let second = Duration::from_secs(1);
        assert_eq!([0, 1, 3, u32::MAX].map(|n| exponential(second, n, second * 5).as_secs()), [1, 2, 5, 5]);
        assert_eq!([0, 1, 3, u32::MAX].map(|n| linear(second, n, second * 5).as_secs()), [0, 1, 3, 5]);
    }
}
