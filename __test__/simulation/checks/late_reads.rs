//! Reads that are answered late, but within the time that a read can last.

use super::ledger::{Step, What};
use super::summary::Summary;

/// Four times the delay of a reply that counts as in time, in ms.
const LATEST: u64 = 4_000;

impl Summary<'_> {
    /// Returns true if a consumer read an entry, and another one claimed it while that process was cut off. With a
    /// `claimDeadline` that is shorter than `blockTimeout` and the delay of a reply, the first one cannot know that from the
    /// reply, as docs/guarantees.md says. So it takes the entry for its own. `acted` is the time at which it did: the reply came
    /// before that.
    pub(super) fn is_read_late(
        &self,
        port: u16,
        steps: &[Step],
        (consumer, acted): (u32, u64),
        deadline: u64,
    ) -> bool {
        let process = Self::process_of(consumer);
        let limit = self.block_of(consumer) + deadline.min(LATEST) / 4;
        let Some(read) = steps.iter().position(|step| step.what == What::Delivered(consumer)) else {
            return false;
        };
        // For its job, or for the dead letters.
        let is_taken = |what: What| matches!(what, What::Claimed { consumer: of, .. } if of != consumer);
        let Some(taken) = steps[read..].iter().find(|step| is_taken(step.what)) else { return false };
        let read = steps[read].at;
        deadline <= limit
            && self.disruptions.excuse(process, port, (read, taken.at), deadline)
            && (acted <= read + limit
                || self.disruptions.cut_off_until(process, port, taken.at) < read + limit
                || self.disruptions.delivers_between(process, port, (taken.at, acted.min(read + limit))))
    }
}
