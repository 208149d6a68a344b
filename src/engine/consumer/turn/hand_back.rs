//! Return of entries to their group, so that any consumer can claim them at once.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::{ConsumerState, Phase};

/// Receiver of the reply to one command.
pub(crate) type PendingReply = oneshot::Receiver<Result<Value, RedisError>>;

/// Entries to return, in commands of one stream, one delivery count and one minimum idle time in ms each. Without a count the
/// one in Redis stays.
#[derive(Default)]
pub(crate) struct HandBack(BTreeMap<(u32, Option<u64>, u64), Vec<EntryId>>);

impl HandBack {
    /// Returns true if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the entry of a running job.
    pub(crate) fn add_running(&mut self, stream: u32, entry: EntryId, min_idle: u64) {
        self.0.entry((stream, None, min_idle)).or_default().push(entry);
    }

    /// Adds an entry that waits for a slot. Its delivery does not count, since its job did not start.
    pub(crate) fn add_waiting(&mut self, one: &BufferedEntry, min_idle: u64) {
        let before = one.deliveries.checked_sub(1).filter(|_| !one.is_uncounted);
        self.0.entry((one.stream, before, min_idle)).or_default().push(one.entry);
    }

    /// Adds an entry that was claimed with this number of deliveries before, and whose job does not start here.
    pub(crate) fn add_claimed(&mut self, stream: u32, entry: EntryId, before: u64) {
        self.0.entry((stream, Some(before), 0)).or_default().push(entry);
    }

    /// Adds an entry of a read whose job does not start here. A read of the history has counted already.
    pub(crate) fn add_unstarted(&mut self, stream: u32, entry: EntryId, is_new: bool) {
        self.0.entry((stream, is_new.then_some(0), 0)).or_default().push(entry);
    }
}

impl Consumer {
    /// Returns the waiting entries of a consumer that pauses, if other consumers can claim them. Without
    /// `claimInterval` they start as slots become free, since probably no consumer of the group would claim them. Entries
    /// that wait for permits are returned in any case, since the next window can be far away. A stop that hands back returns
    /// all that arrive during that.
    pub(crate) fn hand_back_waiting(&self, state: &mut ConsumerState) {
        let returns_all = match state.phase {
            Phase::Idle | Phase::Playing => return,
            Phase::Pausing => state.reads_ahead() && self.options.claim_interval.is_some(),
            Phase::HandingBack => true,
        };
        if state.buffered_count() == 0 {
            return;
        }
        if !returns_all && state.limits.is_empty() {
            return;
        }
        let mut unfinished = HandBack::default();
        let left = state.leave_waiting(|one| returns_all || one.limit.is_some());
        for one in left.iter().filter(|one| self.holds_lease(one.touched)) {
            unfinished.add_waiting(one, self.min_idle_after_lapse(one.touched));
        }
        for reply in self.send_hand_back(state, unfinished) {
            state.handing_back += 1;
            let this = self.this.clone();
            self.node_set.context().tasks.spawn(async move {
                // Without a success the entries become claimable after their idle time.
                drop(reply.await);
                let Some(consumer) = this.upgrade() else { return };
                consumer.lock().handing_back -= 1;
                consumer.step();
                consumer.notify_if_idle();
            });
        }
    }

    /// Returns entries of partitions that leave. Redis has the commands before the release of their leases.
    pub(crate) fn hand_back_left(&self, state: &ConsumerState, left: &VecDeque<BufferedEntry>) {
        let mut unstarted = HandBack::default();
        // No other consumer can have claimed them so far.
        left.iter().for_each(|one| unstarted.add_waiting(one, 0));
        drop(self.send_hand_back(state, unstarted));
    }

    /// Sends the commands under the lock of the state, so that they come behind each lease renewal of their entries.
    pub(crate) fn send_hand_back(
        &self,
        state: &ConsumerState,
        HandBack(unfinished): HandBack,
    ) -> Vec<PendingReply> {
        let mut replies = Vec::with_capacity(unfinished.len());
        for ((stream, before, min_idle), entries) in unfinished {
            let stream = &state.streams[stream as usize];
            if !self.is_ready(stream.lane) {
                continue;
            }
            let (sender, receiver) = oneshot::channel();
            let mut commands = Commands::default();
            let names = (stream.key.as_str(), self.group.as_str(), self.options.id.as_str());
            let claim = before.map_or(Claim::HandBack, Claim::HandBackUnstarted);
            pack_claim(&mut commands, names, min_idle, entries.iter(), claim, Destination::Task(sender));
            // Later another consumer can own the entries.
            commands.all_expire();
            self.shared(stream.lane).submit(&mut commands);
            replies.push(receiver);
        }
        replies
    }
}
