//! Options of the removal of acknowledged entries.

use std::time::Duration;

/// Shortest and longest interval of cycles.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));
/// Number of cycles in the minimum time that an entry stays.
const CYCLES_WITHIN: u32 = 4;
/// Number of intervals that a lease lasts, and the minimum time that is added.
const LEASE: (u32, Duration) = (4, Duration::from_secs(1));

/// Removal of entries that every group has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionOptions {
    /// Minimum time that an entry stays after its last acknowledgement.
    pub keep: Duration,
}

impl RetentionOptions {
    /// Interval of cycles.
    pub fn interval(&self) -> Duration {
        (self.keep / CYCLES_WITHIN).clamp(INTERVALS.0, INTERVALS.1)
    }

    /// Time for which one consumer has a stream to itself.
    pub fn lease(&self) -> Duration {
        self.interval() * LEASE.0 + LEASE.1
    }
}
