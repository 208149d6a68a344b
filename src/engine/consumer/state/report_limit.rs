//! Limit of reports of settlements that failed. Pure.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::error::RedisError;
use crate::redis_io::locked::Locked;

/// Maximum number of single reports within a [`WINDOW`].
const SINGLE_REPORTS: u32 = 10;
/// Time between two reports of the other failures.
const WINDOW: Duration = Duration::from_secs(1);

/// Limit of reports of failed settlements.
#[derive(Debug, Default)]
pub struct ReportLimit {
    /// A lock, since settlements fail on the engine's thread or, if they are refused, on the host's.
    window: Mutex<FailureWindow>,
}

/// Failures of the current window. Pure.
#[derive(Debug, Default)]
pub(crate) struct FailureWindow {
    since: Option<Instant>,
    told: u32,
    counted: u32,
    last: Option<RedisError>,
}

/// Form of the report of one job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FailureReport {
    /// By itself.
    Now,
    /// In the count at the end of the window.
    With,
    /// The same, as the first one of the count.
    First(Instant),
}

impl FailureWindow {
    pub(crate) fn note(&mut self, now: Instant, error: &RedisError) -> FailureReport {
        let since = match self.since.filter(|&since| self.counted > 0 || now < since + WINDOW) {
            Some(since) => since,
            None => {
                *self = Self { since: Some(now), ..Self::default() };
                now
            }
        };
        if self.told < SINGLE_REPORTS {
            self.told += 1;
            return FailureReport::Now;
        }
        self.counted += 1;
        self.last = Some(error.clone());
        if self.counted == 1 { FailureReport::First(since + WINDOW) } else { FailureReport::With }
    }

    /// Ends the window. Returns the number of unreported failures, and the last error.
    pub(crate) fn close(&mut self) -> (u32, Option<RedisError>) {
        let closed = std::mem::take(self);
        (closed.counted, closed.last)
    }
}

impl ReportLimit {
    pub(crate) fn lock(&self) -> MutexGuard<'_, FailureWindow> {
        self.window.locked()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_first_failures_are_reported_one_by_one_and_the_others_as_a_count() {
        let error = RedisError::reply(b"NOPERM no", "XACK", &Arc::from("node"));
        let (mut window, now) = (FailureWindow::default(), Instant::now());
        for _ in 0..SINGLE_REPORTS {
            assert_eq!(window.note(now, &error), FailureReport::Now);
        }
        assert_eq!(window.note(now, &error), FailureReport::First(now + WINDOW));
        assert_eq!(
            window.note(now + WINDOW * 2, &error),
            FailureReport::With,
            "they wait for the timer, if it is late"
        );
        assert_eq!(window.close(), (2, Some(error.clone())));
        assert_eq!(window.note(now + WINDOW, &error), FailureReport::Now);
    }

    #[test]
    fn a_rare_failure_is_always_reported_by_itself() {
        let error = RedisError::reply(b"READONLY no", "XACK", &Arc::from("node"));
        let (mut window, now) = (FailureWindow::default(), Instant::now());
        for nth in 0..SINGLE_REPORTS * 3 {
            assert_eq!(window.note(now + WINDOW * nth, &error), FailureReport::Now);
        }
    }
}
