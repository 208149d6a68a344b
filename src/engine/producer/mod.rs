//! Producers: sending of jobs and receipt of their completions.

pub mod channels;
pub mod completion_listener;
pub mod completion_tracker;
pub mod completion_wait;
pub mod diagnosis;
pub mod diagnosis_query;
mod entry_search;
mod group_query;
pub(crate) mod held_sends;
pub(crate) mod known_groups;
pub mod missed_completions;
pub mod outcome;
pub mod outcome_query;
pub(crate) mod routine_checks;
pub mod sending;
pub mod state;
pub mod timeout_diagnosis;
pub mod transaction;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::error::RedisError;
use crate::redis_io::locked::Locked;
use crate::redis_io::world::map::HashMap;

use crate::engine::host::{Event, RequestId};
use crate::engine::nodes::message_router::CompletionListener;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::nodes::reply_router::ReplyHandler;
use crate::engine::nodes::subscriber_set::Name;
use crate::engine::producer::completion_wait::WaitStart;
use crate::engine::producer::held_sends::HeldSend;
use crate::engine::producer::sending::send_plan::{EntryFields, QueuedSend};
use crate::engine::producer::state::{Channel, ProducerState};
use crate::engine::producer::transaction::TransactionPart;
use crate::engine::protocol::reply_tag::ReplyKind;
use crate::redis_io::resp::Reply;
use crate::redis_io::streams::entry::EntryId;

/// A producer of jobs.
pub struct Producer {
    pub(crate) number: u32,
    /// For tasks and listeners that must not keep the producer alive.
    pub(crate) this: Weak<Producer>,
    pub(crate) id: String,
    pub(crate) node_set: Arc<NodeSet>,
    /// Wakes the task that queries Redis for an earlier check.
    pub(crate) checks: Arc<Notify>,
    /// Wakes cancellations once sends that were held back have left.
    pub(crate) held_left: Notify,
    /// Number of sends with an idempotency id so far.
    pub(crate) sent_once: AtomicU64,
    /// True if the user has listeners for streams. Without any, only outcomes go to the host.
    watched: AtomicBool,
    /// A lock, since jobs are sent on the host's thread and completions arrive on the engine's.
    state: Mutex<ProducerState>,
    /// Jobs of each transaction without a reply, by its request. Apart from the state, since commands are refused under the
    /// lock of the state.
    transactions: Mutex<HashMap<RequestId, Vec<TransactionPart>>>,
}

impl Producer {
    /// Number by which the host knows it.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// A producer that the host knows by `number`. Does no I/O.
    pub fn new(node_set: Arc<NodeSet>, number: u32, id: String) -> Arc<Self> {
        let producer = Arc::new_cyclic(|this: &Weak<Producer>| Self {
            number,
            this: this.clone(),
            id,
            node_set,
            checks: Arc::default(),
            held_left: Notify::new(),
            sent_once: AtomicU64::new(0),
            watched: AtomicBool::new(false),
            state: Mutex::default(),
            transactions: Mutex::default(),
        });
        producer.node_set.replies().add_producer(number, producer.this.clone());
        producer
    }

    /// The nodes it sends to.
    pub fn node_set(&self) -> &Arc<NodeSet> {
        &self.node_set
    }

    fn as_listener(self: &Arc<Self>) -> Arc<dyn CompletionListener> {
        self.clone()
    }

    /// Reports completions to the host as events from now on.
    pub fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }

    /// Sends a job. It is packed into `commands`, which are for the node of its plan, or held back until its
    /// completions can be received. The request ends once Redis has the entry.
    pub fn send(self: &Arc<Self>, commands: &mut Commands, queued: QueuedSend) {
        let mut state = self.lock();
        let awaited = state.awaits(&queued);
        if awaited && let Some(refusal) = self.node_set.node_of_completions(&queued.plan.stream).refusal() {
            // No connection could receive the completion.
            drop(state);
            self.refuse([queued.request], &refusal.of("XADD"));
            return;
        }
        match self.must_wait(&mut state, &queued) {
            true => self.hold(&mut state, HeldSend::Single(queued)),
            false => self.pack(&mut state, commands, &queued),
        }
    }

    /// Ends a wait without an outcome.
    pub fn forget_wait(&self, wait: u32) {
        self.lock().completions.forget(wait);
    }

    /// Removes all subscriptions and abandons all waits. The producer can be used again.
    pub fn reset(self: &Arc<Self>) {
        let state = self.take_state();
        self.release(state);
    }

    fn pack(self: &Arc<Self>, state: &mut ProducerState, commands: &mut Commands, queued: &QueuedSend) {
        let node = queued.node(&self.node_set);
        self.ask_unknown_groups(state, queued);
        let record = self.start_wait(state, queued);
        let ticket = match queued.wait {
            Some(number) => {
                let id = u64::from(number) << 32 | u64::from(queued.request);
                ReplyTag { kind: ReplyKind::Sent as u8, index: self.number, id }
            }
            None => ReplyTag { kind: ReplyKind::Last as u8, index: 0, id: u64::from(queued.request) },
        };
        if let Some(once) = &queued.once {
            let tag = ReplyTag { kind: ReplyKind::SentOnce as u8, index: self.number, ..ticket };
            self.pack_once(state, commands, (node, queued, record), once, Destination::Sink(tag));
            return;
        }
        if !queued.has_keys() {
            self.pack_entry(commands, node, queued, record);
            commands.end(Destination::Sink(ticket));
            return;
        }
        let part = || Destination::Sink(ReplyTag { kind: ReplyKind::Part as u8, index: 0, id: ticket.id });
        let tag = |kind| Destination::Sink(ReplyTag { kind: kind as u8, index: self.number, ..ticket });
        let key = queued.plan.key(node).as_bytes();
        // Without MULTI the commands run one by one. The reply to XADD shows it.
        commands.begin("MULTI", 1).route_with(key).end(Destination::Nowhere);
        self.pack_keys_and_entry(commands, node, queued, record, (part, tag(ReplyKind::Added)));
        commands.begin("EXEC", 1).route_with(key);
        commands.end_following(tag(ReplyKind::SentInTransaction));
    }

    /// Starts the wait of a job, if it has one. Returns the time for which its outcome is recorded, in ms.
    fn start_wait(self: &Arc<Self>, state: &mut ProducerState, queued: &QueuedSend) -> u64 {
        // Without a wait the record has no reader.
        let Some(number) = queued.wait else { return 0 };
        let recorded = (queued.record > 0).then(Instant::now);
        let QueuedSend { job, plan, ends_at_error, .. } = queued;
        let (plan, ends_at_error) = (plan.clone(), *ends_at_error);
        let unknown_groups = state.known_groups.unknown(&plan);
        let servers = self.node_set.server_changes();
        state.completions.wait(WaitStart {
            number,
            job,
            plan,
            ends_at_error,
            recorded,
            unknown_groups,
            servers,
        });
        self.keep_checking(state);
        queued.record
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Packs the XADD of a job without its end.
    fn pack_entry(&self, commands: &mut Commands, node: usize, queued: &QueuedSend, record: u64) {
        queued.plan.pack(commands, node, self.fields(queued, record), queued.capped);
    }

    /// Fields of the entry of a job.
    pub(crate) fn fields<'a>(&'a self, queued: &'a QueuedSend, record: u64) -> EntryFields<'a> {
        let QueuedSend { job, headers, key, payload, .. } = queued;
        let (headers, key, payload) = (headers.as_deref(), key.as_deref(), payload.as_deref());
        EntryFields { producer: &self.id, job, record, headers, key, payload }
    }

    /// Packs the payload keys of a job and its XADD, each bound to the command before it. `to` has the destinations of the
    /// keys' replies and of the entry's reply.
    fn pack_keys_and_entry(
        &self,
        commands: &mut Commands,
        node: usize,
        queued: &QueuedSend,
        record: u64,
        to: (impl Fn() -> Destination, Destination),
    ) {
        if let Some(payload) = &queued.payload {
            payload.pack_keys(commands, self.node_set.nodes()[node].keys(), &queued.job, to.0);
        }
        self.pack_entry(commands, node, queued, record);
        commands.end_following(to.1);
    }

    fn refuse(&self, requests: impl IntoIterator<Item = RequestId>, error: &RedisError) {
        let host = &self.node_set.context().host;
        for request in requests {
            host.event(Event::Failed { request, error });
            host.event(Event::Done { request });
        }
        host.wake();
    }

    /// Takes the state, apart from the task's time: the task goes on until it sees that there are no checks.
    fn take_state(&self) -> ProducerState {
        let mut state = self.lock();
        let (checks_at, received) = (state.checks_at, state.received);
        self.checks.notify_one();
        std::mem::replace(&mut *state, ProducerState { checks_at, received, ..ProducerState::default() })
    }

    fn release(&self, mut state: ProducerState) {
        let listener: Weak<dyn CompletionListener> = self.this.clone();
        let host = &self.node_set.context().host;
        for wait in state.completions.abandon() {
            host.event(Event::Abandoned { wait });
        }
        // Diagnoses end after the waits, so that the host sees the abandoned wait first.
        self.dismiss(std::mem::take(&mut state.expired));
        host.wake();
        self.refuse(state.held.requests(), &RedisError::closed());
        self.held_left.notify_waiters();
        let mut channels: Vec<Vec<Name>> = vec![Vec::new(); self.node_set.nodes().len()];
        for (stream, channel) in state.channels {
            if !matches!(channel, Channel::NotSubscribed) {
                channels[self.node_set.route(&stream)].extend(self.channels_of(&stream));
            }
        }
        let patterns: Vec<String> = state.listened.into_iter().map(|listened| listened.pattern).collect();
        for (node, channels) in self.node_set.nodes().iter().zip(channels) {
            if !channels.is_empty() || !patterns.is_empty() {
                node.subscriptions().forget(&listener, channels, patterns.clone());
            }
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ProducerState> {
        self.state.locked()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let state = self.take_state();
        self.release(state);
    }
}

impl ReplyHandler for Producer {
    fn on_reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        if ticket.kind == ReplyKind::SentTogether as u8 {
            self.on_transaction(ticket.id as RequestId, outcome);
            return;
        }
        let Ok(Reply::Bulk(entry)) = outcome else { return };
        if ticket.kind == ReplyKind::SentOnce as u8 {
            self.on_duplicate((ticket.id >> 32) as u32, entry);
            return;
        }
        if let (Some(entry), Some(producer)) = (EntryId::parse(entry), self.this.upgrade()) {
            producer.sent((ticket.id >> 32) as u32, entry);
        }
    }
}
