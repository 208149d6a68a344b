//! Options of a consumer, by its number.

use super::summary::Summary;
use crate::scenario::{Consumer, Fair};

impl Summary<'_> {
    /// The options in the script. `None` for a consumer that takes over the rest at the end, see `finish.rs`.
    fn options_of(&self, consumer: u32) -> Option<&Consumer> {
        let (process, nth) = (consumer as usize / 100 - 1, consumer as usize % 100 - 1);
        self.scenario.processes.get(process).map(|process| &process.consumers[nth])
    }

    pub(super) fn group_of(&self, consumer: u32) -> usize {
        self.options_of(consumer).map_or(consumer as usize % 100 - 1, |options| options.group)
    }

    /// Maximum time of a job, in ms.
    pub(super) fn deadline_of(&self, consumer: u32) -> Option<u64> {
        self.options_of(consumer).map_or(Some(30_000), |options| options.deadline)
    }

    /// Maximum time of one read, in ms.
    pub(super) fn block_of(&self, consumer: u32) -> u64 {
        self.options_of(consumer).map_or(5_000, |options| options.block_timeout.unwrap_or(30_000))
    }

    pub(super) fn concurrency_of(&self, consumer: u32) -> usize {
        self.options_of(consumer).map_or(16, |options| options.concurrency as usize)
    }

    pub(super) fn fair_of(&self, consumer: u32) -> Option<Fair> {
        self.options_of(consumer)?.fair
    }

    pub(super) fn read_ahead_of(&self, consumer: u32) -> usize {
        self.options_of(consumer).map_or(0, |options| options.read_ahead)
    }

    /// Returns true if values in keys come with the jobs.
    pub(super) fn prefetches(&self, consumer: u32) -> bool {
        self.options_of(consumer).is_some_and(|options| options.prefetches)
    }
}
