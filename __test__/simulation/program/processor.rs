//! Processors: a job reads its value, behaves as its script says, and settles.

use std::sync::Arc;
use std::time::Duration;

use hfxbus::engine::consumer::Consumer;
use hfxbus::engine::consumer::settlement::Settlement;
use hfxbus::engine::consumer::state::payload_changes::{PayloadChanges, PayloadWrite};
use hfxbus::engine::host::job_token::JobToken;
use hfxbus::engine::protocol::completion_message::pack_answer;
use hfxbus::engine::submission::{RequestTarget, Submission};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::Program;
use super::board::{ANSWER, KEY, answer_of, failure_text, value_of};
use super::host::{Request, key};
use crate::history::{ConsumerNumber, End, Event, RunNumber, Value};
use crate::scenario::{Behaviour, Payload, Scenario, Send};

/// A job that runs.
#[derive(Clone, Copy)]
struct Running {
    consumer: ConsumerNumber,
    token: JobToken,
    run: RunNumber,
    job: u32,
}

impl Program {
    pub(super) fn begin(
        self: &Arc<Self>,
        (consumer, token): (ConsumerNumber, JobToken),
        job: u32,
        handed: u64,
    ) {
        if self.host.state().starts_until.is_some_and(|until| Instant::now() >= until) {
            return;
        }
        let board = &self.host.board;
        let Some(send) = board.sends.get(&job) else { return };
        let place = (consumer, key(token));
        let group = self.host.state().groups[&consumer];
        let Some((run, behaviour)) = board.begin(group, job) else { return };
        let (carried, prefetched) = {
            let mut state = self.host.state();
            state.runs.insert(place, run);
            (state.carried.remove(&place), state.prefetched.remove(&place))
        };
        let value = carried_value(send, carried.as_deref(), prefetched.as_deref());
        board.history.note(Event::Start { run, consumer, job, handed, value });
        let reads_key = matches!(send.payload, Payload::Key(_)) && prefetched.is_none();
        let this = self.clone();
        self.tasks.spawn(async move {
            if reads_key {
                this.pull(run, job).await;
            }
            this.process_job(Running { consumer, token, run, job }, behaviour).await;
        });
    }

    /// Reads the value of a job from its key.
    async fn pull(&self, run: RunNumber, job: u32) {
        let (sender, receiver) = oneshot::channel();
        let request = self.host.request(Request::Pull(sender, Value::None));
        let mut submission = Submission::default();
        let target = RequestTarget::Bus(self.bus.clone());
        let id = Scenario::job_id(job);
        if let Some(mut packer) = submission.payload(1, || Some(&target), &id, request) {
            packer.get(KEY, false, job, true);
        }
        submission.flush();
        let value = receiver.await.unwrap_or(Value::None);
        self.host.board.history.note(Event::Pulled { run, value });
    }

    async fn process_job(&self, job: Running, behaviour: Behaviour) {
        let wait = async |ms: u64| {
            sleep(Duration::from_millis(ms)).await;
            self.host.turn().await;
        };
        match behaviour {
            Behaviour::Succeed(ms) => {
                wait(ms).await;
                self.settle(job, End::Success, false);
            }
            Behaviour::Fail(ms) | Behaviour::GiveUp(ms) => {
                wait(ms).await;
                self.settle(job, End::Failure, matches!(behaviour, Behaviour::GiveUp(_)));
            }
            Behaviour::SettleTwice(ms) => {
                wait(ms).await;
                self.settle(job, End::Success, false);
                self.settle_again(job, true);
            }
            Behaviour::FailThenSucceed(ms) => {
                wait(ms).await;
                self.settle(job, End::Failure, false);
                self.settle_again(job, false);
            }
            Behaviour::Release(ms) | Behaviour::ReleaseTwice(ms) => {
                wait(ms / 2).await;
                self.release(job, if matches!(behaviour, Behaviour::ReleaseTwice(_)) { 2 } else { 1 });
                wait(ms).await;
                self.settle(job, End::Success, false);
            }
            Behaviour::Block(ms) => {
                self.block(ms);
                self.host.turn().await;
                self.settle(job, End::Success, false);
            }
            // The slot is free at the deadline. Nothing is left of such a processor here.
            Behaviour::Hang => {}
        }
    }

    fn release(&self, job: Running, times: usize) {
        if !self.host.state().runs.contains_key(&(job.consumer, key(job.token))) {
            return;
        }
        self.host.board.history.note(Event::End { run: job.run, how: End::Released });
        if let Some(consumer) = self.consumer(job.consumer) {
            (0..times).for_each(|_| consumer.release(job.token));
        }
    }

    fn settle(&self, Running { consumer, token, run, job }: Running, how: End, gives_up: bool) {
        if self.host.state().runs.remove(&(consumer, key(token))) != Some(run) {
            return;
        }
        let board = &self.host.board;
        board.history.note(Event::End { run, how });
        let request = self.host.request(Request::Settle(run));
        let error = failure_text(run);
        let error = (how == End::Failure).then_some(error.as_str());
        let of_success = board.sends.get(&job).filter(|_| how == End::Success);
        let settlement = Settlement {
            request,
            unrecoverable: gives_up,
            answer: of_success.map(|send| answer(send, run)).unwrap_or_default(),
            changes: of_success.and_then(|send| changes(send, run)),
            ..Settlement::of(token, error)
        };
        if let Some(consumer) = self.consumer(consumer) {
            consumer.settle([settlement].into_iter());
        }
    }

    /// Settles a job that was settled before. The facade prevents it, and the engine ignores it.
    fn settle_again(&self, Running { consumer, token, run, .. }: Running, fails: bool) {
        let error = failure_text(run);
        let error = fails.then_some(error.as_str());
        if let Some(consumer) = self.consumer(consumer) {
            consumer.settle([Settlement::of(token, error)].into_iter());
        }
    }

    fn consumer(&self, number: ConsumerNumber) -> Option<Arc<Consumer>> {
        self.consumers.lock().unwrap().get(&number).cloned()
    }
}

/// The answer of a success, for a send that wants one.
fn answer(send: &Send, run: RunNumber) -> Box<str> {
    if !send.returns {
        return Box::default();
    }
    let value = answer_of(run);
    pack_answer([(ANSWER, value.as_bytes())].into_iter()).into()
}

/// Changes of the payload that leave with a success.
fn changes(send: &Send, run: RunNumber) -> Option<Box<PayloadChanges>> {
    if !send.changes_payload {
        return None;
    }
    let value = answer_of(run).into_bytes().into();
    let write = PayloadWrite { key: ANSWER.into(), value, expiry: 0 };
    Some(Box::new(PayloadChanges { removals: vec![KEY.into()], writes: vec![write] }))
}

/// Compares the value that a job begins with.
fn carried_value(send: &Send, carried: Option<&[u8]>, prefetched: Option<&[u8]>) -> Value {
    let compare = |value: &[u8]| {
        if value == value_of(send.job, send.payload.size()) { Value::Right } else { Value::Wrong }
    };
    match (send.payload, carried, prefetched) {
        (Payload::Key(_), None, Some(value)) => compare(value),
        (Payload::None | Payload::Key(_), None, _) => Value::None,
        (Payload::Entry(_) | Payload::Both(_), Some(value), _) => compare(value),
        (_, Some(_), _) => Value::Wrong,
        (_, None, _) => Value::Missing,
    }
}
