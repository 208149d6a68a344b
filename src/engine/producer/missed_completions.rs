//! Reconciliation of missed completions. Queries Redis about waits after the subscriber's connection was restored,
//! and at intervals: soon about waits with a record, and more rarely about the others.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::error::RedisError;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;

use crate::engine::runtime::backoff::{Backoff, jitter};

use crate::engine::host::{Event, GroupCompletion};
use crate::engine::producer::Producer;
use crate::engine::producer::completion_listener::now;
use crate::engine::producer::completion_wait::{CompletedWait, OutcomeCheck};
use crate::engine::producer::outcome::{JobEnd, JobOutcome, skipped_outcome, unknown_outcome};
use crate::engine::producer::outcome_query::GroupOutcome;
use crate::engine::producer::state::ProducerState;

/// Delay after a reconnection, so that consumers can write the failures that no producer received.
const DELAY: Duration = Duration::from_millis(100);
/// Period over which a fleet spreads its queries after that.
const SPREAD: Duration = Duration::from_millis(400);
/// Maximum number of waits in one query.
const MOST: usize = 256;
/// Time in which due waits share one query.
const BATCH_WINDOW: Duration = Duration::from_millis(200);
/// Delay of the second check of a job that cannot end any more, or that has ended as a sweep finds.
const SECOND_CHECK_DELAY: Duration = Duration::from_secs(2);

impl Producer {
    /// Schedules checks of the waits on a node whose subscriber was disconnected. `node` is the host's number.
    pub(crate) fn mark_uncertain(self: &Arc<Self>, node: u32) {
        if planted("missed completions are not queried") {
            return;
        }
        let when = Instant::now() + DELAY + SPREAD.mul_f64(jitter());
        let mut state = self.lock();
        let is_of = |stream: &str| self.node_set.node_of_completions(stream).number() == node;
        state.completions.mark_uncertain(when, is_of);
        self.keep_checking(&mut state);
    }

    /// Records that Redis has the job of a wait, as this entry.
    pub(crate) fn sent(self: &Arc<Self>, wait: u32, entry: EntryId) {
        let mut state = self.lock();
        if state.completions.sent(wait, entry) {
            state.completions.check(wait, Instant::now());
            self.keep_checking(&mut state);
        }
    }

    /// Starts or wakes the task that queries Redis at the next check.
    pub(crate) fn keep_checking(self: &Arc<Self>, state: &mut ProducerState) {
        let Some(next) = state.completions.next_check() else { return };
        match state.checks_at {
            None => {
                state.checks_at = Some(next);
                self.node_set.context().tasks.spawn(watch(Arc::downgrade(self)));
            }
            Some(at) if next < at => {
                state.checks_at = Some(next);
                self.checks.notify_one();
            }
            Some(_) => {}
        }
    }

    /// Queries waits and ends those that are over. Waits without an answer are scheduled again.
    async fn check(&self, checks: Vec<OutcomeCheck>, backoff: &mut FailureBackoff) {
        let mut failed = None;
        let mut unanswered = Vec::new();
        for (check, outcomes) in self.ask(&checks).await {
            match outcomes {
                Ok(outcomes) => self.apply_outcomes(check, outcomes),
                Err(error) => {
                    unanswered.push(check.wait);
                    failed = Some(error);
                }
            }
        }
        if let Some(wait) = backoff.record(failed.is_some()) {
            let again = Instant::now() + wait;
            let mut state = self.lock();
            for wait in unanswered {
                state.completions.check(wait, again);
            }
        }
        let host = &self.node_set.context().host;
        if let Some(error) = failed.filter(|error| backoff.is_new_error(error)) {
            host.event(Event::ProducerFailed { producer: self.number, error: &error });
        }
        host.wake();
    }

    fn apply_outcomes(&self, check: &OutcomeCheck, groups: Vec<GroupOutcome<'_>>) {
        let stream = &check.plan.stream;
        let gone = groups.iter().any(|one| matches!(one.outcome, JobOutcome::Lost | JobOutcome::Skipped));
        if check.is_tentative && groups.iter().any(|one| matches!(one.outcome, JobOutcome::Ended(_))) {
            // The completion itself can be on its way, with its answer.
            self.lock().completions.check(check.wait, Instant::now() + SECOND_CHECK_DELAY);
            return;
        }
        let mut outcomes: Vec<CompletedWait> = Vec::new();
        {
            let mut state = self.lock();
            let is_lost = state.completions.is_lost(check.wait, gone);
            for GroupOutcome { group, exists, is_expected, outcome } in groups {
                match exists {
                    true => state.known_groups.add(stream, [group]),
                    false => state.known_groups.remove(stream, group),
                }
                if is_expected {
                    state.completions.note_expected(check.wait, group);
                }
                let (error, answer) = match outcome {
                    JobOutcome::Ended(JobEnd { error, answer }) => (error, answer),
                    JobOutcome::Lost if is_lost => (Some(unknown_outcome(stream)), None),
                    JobOutcome::Skipped if is_lost => (Some(skipped_outcome(stream, group)), None),
                    _ => continue,
                };
                let arrival = GroupCompletion { group: group.to_owned(), at: now(), error, answer };
                outcomes.extend(state.completions.record_outcome(check.wait, arrival));
            }
            if gone && !is_lost {
                state.completions.check(check.wait, Instant::now() + SECOND_CHECK_DELAY);
            }
        }
        for CompletedWait { wait, arrivals } in &outcomes {
            self.node_set.context().host.event(Event::Outcome { wait: *wait, arrivals });
        }
    }
}

/// Back-off after failed queries.
#[derive(Default)]
struct FailureBackoff {
    backoff: Backoff,
    reported_code: Option<String>,
}

impl FailureBackoff {
    /// Records the success or failure of a query. Returns the delay before the next one after a failure.
    fn record(&mut self, failed: bool) -> Option<Duration> {
        if failed {
            return Some(self.backoff.next_wait());
        }
        *self = Self::default();
        None
    }

    /// Returns true for an error reply with another code than the last one.
    fn is_new_error(&mut self, error: &RedisError) -> bool {
        let Some(code) = error.reply_code() else { return false };
        self.reported_code.replace(code.to_owned()).as_deref() != Some(code)
    }
}

/// Queries Redis whenever a check is due, until there are no checks. Holds the producer only during a query.
async fn watch(producer: Weak<Producer>) {
    let mut backoff = FailureBackoff::default();
    loop {
        let Some(strong) = producer.upgrade() else { return };
        let (due, searches) = {
            let completions = &mut strong.lock().completions;
            (completions.take_due(Instant::now(), MOST), completions.take_searches())
        };
        if !searches.is_empty() {
            strong.find_entries(searches).await;
        }
        if !due.is_empty() {
            strong.check(due, &mut backoff).await;
        }
        let (at, checks) = {
            let mut state = strong.lock();
            state.checks_at = state.completions.next_check();
            let Some(next) = state.checks_at else { return };
            if next <= Instant::now() {
                continue;
            }
            let at = next.max(Instant::now() + BATCH_WINDOW);
            state.checks_at = Some(at);
            (at, strong.checks.clone())
        };
        drop(strong);
        tokio::select! {
            biased;
            () = checks.notified() => {}
            () = tokio::time::sleep_until(at) => {}
        }
    }
}
