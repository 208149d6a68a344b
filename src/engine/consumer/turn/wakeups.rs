//! Wake-ups that a change of the state leads to: the deadline timer, the claim task and idle waiters.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::host::Event;

impl Consumer {
    /// Lets the timer fire at the earliest deadline. Deadlines mostly grow, so this acts only for the first job, or
    /// for a stream with a shorter deadline.
    pub(crate) fn start_timer(&self, state: &mut ConsumerState) {
        if state.streams.iter().all(|stream| stream.options.deadline.is_none()) {
            return;
        }
        match state.timer {
            None => {
                let Some(next) = state.jobs.next_deadline() else { return };
                state.timer = Some(next);
                (self.deadline_task)(self);
            }
            Some(target) => {
                let shortest = state.streams.iter().filter_map(|stream| stream.options.deadline).min();
                if shortest.is_some_and(|shortest| Instant::now() + shortest < target) {
                    self.timer.notify_one();
                }
            }
        }
    }

    /// Ends the back-off of claiming: the next cycle comes at the end of the current interval.
    pub(crate) fn wake_claiming(&self, state: &mut ConsumerState) {
        if std::mem::take(&mut state.backed_off) {
            self.claim_wakeup.notify_one();
        }
    }

    /// Ends the turns of entries that do not run again, and starts the next ones of their keys.
    pub(crate) fn end_turns(&self, stream: usize, entries: &[EntryId]) {
        {
            let mut state = self.lock();
            if !state.is_ordered || entries.is_empty() {
                return;
            }
            entries.iter().for_each(|&entry| state.end_turn_of(stream as u32, entry));
            if !state.has_unparked {
                return;
            }
        }
        self.step();
    }

    /// Wakes claiming if it waits for a slot and one is free.
    pub(crate) fn notify_slot_free(&self, state: &ConsumerState) {
        if state.claim_backlog.waits() && state.free(self.options.concurrency) > 0 {
            self.slot_free.notify_one();
        }
    }

    /// Reports that the last job in flight has ended.
    pub(crate) fn drained(&self) {
        let host = &self.node_set.context().host;
        host.event(Event::Drained { consumer: self.number });
        self.notify_if_idle();
        host.wake();
    }

    /// Notifies the waiters if the consumer is idle.
    pub(crate) fn notify_if_idle(&self) {
        let waiters = self.lock().take_idle_waiters();
        notify_idle(waiters);
    }
}

/// Notifies the waiters that the consumer is idle.
pub(crate) fn notify_idle(waiters: Vec<oneshot::Sender<()>>) {
    for waiter in waiters {
        // The receiver is gone if its wait was given up.
        let _ = waiter.send(());
    }
}
