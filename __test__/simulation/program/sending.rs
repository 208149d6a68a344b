//! Sends of a process: one job for itself, or the jobs of one moment in one transaction.

use std::sync::Arc;
use std::time::Duration;

use hfxbus::engine::options::bus::Route;
use hfxbus::engine::producer::sending::send_payload::{PayloadValue, SendPayload};
use hfxbus::engine::producer::sending::send_plan::{QueuedSend, SendPlan};
use hfxbus::engine::producer::transaction::SendTransaction;
use hfxbus::engine::protocol::idempotency::SendOnce;
use hfxbus::redis_io::command::Commands;
use hfxbus::redis_io::resp::Value;

use super::Program;
use super::board::{ANSWER, KEY, value_of};
use super::host::Request;
use crate::history::Event;
use crate::scenario::{Payload, Scenario, Send};

/// Lifetime of an outcome record in ms.
const RECORD: u64 = 3_600_000;
/// Time for which an id is kept, in ms.
const ID: u64 = 60_000;

impl Program {
    /// Sends a job, once JavaScript is free.
    pub fn send(self: &Arc<Self>, send: Send, route: Route) {
        let this = self.clone();
        self.tasks.spawn(async move {
            this.host.turn().await;
            match send.once {
                None if this.batches => this.send_with_others(send, &route).await,
                once => {
                    this.send_now(&send, &route);
                    if let Some(after) = once.and_then(|once| once.cancelled) {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        this.cancel(&send).await;
                    }
                }
            }
        });
    }

    fn send_now(&self, send: &Send, route: &Route) {
        let Some(producer) = &self.producer else { return };
        self.note_send(send);
        let request = self.host.request(Request::Send(vec![send.job]));
        let queued = self.queued(send, route, request);
        let node = queued.node(self.bus.node_set());
        let mut commands = Commands::default();
        producer.send(&mut commands, queued);
        self.bus.nodes()[node].shared().submit(&mut commands);
    }

    /// Cancels a delayed send.
    async fn cancel(&self, send: &Send) {
        let Some(producer) = &self.producer else { return };
        self.host.turn().await;
        let (stream, id) = (Scenario::stream_name(send.stream), Scenario::job_id(send.job));
        let reply = producer.cancel("main", &stream, &id).await;
        let is_removed = reply.ok().map(|reply| matches!(reply, Value::Integer(1)));
        self.host.board.history.note(Event::Cancelled { job: send.job, is_removed });
    }

    /// Sends the jobs of this moment in one transaction. The first one waits for the others.
    async fn send_with_others(&self, send: Send, route: &Route) {
        let is_first = {
            let mut batch = self.batch.lock().unwrap();
            batch.push(send);
            batch.len() == 1
        };
        if !is_first {
            return;
        }
        tokio::task::yield_now().await;
        let sends = std::mem::take(&mut *self.batch.lock().unwrap());
        let Some(producer) = &self.producer else { return };
        sends.iter().for_each(|send| self.note_send(send));
        let request = self.host.request(Request::Send(sends.iter().map(|send| send.job).collect()));
        let sends: Vec<QueuedSend> = sends.iter().map(|send| self.queued(send, route, request)).collect();
        let Some(node) = sends.first().map(|first| first.node(self.bus.node_set())) else { return };
        let mut commands = Commands::default();
        producer.send_together(&mut commands, SendTransaction { request, sends });
        self.bus.nodes()[node].shared().submit(&mut commands);
    }

    fn note_send(&self, send: &Send) {
        self.bus.node_set().reopen();
        self.host.board.history.note(Event::Send { job: send.job, process: self.process });
    }

    fn queued(&self, send: &Send, route: &Route, request: u32) -> QueuedSend {
        let (stream, job) = (Scenario::stream_name(send.stream), Scenario::job_id(send.job));
        let groups: Vec<String> = send.waits_for.iter().map(|&group| Scenario::group_name(group)).collect();
        QueuedSend {
            plan: Arc::new(SendPlan::new(self.bus.node_set(), &stream, route, &groups)),
            job,
            capped: self.host.board.capped[send.stream],
            record: if send.is_recorded { RECORD } else { 0 },
            headers: None,
            key: send.key.map(|key| format!("k{key}").into()),
            payload: payload_of(send),
            once: once_of(send),
            request,
            wait: (!groups.is_empty()).then_some(send.job),
            ends_at_error: false,
        }
    }
}

fn once_of(send: &Send) -> Option<Box<SendOnce>> {
    let id = Scenario::job_id(send.job).into();
    let (delay, is_of_job) = (send.delay(), send.delay().is_some());
    send.once.map(|_| Box::new(SendOnce { id, ttl: ID, delay, due: None, is_of_job }))
}

fn payload_of(send: &Send) -> Option<Box<SendPayload>> {
    let returns = send.returns.then(|| format!("[\"{ANSWER}\"]").into());
    let (is_key, is_carried) = match send.payload {
        Payload::None if !send.returns => return None,
        Payload::None => (false, false),
        Payload::Entry(_) => (false, true),
        Payload::Both(_) => (true, true),
        Payload::Key(_) => (true, false),
    };
    let value = value_of(send.job, send.payload.size()).into();
    let value = PayloadValue { key: KEY.into(), value, expiry: 0, is_key, is_carried };
    let values = if is_key || is_carried { vec![value] } else { Vec::new() };
    Some(Box::new(SendPayload { values, returns, is_only_copy: is_carried && !is_key }))
}
