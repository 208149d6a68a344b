//! Settlement of jobs: frees their slots, and sends acknowledgements, completions and records in one write.

pub mod commands;
pub mod failure_reports;
pub mod retry;
pub mod transaction;
pub mod undelivered_failures;

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::command::ReplyTag;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Reply;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::dead_lettering::retry_limit::FinalRejection;
use crate::engine::consumer::entry_commands::found_entry;
use crate::engine::consumer::settlement::commands::SettlementWrites;
use crate::engine::consumer::state::payload_changes::PayloadChanges;
use crate::engine::consumer::state::settled_job::{SettledJob, SettlementSteps};
use crate::engine::consumer::state::{ConsumerState, DelayedRetry};
use crate::engine::host::job_token::JobToken;
use crate::engine::host::{Event, RequestId};
use crate::engine::nodes::reply_router::ReplyHandler;
use crate::engine::protocol::dead_letter::DeadLetterReason;
use crate::engine::protocol::outcome_record::shortened;
use crate::engine::protocol::pending_entries::PendingEntry;
use crate::engine::protocol::reply_tag::{
    LAST, ReplyKind, SettlementStep, is_significant, is_undelivered_failure, is_untransacted,
    outcome_of_transaction,
};
use crate::engine::runtime::backoff::jitter;

/// Result of one job.
#[derive(Debug)]
pub struct Settlement<'a> {
    /// The job.
    pub token: JobToken,
    /// Request that waits for Redis' reply; 0 for none.
    pub request: RequestId,
    /// Error as JSON. Without one the entry is acknowledged; with one it stays pending.
    pub error: Option<&'a str>,
    /// True if the error excludes another delivery.
    pub unrecoverable: bool,
    /// True if the job ended at its deadline.
    pub expired: bool,
    /// Answer for the completion, as `completion_message::pack_answer` packs it.
    pub answer: Box<str>,
    /// Changes of the payload. Writes need one server without a Cluster.
    pub changes: Option<Box<PayloadChanges>>,
}

impl<'a> Settlement<'a> {
    /// Settles a job without a request.
    pub fn of(token: JobToken, error: Option<&'a str>) -> Self {
        Self {
            token,
            request: 0,
            error,
            unrecoverable: false,
            expired: false,
            answer: Box::default(),
            changes: None,
        }
    }
}

impl Consumer {
    /// Settles jobs: frees their slots, sends their settlements, and reads again, in one step. A job that was settled
    /// before, or that passed its deadline, is ignored.
    pub fn settle<'a>(&self, settlements: impl Iterator<Item = Settlement<'a>>) {
        let mut writes = SettlementWrites::new(&self.node_set);
        let mut late = Vec::new();
        let (mut rejections, mut lost): (Vec<FinalRejection>, Vec<SettledJob>) = Default::default();
        let (mut reads, ended, emptied) = {
            let mut state = self.lock();
            let disconnected = state.disconnected;
            let mut jobs = Vec::with_capacity(settlements.size_hint().0);
            for mut settlement in settlements {
                if state.has_lost(settlement.token) {
                    lost.push(self.give_up(&mut state, &settlement));
                    continue;
                }
                match self.begin_settling(&mut state, &mut settlement) {
                    Some(mut settled) => {
                        if settlement.error.is_some() {
                            rejections.extend(self.reject(&mut state, &settlement, &mut settled));
                            settled.has_failed = true;
                        }
                        jobs.push(settled);
                    }
                    None => late.push((settlement, disconnected)),
                }
            }
            let mut ended = self.pack_settlements(&mut state, jobs, &mut writes).err().unwrap_or_default();
            ended.append(&mut lost);
            let emptied = retire(&mut state, &ended);
            (self.advance(&mut state, &[]), ended, emptied)
        };
        writes.join(self, &mut reads);
        writes.submit(&self.node_set);
        self.submit_reads(reads);
        for one in rejections {
            self.end_rejected(one);
        }
        self.report(&ended);
        for (settlement, disconnected) in late {
            self.answer_late(settlement, disconnected);
        }
        if emptied {
            self.drained();
        }
    }

    /// Settles a job of a lost partition here only: its entry belongs to the new owner, which runs it again.
    fn give_up(&self, state: &mut ConsumerState, settlement: &Settlement<'_>) -> SettledJob {
        let stream = state.jobs.running_job(settlement.token).map_or(0, |slot| slot.stream);
        state.jobs.settle(settlement.token);
        let lane = state.streams[stream as usize].lane;
        let message = "The partition of the job has another owner, which runs the job again.";
        let error = self.error(lane, RedisErrorKind::Fenced, "XACK", message);
        SettledJob {
            error: Some(Box::new(error)),
            has_failed: true,
            ..SettledJob::new(settlement.token, stream, settlement.request)
        }
    }

    /// Releases the slot of a running job.
    pub fn release(&self, token: JobToken) {
        let emptied = {
            let mut state = self.lock();
            let released = state.jobs.release(token);
            state.counts.released += u64::from(released);
            released && state.jobs.in_flight() == 0
        };
        if emptied {
            self.drained();
        }
        self.step();
    }

    fn on_settlement_reply(&self, step: SettlementStep, ticket: ReplyTag, error: Option<RedisError>) {
        let number = ticket.id as u32;
        let mut writes = SettlementWrites::new(&self.node_set);
        let (ended, emptied, has_unparked) = {
            let mut state = self.lock();
            if let Some(error) = error {
                let batch = state.batches.iter_mut().find(|batch| batch.number == number);
                batch.into_iter().for_each(|batch| batch.note(step, &error));
            }
            if ticket.index & LAST == 0 {
                return;
            }
            let Some(mut jobs) = state.take_answered(number) else { return };
            let mut next: Vec<SettledJob> = jobs.extract_if(.., |job| job.continues_now()).collect();
            if state.disconnected {
                next.iter_mut().for_each(SettledJob::give_up);
                jobs.append(&mut next);
            }
            next.iter_mut().for_each(SettledJob::begin_next);
            // Without such jobs there is no batch.
            let _ = self.pack_settlements(&mut state, next, &mut writes);
            let ended = self.queue_refused(&mut state, number, jobs);
            let emptied = retire(&mut state, &ended);
            (ended, emptied, state.has_unparked)
        };
        writes.submit(&self.node_set);
        if has_unparked {
            self.step();
        }
        self.report(&ended);
        if emptied {
            self.drained();
        }
    }

    fn begin_settling(
        &self,
        state: &mut ConsumerState,
        settlement: &mut Settlement<'_>,
    ) -> Option<SettledJob> {
        let &mut Settlement { token, request, error, expired, .. } = settlement;
        let slot = match planted("double settlement") {
            true => state.jobs.job(token)?,
            false => state.jobs.running_job(token)?,
        };
        let (stream, has_producer, is_recorded) = (slot.stream, !slot.producer.is_empty(), slot.record > 0);
        state.jobs.settle(token);
        if planted("next of a key starts early") {
            state.end_turn(token);
        }
        match error {
            Some(_) => state.counts.rejected += 1,
            None => state.counts.resolved += 1,
        }
        state.counts.expired += u64::from(expired);
        let changes = settlement.changes.take().filter(|changes| error.is_none() && !changes.is_empty());
        let apart = SettlementSteps {
            record: has_producer && is_recorded,
            acknowledgement: error.is_none() || planted("failure is acknowledged"),
            completion: has_producer,
            ..SettlementSteps::default()
        };
        let removes_later = changes.is_some() && !self.has_one_server();
        let pending_steps = match changes {
            Some(_) if !removes_later => SettlementSteps { transaction: true, ..SettlementSteps::default() },
            _ => apart,
        };
        let only_removes = changes.as_ref().is_some_and(|changes| changes.writes.is_empty());
        let steps_without_memory = only_removes.then_some(SettlementSteps { removal: true, ..apart });
        let failure = error.filter(|_| has_producer).map(|error| Box::from(shortened(error)));
        let answer = std::mem::take(&mut settlement.answer);
        let mut settled = SettledJob::new(token, stream, request);
        (settled.pending_steps, settled.steps_without_memory) = (pending_steps, steps_without_memory);
        (settled.failure, settled.answer, settled.changes) = (failure, answer, changes);
        settled.removes_later = removes_later;
        Some(settled)
    }

    /// Returns true if streams and payload keys are on one server, which can change them in one transaction.
    fn has_one_server(&self) -> bool {
        matches!(self.node_set.nodes(), [node] if node.topology().is_none())
    }

    /// Handles a rejection: returns it if it is the last one of the job, or else delays the next delivery.
    fn reject(
        &self,
        state: &mut ConsumerState,
        settlement: &Settlement<'_>,
        settled: &mut SettledJob,
    ) -> Option<FinalRejection> {
        let slot = state.jobs.job(settlement.token)?;
        let (stream, entry, deliveries) = (slot.stream, slot.entry, slot.deliveries.max(1));
        let options = &self.options;
        let limit = options.retry_limit + u64::from(planted("retry limit off by one"));
        let is_last =
            deliveries >= limit && (options.claim_interval.is_some() || options.dead_letter.is_some());
        if settlement.unrecoverable || is_last {
            let reason = if settlement.unrecoverable {
                DeadLetterReason::Unrecoverable
            } else {
                DeadLetterReason::Exhausted
            };
            let (owner, idle) = (options.id.clone(), Duration::ZERO);
            let pending = PendingEntry { id: entry, owner, idle, deliveries };
            let key = &state.streams[stream as usize].key;
            let found = found_entry(key, pending, slot.producer.clone(), slot.job.clone());
            let error = shortened(settlement.error.unwrap_or_default()).into_owned();
            state.dead_lettering += 1;
            state.streams[stream as usize].leaving.insert(entry);
            let is_uncounted = settlement.unrecoverable && options.dead_letter.is_none();
            return Some(FinalRejection {
                stream: stream as usize,
                found,
                carried: slot.carried.clone(),
                headers: slot.headers.clone(),
                reason,
                error,
                is_uncounted,
                touched: slot.touched(),
            });
        }
        let due = Instant::now().checked_add(options.retry_policy?.wait(deliveries, jitter()))?;
        let touched = slot.touched();
        self.delay_claim(state, DelayedRetry { stream, entry, due, touched });
        settled.due = Some(due);
        settled.pending_steps.delay = true;
        None
    }

    /// Reports the results of settlements to the host.
    pub(crate) fn report(&self, jobs: &[SettledJob]) {
        let host = &self.node_set.context().host;
        let refused = jobs.iter().filter(|job| job.error.is_some()).count();
        if refused > 0 {
            self.lock().counts.unsettled += refused as u64;
        }
        for job in jobs {
            match (&job.error, job.request) {
                (Some(error), 0) => self.report_failure(job.token, error),
                (Some(error), request) => {
                    host.event(Event::Failed { request, error });
                    host.event(Event::Done { request });
                }
                (None, 0) => {}
                (None, request) => host.event(Event::Done { request }),
            }
        }
    }

    /// Answers the settlement of a job that is not in flight: a success, or an error after the consumer was
    /// disconnected.
    fn answer_late(&self, settlement: Settlement<'_>, disconnected: bool) {
        let Settlement { token, request, .. } = settlement;
        let error = disconnected.then(|| Box::new(RedisError::closed().of("XACK")));
        self.report(&[SettledJob { error, ..SettledJob::new(token, 0, request) }]);
        self.node_set.context().host.wake();
    }
}

/// Frees the slots of settled jobs. Returns true if the last job in flight was among them.
fn retire(state: &mut ConsumerState, jobs: &[SettledJob]) -> bool {
    let before = state.jobs.in_flight();
    state.note_ends(jobs.iter().map(|job| job.token));
    for job in jobs {
        if planted("slot kept after a refusal") && job.error.is_some() {
            continue;
        }
        if !job.has_failed && job.error.is_none() || planted("failed job frees its key") {
            state.end_turn(job.token);
        }
        state.jobs.retire(job.token);
    }
    before > 0 && state.jobs.in_flight() == 0
}

fn has_elements(reply: Reply<'_>) -> bool {
    matches!(reply, Reply::Array(elements) if !elements.is_empty())
}

impl ReplyHandler for Consumer {
    fn on_reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        if let Some(step) = ReplyKind::settlement_step(ticket).filter(|_| is_significant(ticket, &outcome)) {
            if is_undelivered_failure(ticket, &outcome) {
                self.record_undelivered_failure(ticket);
            }
            if is_untransacted(ticket, &outcome) {
                self.lock().note_untransacted(ticket.id as u32, step);
            }
            let outcome = match step {
                SettlementStep::PendingQuery(at) => {
                    self.lock().note_pending(ticket.id as u32, at, outcome.map(has_elements));
                    Ok(None)
                }
                _ => outcome_of_transaction(outcome),
            };
            if outcome.is_ok() && ticket.index & LAST == 0 {
                return;
            }
            self.on_settlement_reply(step, ticket, outcome.err());
        }
    }
}
