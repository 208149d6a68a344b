//! End of a consumer: its reads end, and unfinished entries are handed back.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{pack_group_del_consumer, pack_pending_of};
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::consumer::turn::hand_back::HandBack;
use crate::engine::consumer::turn::wakeups::notify_idle;

impl Consumer {
    /// Reads nothing more.
    pub(crate) fn begin_pause(&self) {
        let mut state = self.lock();
        state.stop_counts.pauses += 1;
        state.streams.iter_mut().for_each(|stream| stream.is_prepared = false);
        if state.phase == Phase::Playing {
            state.phase = Phase::Pausing;
            (state.claimer, state.retainer) = (None, None);
            state.claim_backlog.clear();
            if planted("pause leaves the read") {
                return;
            }
            for lane in (0..state.lanes.len()).filter(|&lane| state.lanes[lane].reading) {
                self.end_read(lane);
            }
            let left = state.leave_all();
            self.hand_back_left(&state, &left);
            self.hand_back_waiting(&mut state);
            self.ownership_wakeup.notify_one();
            self.limit_wakeup.notify_one();
        }
    }

    /// Pauses the consumer. Resolves once nothing is in flight, being read or buffered.
    pub async fn pause(self: Arc<Self>) {
        self.begin_pause();
        let idle = {
            let mut state = self.lock();
            if state.is_idle() || planted("pause does not wait") {
                state.phase = Phase::Idle;
                return;
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(sender);
            receiver
        };
        // The sender is in the state until the consumer is idle or dropped.
        let _ = idle.await;
    }

    /// Removes the consumer's name from its groups, if it has nothing pending there. A consumer that plays again keeps its
    /// name. Until the end of the removal, or of a stop that does not wait for it, `play()` does not read.
    pub(crate) async fn remove_from_group(&self) {
        let keys: Vec<(usize, String)> = {
            let mut state = self.lock();
            if state.phase == Phase::Playing {
                return;
            }
            state.leaving_groups = true;
            let active = state.streams.iter().filter(|stream| stream.active);
            active.map(|stream| (stream.lane, stream.key.clone())).collect()
        };
        for (lane, key) in keys {
            if self.shared(lane).current().is_none_or(|link| link.state() != LinkState::Ready) {
                continue;
            }
            let (group, id) = (&self.group, &self.options.id);
            let pending =
                self.ask(lane, |commands, to| pack_pending_of(commands, (&key, group, id), 1, to)).await;
            if matches!(pending, Ok(Value::Array(pending)) if pending.is_empty()) {
                let gone = self
                    .ask(lane, |commands, to| pack_group_del_consumer(commands, &key, group, id, to))
                    .await;
                // The group can have been removed with the name.
                drop(gone);
            }
        }
        self.lock().leaving_groups = false;
        self.left.notify_waiters();
    }

    /// Starts nothing more, before a hand-back. The host runs no such job, and no read of this consumer would find its entry.
    pub(crate) fn begin_hand_back(&self) {
        self.lock().phase = Phase::HandingBack;
    }

    /// Makes unfinished entries claimable at once.
    pub(crate) async fn hand_back(&self) {
        let replies = {
            let mut state = self.lock();
            let mut unfinished = HandBack::default();
            for (_, slot) in state.jobs.running_jobs().filter(|(_, slot)| self.holds_lease(slot.touched())) {
                let min_idle = self.min_idle_after_lapse(slot.touched());
                unfinished.add_running(slot.stream, slot.entry, min_idle);
            }
            // They must not start any more, since their deliveries do not count.
            for one in state.leave_waiting(|_| true).iter().filter(|one| self.holds_lease(one.touched)) {
                unfinished.add_waiting(one, self.min_idle_after_lapse(one.touched));
            }
            self.send_hand_back(&state, unfinished)
        };
        for reply in replies {
            // Without a success the entries become claimable after their idle time.
            drop(reply.await);
        }
    }

    /// Forgets the jobs in flight and closes the connections. A later settlement is refused.
    pub(crate) fn disconnect(&self) {
        let (waiting, unsent) = {
            let mut state = self.lock();
            state.phase = Phase::Idle;
            state.disconnected = true;
            state.stop_counts.disconnects += 1;
            state.streams.iter_mut().for_each(|stream| stream.is_prepared = false);
            state.leaving_groups = false;
            (state.claimer, state.retainer) = (None, None);
            state.claim_backlog.clear();
            // The next `play()` finds those that no other consumer has claimed.
            state.disown();
            drop(state.leave_waiting(|_| true));
            state.delayed_retries.clear();
            if self.options.claim_interval.is_some() {
                state.note_last_runs(self.options.retry_limit);
            }
            // Settlements under way stay: the end of their connection answers their requests.
            state.jobs.abandon();
            if state.timer.is_some() {
                // No deadline is left.
                self.timer.notify_one();
            }
            (std::mem::take(&mut state.waiting), state.retry_queue.take_all())
        };
        self.report(&unsent);
        self.ended.notify_waiters();
        self.limit_wakeup.notify_one();
        self.left.notify_waiters();
        let lanes = self.lanes().clone();
        for lane in lanes {
            lane.blocking.close();
        }
        notify_idle(waiting);
    }
}

impl ConsumerState {
    /// Notes the running jobs whose delivery is the last one.
    fn note_last_runs(&mut self, limit: u64) {
        let Self { jobs, streams, .. } = self;
        for (_, slot) in jobs.running_jobs().filter(|(_, slot)| slot.deliveries >= limit) {
            streams[slot.stream as usize].abandoned.insert(slot.entry);
        }
    }

    /// Number of unconfirmed operations, or `None` while jobs run. Without one, buffered entries wait for Redis too: for
    /// a claim that has the slot, or for the renewal of their lease.
    pub(crate) fn unconfirmed_count(&self) -> Option<usize> {
        let reads = self.lanes.iter().filter(|lane| lane.reading).count();
        let entries = self.claiming + self.handing_back + self.buffered_count();
        (self.jobs.running() == 0).then(|| self.jobs.in_flight() + entries + self.dead_lettering + reads)
    }
}
