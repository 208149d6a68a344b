//! Counters of a consumer. Pure.

/// Counters of a consumer's jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Begun.
    pub started: u64,
    /// Of these, those with an earlier delivery.
    pub retried: u64,
    /// Of these, those that were claimed.
    pub claimed: u64,
    /// Ended well.
    pub resolved: u64,
    /// Ended with an error.
    pub rejected: u64,
    /// Of these, those that ended at their deadline.
    pub expired: u64,
    /// Released their slot before they ended.
    pub released: u64,
    /// Not delivered again.
    pub exhausted: u64,
    /// Removed from their stream before they were done.
    pub trimmed: u64,
    /// Ended, with a settlement that failed.
    pub unsettled: u64,
}

impl Counts {
    /// Counts the start of a job. `deliveries` is its number of deliveries, 0 if unknown.
    pub fn start(&mut self, deliveries: u64) {
        self.started += 1;
        self.retried += u64::from(deliveries != 1);
    }
}
