//! Detector of failures of one node, fed with replies, failures and times. Pure.
//!
//! ```text
//! in  ── failures in a row ──▶  out  ── a probe that worked ──▶  in
//! ```
//! Two changes are at least one probe interval apart. A node that fails and recovers faster does not change its state.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::options::bus::EjectOptions;
use crate::engine::runtime::backoff::exponential;

/// Maximum delay between two probes, unless the interval itself is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Failure detector of one node.
#[derive(Debug)]
pub struct FailureDetector {
    options: EjectOptions,
    is_out: bool,
    /// Failures in a row, including those of probes.
    failures: u32,
    changed: Option<Instant>,
    /// Number of times that the delay between probes has doubled.
    doublings: u32,
}

impl FailureDetector {
    /// A node in the ring without a history.
    pub fn new(options: EjectOptions) -> Self {
        Self { options, is_out: false, failures: 0, changed: None, doublings: 0 }
    }

    /// Returns true if the node is ejected.
    pub fn is_out(&self) -> bool {
        self.is_out
    }

    /// Number of failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Records a reply.
    pub fn answered(&mut self) {
        if !self.is_out {
            self.failures = 0;
        }
    }

    /// Records a failure. Returns true if the node must be ejected now.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let stayed = self.changed.map(|changed| now.saturating_duration_since(changed));
        let is_settled = stayed.is_none_or(|stayed| stayed >= self.options.probe_interval);
        if self.is_out || !is_settled || self.failures < self.options.failures {
            return false;
        }
        // A node that fails again before the next delay has passed keeps its longer delay.
        if stayed.is_none_or(|stayed| stayed >= self.wait(self.doublings)) {
            self.doublings = 0;
        }
        self.is_out = true;
        self.changed = Some(now);
        true
    }

    /// Returns the delay before the next probe. Each delay is twice the one before. `random` (0 to 1) makes it up to
    /// a quarter longer, so that a fleet does not act in step.
    pub fn next_wait(&mut self, random: f64) -> Duration {
        let wait = self.wait(self.doublings);
        self.doublings = self.doublings.saturating_add(1);
        wait.mul_f64(1.0 + random / 4.0)
    }

    /// Records a probe that worked: the node is in the ring again.
    pub fn readmit(&mut self, now: Instant) {
        self.is_out = false;
        self.failures = 0;
        self.changed = Some(now);
    }

    fn wait(&self, doublings: u32) -> Duration {
        let interval = self.options.probe_interval;
        exponential(interval, doublings, LONGEST_WAIT.max(interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn health() -> FailureDetector {
        FailureDetector::new(EjectOptions {
            failures: 3,
            probe_interval: INTERVAL,
            ..EjectOptions::default()
        })
    }

    #[test]
    fn failures_count_in_a_row_only() {
        let (mut health, now) = (health(), Instant::now());
        assert!(!health.failed(now) && !health.failed(now));
        health.answered();
        assert!(!health.failed(now) && !health.failed(now));
        assert!(health.failed(now) && health.is_out());
        assert!(!health.failed(now), "it is out already");
        health.answered();
        assert!(health.is_out(), "only a probe brings it back");
        health.readmit(now);
        assert_eq!((health.is_out(), health.failures()), (false, 0));
    }

    #[test]
    fn between_two_changes_lies_an_interval_however_often_the_node_flaps() {
        let (mut health, start) = (health(), Instant::now());
        let mut changes = Vec::new();
        let mut probe_at = None;
        // Two minutes in which the node fails and answers by turns, half a second each.
        for tick in 0..1_200_u32 {
            let now = start + Duration::from_millis(100) * tick;
            let is_up = tick / 5 % 2 == 0;
            if health.is_out() {
                let due = *probe_at.get_or_insert_with(|| now + health.next_wait(0.0));
                if now >= due {
                    probe_at = None;
                    if is_up {
                        health.readmit(now);
                        changes.push(now);
                    }
                }
            } else if is_up {
                health.answered();
            } else if health.failed(now) {
                changes.push(now);
            }
        }
        assert!(changes.len() > 2, "{}", changes.len());
        assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_never_shorter_than_the_interval() {
        let (mut health, now) = (health(), Instant::now());
        assert_eq!([0; 3].map(|_| health.failed(now)), [false, false, true]);
        let waits: Vec<u64> = (0..5).map(|_| health.next_wait(0.0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 30, 30]);
        assert_eq!(health.next_wait(1.0), LONGEST_WAIT.mul_f64(1.25));
        let mut slow = FailureDetector::new(EjectOptions {
            probe_interval: LONGEST_WAIT * 2,
            ..EjectOptions::default()
        });
        assert_eq!([slow.next_wait(0.0), slow.next_wait(0.0)], [LONGEST_WAIT * 2; 2]);
    }

    #[test]
    fn a_node_that_fails_soon_after_it_is_back_is_kept_out_longer() {
        let (mut health, mut now) = (health(), Instant::now());
        let mut waits = Vec::new();
        for stays in [0, 6, 6, 6, 60] {
            now += Duration::from_secs(stays);
            assert_eq!([0; 3].map(|_| health.failed(now)), [false, false, true]);
            let wait = health.next_wait(0.0);
            waits.push(wait.as_secs());
            now += wait;
            health.readmit(now);
        }
        assert_eq!(waits, [5, 10, 20, 30, 5]);
    }
}
