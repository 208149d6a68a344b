//! Schedule of claim cycles: every `claimInterval`, less often while nothing can be due, and as soon as a slot is
//! free while candidates wait for slots.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::claiming::candidates::INSPECTED_EVERY;
use crate::engine::consumer::state::{ConsumerState, Phase};

/// Maximum number of streams for a back-off. An inspection of more streams in one cycle would delay other commands.
const BACK_OFF_STREAM_LIMIT: usize = 100;

impl Consumer {
    /// Starts the claim task, if `claimInterval` is set. It ends when the sender in the state is dropped.
    pub(crate) fn start_claiming(&self, state: &mut ConsumerState) {
        let Some(interval) = self.options.claim_interval else { return };
        if state.claimer.is_some() {
            // The consumer can have new streams.
            return self.wake_claiming(state);
        }
        let (ending, ended) = oneshot::channel();
        state.claimer = Some(ending);
        let (claim_wakeup, slot_free) = (self.claim_wakeup.clone(), self.slot_free.clone());
        let rounds = ClaimSchedule { interval, claim_wakeup, slot_free };
        self.node_set.context().tasks.spawn(rounds.keep_claiming(self.this.clone(), ended));
    }

    /// Returns true if inspections alone find every candidate in time: `claimDeadline` is longer than the time
    /// between two inspections.
    pub(crate) fn can_back_off(&self) -> bool {
        let interval = self.options.claim_interval.unwrap_or_default();
        interval.saturating_mul(INSPECTED_EVERY) <= self.options.claim_deadline
    }

    /// Returns the number of intervals until the next cycle. Every event of this consumer that can lead to a
    /// candidate ends the back-off.
    fn next_interval(&self) -> u32 {
        let mut state = self.lock();
        let is_unchanged = state.streams.iter().all(|stream| !stream.active || stream.is_unchanged());
        state.backed_off = is_unchanged
            && state.phase == Phase::Playing
            && state.streams.len() <= BACK_OFF_STREAM_LIMIT
            && state.claim_backlog.is_empty()
            && self.can_back_off();
        if state.backed_off { INSPECTED_EVERY } else { 1 }
    }
}

struct ClaimSchedule {
    interval: Duration,
    claim_wakeup: Arc<Notify>,
    slot_free: Arc<Notify>,
}

impl ClaimSchedule {
    /// Runs claim cycles, and claims from the backlog when slots become free. The task holds the consumer during a
    /// cycle only.
    async fn keep_claiming(self, consumer: Weak<Consumer>, mut ended: oneshot::Receiver<()>) {
        let mut most = 1;
        let mut delayed = None;
        loop {
            let Some(passed) = self.next_round(&consumer, &mut ended, delayed, most).await else { return };
            // A cycle is not cut short, since claimed entries must run.
            let Some(consumer) = consumer.upgrade() else { return };
            delayed = consumer.reconnect_grace();
            if delayed.is_none() {
                consumer.claim_all(passed).await;
                most = consumer.next_interval();
            }
        }
    }

    /// Claims from the backlog until the next cycle is due. Returns the number of intervals that passed; `None` at
    /// the end.
    async fn next_round(
        &self,
        consumer: &Weak<Consumer>,
        ended: &mut oneshot::Receiver<()>,
        delayed: Option<Duration>,
        most: u32,
    ) -> Option<u32> {
        let mut round = pin!(self.wait(delayed, most));
        loop {
            tokio::select! {
                biased;
                _ = &mut *ended => return None,
                passed = &mut round => return Some(passed),
                () = self.slot_free.notified() => {}
            }
            // Claimed entries must run, so this is not cut short either.
            consumer.upgrade()?.claim_more().await;
        }
    }

    /// Returns the number of intervals that began within a time.
    fn begun(&self, after: Duration) -> u32 {
        let passed = after.as_nanos() / self.interval.as_nanos().max(1);
        u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Waits for `most` intervals, or after a wake-up until the end of the current one. Returns the number of
    /// intervals that passed. A delay is waited for instead.
    async fn wait(&self, delayed: Option<Duration>, most: u32) -> u32 {
        let began = Instant::now();
        if let Some(delayed) = delayed {
            tokio::time::sleep(delayed).await;
            return most;
        }
        if most > 1 {
            tokio::select! {
                biased;
                () = tokio::time::sleep(self.interval.saturating_mul(most)) => return most,
                () = self.claim_wakeup.notified() => {}
            }
        }
        let begun = self.begun(began.elapsed()).min(most);
        tokio::time::sleep_until(began + self.interval.saturating_mul(begun)).await;
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(interval: u64) -> ClaimSchedule {
        ClaimSchedule {
            interval: Duration::from_millis(interval),
            claim_wakeup: Arc::default(),
            slot_free: Arc::default(),
        }
    }

    #[tokio::test]
    async fn a_back_off_lasts_until_a_wake_up() {
        let began = Instant::now();
        assert_eq!(rounds(10).wait(None, 5).await, 5);
        assert!(began.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_wake_up_ends_the_back_off_at_the_end_of_the_interval() {
        let (began, rounds) = (Instant::now(), rounds(100));
        rounds.claim_wakeup.notify_one();
        assert!(rounds.wait(None, 10_000).await < 10_000);
        assert!(began.elapsed() >= rounds.interval);
    }

    #[tokio::test]
    async fn without_a_back_off_cycles_are_an_interval_or_a_delay_apart() {
        let (began, rounds) = (Instant::now(), rounds(10));
        assert_eq!(rounds.wait(None, 1).await, 1);
        assert!(began.elapsed() >= rounds.interval);
        assert_eq!(rounds.wait(Some(rounds.interval * 5), 1).await, 1);
        assert!(began.elapsed() >= rounds.interval * 6);
    }

    #[test]
    fn the_interval_of_a_wake_up_counts() {
        let rounds = rounds(100);
        let begun = [0, 99, 100, 250].map(|after| rounds.begun(Duration::from_millis(after)));
        assert_eq!(begun, [1, 1, 2, 3]);
        assert_eq!(rounds.begun(Duration::MAX), u32::MAX);
    }
}
