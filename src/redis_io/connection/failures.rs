//! Failed attempts of a connection, and the time for which commands wait for it. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Failed attempts in a row, and the time since commands wait.
pub(crate) struct Failures {
    /// True after the first session.
    pub(crate) had_session: bool,
    /// Failed searches for an endpoint in a row.
    pub(crate) rounds: u32,
    /// Start of those failures, or of the time since queued commands failed.
    pub(crate) unlocated: Option<Instant>,
    /// Other failures in a row.
    pub(crate) attempts: u32,
    /// Earliest start of the wait of a queued command.
    since: Instant,
    /// Time that the first commands waited before they failed.
    patience: Option<Duration>,
}

/// Next step after a failure, with its number in the row.
#[derive(Clone, Copy)]
pub(crate) enum RetryStep {
    /// A search for an endpoint.
    Round(u32),
    /// A connection attempt.
    Attempt(u32),
}

impl Failures {
    pub(crate) fn new(now: Instant) -> Self {
        Self { had_session: false, rounds: 0, unlocated: None, attempts: 0, since: now, patience: None }
    }

    /// Returns true if queued commands must fail, since no endpoint was known for `patience`.
    pub(crate) fn outlast(&mut self, patience: Option<Duration>, now: Instant) -> bool {
        let since = *self.unlocated.get_or_insert(now);
        let outlasts = patience.is_some_and(|patience| now - since >= patience);
        if outlasts {
            self.unlocated = Some(now);
        }
        outlasts
    }

    /// Returns true if queued commands must fail after this attempt. They fail after each `most` + 1 attempts. Before the
    /// first session, none waits longer than the first commands did, even if the attempts are far apart by then.
    pub(crate) fn exceed(&mut self, most: u32, attempt: u32, delay: Duration, now: Instant) -> bool {
        let next = now + delay - self.since;
        let is_late = !self.had_session && self.patience.is_some_and(|patience| next > patience);
        let exceeds = is_late || attempt.is_multiple_of(most.saturating_add(1));
        if exceeds {
            self.patience.get_or_insert(now - self.since);
            self.since = now;
        }
        exceeds
    }

    /// Counts a failure and returns the next step. `is_unlocated` is true if no endpoint was found.
    pub(crate) fn next(&mut self, is_unlocated: bool) -> RetryStep {
        if is_unlocated {
            self.rounds = self.rounds.saturating_add(1);
            RetryStep::Round(self.rounds)
        } else {
            self.attempts = self.attempts.saturating_add(1);
            RetryStep::Attempt(self.attempts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the attempts after which queued commands fail. The delay between attempts grows by 50 ms each time.
    fn failing(mut failures: Failures, most: u32, attempts: u32) -> Vec<u32> {
        let mut now = failures.since;
        let mut found = Vec::new();
        for attempt in 1..=attempts {
            let delay = Duration::from_millis(u64::from(attempt) * 50).min(Duration::from_secs(2));
            if failures.exceed(most, attempt, delay, now) {
                found.push(attempt);
            }
            now += delay;
        }
        found
    }

    #[test]
    fn what_waits_to_be_led_somewhere_fails_after_each_time_of_patience_if_there_is_one() {
        let start = Instant::now();
        let mut failures = Failures::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        let patience = Some(Duration::from_secs(20));
        let outlasted: Vec<u64> =
            (0..70_u64).filter(|&second| failures.outlast(patience, at(second))).collect();
        assert_eq!(outlasted, [20, 40, 60]);
        assert!(!failures.outlast(None, at(1_000)));
    }

    #[test]
    fn commands_of_a_session_that_was_lost_wait_for_so_many_attempts() {
        let failures = Failures { had_session: true, ..Failures::new(Instant::now()) };
        assert_eq!(failing(failures, 20, 90), [21, 42, 63, 84]);
    }

    #[test]
    fn where_there_was_no_session_none_waits_for_longer_than_the_first() {
        assert_eq!(failing(Failures::new(Instant::now()), 20, 50), [21, 29, 35, 40, 42, 47]);
        assert_eq!(failing(Failures::new(Instant::now()), 0, 3), [1, 2, 3]);
    }
}
