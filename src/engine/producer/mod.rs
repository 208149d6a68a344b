//! Sends jobs and hears of their completions.

pub mod completion_tracker;
pub mod completion_wait;
pub mod diagnosis;
pub mod diagnosis_query;
pub mod listening;
pub mod missed_completions;
pub mod outcome;
pub mod outcome_query;
pub mod send_plan;
pub mod sending;
pub mod timeout_diagnosis;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::error::{RedisError, RedisErrorKind};

use crate::engine::connections::client::{closed, queue_full};
use crate::engine::host::{Arrival, Event};
use crate::engine::nodes::message_router::{CompletionListener, Source};
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::nodes::reply_router::ReplyHandler;
use crate::engine::producer::completion_tracker::Completions;
use crate::engine::producer::completion_wait::Begin;
use crate::engine::producer::listening::Listening;
use crate::engine::producer::send_plan::Fields;
use crate::engine::producer::sending::Sending;
use crate::engine::producer::timeout_diagnosis::Expired;
use crate::engine::protocol::completion_message::Notification;
use crate::engine::protocol::reply_tag::Kind;
use crate::engine::runtime::budget::Budget;
use crate::redis_io::resp::Reply;
use crate::redis_io::streams::entry::EntryId;

/// The producer's own channel of one stream.
#[derive(Debug)]
enum Channel {
    /// Jobs were sent there, nobody listens.
    Unheard,
    /// The subscription is on its way; these go out once it is confirmed, so that no completion is missed.
    Subscribing(Vec<Sending>),
    /// Confirmed.
    Subscribed,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) completions: Completions,
    /// When Redis is asked about them next, while there is a task that does so.
    pub(crate) checks_at: Option<Instant>,
    channels: HashMap<String, Channel>,
    listening: Vec<Listening>,
    /// Waits whose time is over, which are looked at together.
    pub(crate) expired: Vec<Expired>,
    /// How much Redis is asked about them.
    pub(crate) examinations: Budget,
    /// How many completions it got.
    pub(crate) heard: u64,
    /// Whether completions of all its jobs are heard, awaited or not (`listen()` without a stream).
    hears_own: bool,
}

/// A producer of jobs.
pub struct Producer {
    pub(crate) number: u32,
    /// For tasks and listeners that must not keep the producer alive.
    pub(crate) this: Weak<Producer>,
    id: String,
    pub(crate) node_set: Arc<NodeSet>,
    /// Wakes the task that asks Redis about completions when it is to ask sooner.
    pub(crate) checks: Arc<Notify>,
    /// Whether the user has listeners for streams; without any, only outcomes go up.
    watched: AtomicBool,
    /// A lock, since jobs are sent on the host's thread and completions arrive on the engine's.
    state: Mutex<State>,
}

impl Producer {
    /// The number by which the host knows it.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// A producer with the number by which the host knows it. Does no I/O.
    pub fn new(node_set: Arc<NodeSet>, number: u32, id: String) -> Arc<Self> {
        let producer = Arc::new_cyclic(|this: &Weak<Producer>| Self {
            number,
            this: this.clone(),
            id,
            node_set,
            checks: Arc::default(),
            watched: AtomicBool::new(false),
            state: Mutex::default(),
        });
        producer.node_set.replies().add_producer(number, producer.this.clone());
        producer
    }

    /// The bus it sends on.
    pub fn node_set(&self) -> &Arc<NodeSet> {
        &self.node_set
    }

    fn as_listener(self: &Arc<Self>) -> Arc<dyn CompletionListener> {
        self.clone()
    }

    /// The user has listeners for streams from now on.
    pub fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }

    /// Sends a job: into `commands`, which are for the node of its plan, or later if its completions could be missed
    /// now. The request is told when Redis has the entry.
    pub fn send(self: &Arc<Self>, commands: &mut Commands, sending: Sending) {
        let mut state = self.lock();
        let awaited = sending.wait.is_some() || state.hears_own;
        if awaited && let Some(refusal) = self.node_set.node_of_completions(&sending.plan.stream).refusal() {
            // Nobody could hear how it ends.
            drop(state);
            self.refuse(&[sending], &refusal.of("XADD"));
            return;
        }
        match state.channels.get_mut(&sending.plan.stream) {
            Some(Channel::Subscribed) => {}
            Some(Channel::Subscribing(held)) => {
                match held.len() < self.node_set.nodes()[sending.node(&self.node_set)].queue().commands {
                    true => held.push(sending),
                    false => self.refuse(&[sending], &queue_full()),
                }
                return;
            }
            _ if awaited => {
                let stream = sending.plan.stream.clone();
                state.channels.insert(stream.clone(), Channel::Subscribing(vec![sending]));
                drop(state);
                self.spawn_subscribe(stream);
                return;
            }
            Some(Channel::Unheard) => {}
            None => drop(state.channels.insert(sending.plan.stream.clone(), Channel::Unheard)),
        }
        self.pack(&mut state, commands, &sending);
    }

    /// Nobody wants the outcome of a wait any more.
    pub fn forget_wait(&self, wait: u32) {
        self.lock().completions.forget(wait);
    }

    /// Hears the completions of all its own jobs, awaited or not.
    pub async fn listen_own(self: Arc<Self>) -> Result<(), RedisError> {
        let streams: Vec<String> = {
            let mut state = self.lock();
            state.hears_own = true;
            let unheard =
                state.channels.iter_mut().filter(|(_, channel)| matches!(channel, Channel::Unheard));
            let subscribe = unheard.map(|(stream, channel)| {
                *channel = Channel::Subscribing(Vec::new());
                stream.clone()
            });
            subscribe.collect()
        };
        for stream in streams {
            self.clone().subscribe(stream).await?;
        }
        for node in self.node_set.nodes() {
            match node.subscriptions().ready().await {
                // It is subscribed to when something is sent whose completions come from there.
                Err(error) if error.kind == RedisErrorKind::Ejected => {}
                ready => ready?,
            }
        }
        Ok(())
    }

    /// Hears the completions of every producer's jobs on these streams; `*` in a name stands for anything.
    pub async fn listen(self: Arc<Self>, streams: Vec<String>) -> Result<(), RedisError> {
        for stream in streams {
            let pattern = self.node_set.keys().pattern(&stream);
            {
                let mut state = self.lock();
                if !state.listening.iter().any(|listening| listening.pattern == pattern) {
                    state.listening.push(Listening {
                        stream: stream.clone(),
                        pattern: pattern.clone(),
                        confirmed: false,
                    });
                }
            }
            let subscribed = self.clone().subscribe_pattern(&pattern, &stream).await;
            let mut state = self.lock();
            if subscribed.is_err() {
                state.listening.retain(|listening| listening.pattern != pattern || listening.confirmed);
                return subscribed;
            }
            for listening in state.listening.iter_mut().filter(|listening| listening.pattern == pattern) {
                listening.confirmed = true;
            }
        }
        Ok(())
    }

    /// Completions of a stream are published on one node; those of any streams, on any.
    async fn subscribe_pattern(self: Arc<Self>, pattern: &str, stream: &str) -> Result<(), RedisError> {
        let is_any = stream.contains('*');
        let nodes = match is_any {
            true => self.node_set.nodes(),
            false => std::slice::from_ref(self.node_set.node_of_completions(stream)),
        };
        for node in nodes {
            let key = (!is_any).then(|| node.keys().stream(stream));
            node.subscriptions().subscribe_pattern(&self.as_listener(), pattern, key.as_deref()).await?;
        }
        Ok(())
    }

    /// Hears nothing any more and gives up what it waits for. It can be used again.
    pub fn reset(self: &Arc<Self>) {
        let state = self.take_state();
        self.let_go(state);
    }

    /// Redis delivers a message once per subscription that it matches; exactly one of them counts, the producer's
    /// own channel before patterns, these in the order in which they were asked for.
    fn is_first(&self, state: &State, source: Source<'_>, channel: &[u8], stream: &str) -> bool {
        let Source::Pattern(pattern) = source else { return true };
        let subscribed = matches!(state.channels.get(stream), Some(Channel::Subscribed));
        if subscribed && self.node_set.keys().channel(stream, &self.id).as_bytes() == channel {
            return false;
        }
        let mut confirmed = state.listening.iter().filter(|listening| listening.confirmed);
        confirmed
            .find(|listening| listening.matches(stream))
            .is_some_and(|listening| listening.pattern.as_bytes() == pattern)
    }

    /// What names no stream is reported by the first pattern only.
    fn reports_unreadable(&self, source: Source<'_>) -> bool {
        match source {
            Source::Own => true,
            Source::Pattern(pattern) => {
                let state = self.lock();
                state.listening.first().is_some_and(|listening| listening.pattern.as_bytes() == pattern)
            }
        }
    }

    fn spawn_subscribe(self: &Arc<Self>, stream: String) {
        let producer = self.clone();
        self.node_set.context().tasks.spawn(async move {
            // Whoever waits for this subscription is told by `subscribe` itself.
            let _ = producer.subscribe(stream).await;
        });
    }

    /// Subscribes to the own channel of a stream, then sends what was held back for that.
    async fn subscribe(self: Arc<Self>, stream: String) -> Result<(), RedisError> {
        let channel = self.node_set.keys().channel(&stream, &self.id);
        let node = self.node_set.node_of_completions(&stream);
        let key = node.keys().stream(&stream);
        let subscribed = node.subscriptions().subscribe(&self.as_listener(), channel, &key).await;
        let mut state = self.lock();
        let Some(Channel::Subscribing(held)) = state.channels.remove(&stream) else { return subscribed };
        match &subscribed {
            Ok(()) => {
                state.channels.insert(stream, Channel::Subscribed);
                // Submitted under the lock, so that what is sent from now on cannot overtake what was held back.
                self.send_held(&mut state, &held);
            }
            Err(error) => {
                state.channels.insert(stream, Channel::Unheard);
                self.refuse(&held, error);
            }
        }
        subscribed
    }

    fn send_held(self: &Arc<Self>, state: &mut State, held: &[Sending]) {
        let mut commands: Vec<Commands> = self.node_set.nodes().iter().map(|_| Commands::default()).collect();
        for sending in held {
            self.pack(state, &mut commands[sending.node(&self.node_set)], sending);
        }
        for (node, commands) in self.node_set.nodes().iter().zip(&mut commands) {
            node.shared().submit(commands);
        }
    }

    fn pack(self: &Arc<Self>, state: &mut State, commands: &mut Commands, sending: &Sending) {
        let Sending { plan, job, capped, request, wait, ends_at_error, record, headers } = sending;
        let node = sending.node(&self.node_set);
        let (ticket, record) = match wait {
            Some(number) => {
                let recorded = (*record > 0).then(Instant::now);
                let (number, plan, ends_at_error) = (*number, plan.clone(), *ends_at_error);
                state.completions.wait(Begin { number, job, plan, ends_at_error, recorded });
                if recorded.is_some() {
                    self.keep_checking(state);
                }
                let id = u64::from(number) << 32 | u64::from(*request);
                (ReplyTag { kind: Kind::Sent as u8, index: self.number, id }, *record)
            }
            // Nobody would read the record.
            None => (ReplyTag { kind: Kind::Last as u8, index: 0, id: u64::from(*request) }, 0),
        };
        let fields = Fields { producer: &self.id, job, record, headers: headers.as_deref() };
        plan.pack(commands, node, fields, *capped, Destination::Sink(ticket));
    }

    fn refuse(&self, held: &[Sending], error: &RedisError) {
        let host = &self.node_set.context().host;
        for sending in held {
            host.event(Event::Failed { request: sending.request, error });
            host.event(Event::Done { request: sending.request });
        }
        host.wake();
    }

    /// A task that asks Redis about completions goes on until it sees that there are none.
    fn take_state(&self) -> State {
        let mut state = self.lock();
        let (checks_at, heard) = (state.checks_at, state.heard);
        self.checks.notify_one();
        std::mem::replace(&mut *state, State { checks_at, heard, ..State::default() })
    }

    fn let_go(&self, mut state: State) {
        let listener: Weak<dyn CompletionListener> = self.this.clone();
        let host = &self.node_set.context().host;
        for wait in state.completions.abandon() {
            host.event(Event::Abandoned { wait });
        }
        // Behind that, so that whoever is still looked for hears that there will be no outcome.
        self.dismiss(std::mem::take(&mut state.expired));
        host.wake();
        let mut channels: Vec<Vec<String>> = vec![Vec::new(); self.node_set.nodes().len()];
        for (stream, channel) in state.channels {
            if let Channel::Subscribing(held) = &channel {
                self.refuse(held, &closed());
            }
            if !matches!(channel, Channel::Unheard) {
                channels[self.node_set.route(&stream)].push(self.node_set.keys().channel(&stream, &self.id));
            }
        }
        let patterns: Vec<String> = state.listening.into_iter().map(|listening| listening.pattern).collect();
        for (node, channels) in self.node_set.nodes().iter().zip(channels) {
            if !channels.is_empty() || !patterns.is_empty() {
                node.subscriptions().forget(&listener, channels, patterns.clone());
            }
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let state = self.take_state();
        self.let_go(state);
    }
}

/// Milliseconds since the epoch: what the user sees as the time of a completion, never compared with anything.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_millis() as f64)
}

impl CompletionListener for Producer {
    fn number(&self) -> u32 {
        self.number
    }

    fn on_message(&self, source: Source<'_>, channel: &[u8], message: &[u8]) {
        let host = &self.node_set.context().host;
        let Some(notification) = Notification::parse(message) else {
            if self.reports_unreadable(source) {
                host.event(Event::Unreadable { producer: self.number, channel, message });
            }
            return;
        };
        let stream = notification.stream.as_ref();
        let error = notification.error.map(|error| error.get());
        let outcomes = {
            let mut state = self.lock();
            if !self.is_first(&state, source, channel, stream) {
                return;
            }
            state.heard += 1;
            if state.completions.is_empty() {
                Vec::new()
            } else {
                let group = notification.group.clone().into_owned();
                let arrival = Arrival { group, at: now(), error: error.map(str::to_owned) };
                state.completions.arrive(&notification.job, stream, &arrival)
            }
        };
        // First, since the host may come for what there is between the two, and listeners go before who waits.
        if self.watched.load(Ordering::Relaxed) {
            let (job, group) = (notification.job.as_ref(), notification.group.as_ref());
            host.event(Event::Heard { producer: self.number, stream, job, group, error });
        }
        for outcome in outcomes {
            host.event(Event::Outcome { wait: outcome.wait, arrivals: &outcome.arrivals });
        }
    }

    fn on_gap(&self, node: u32) {
        if let Some(producer) = self.this.upgrade() {
            producer.doubt(node);
        }
    }
}

impl ReplyHandler for Producer {
    fn on_reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        let Ok(Reply::Bulk(entry)) = outcome else { return };
        if let (Some(entry), Some(producer)) = (EntryId::parse(entry), self.this.upgrade()) {
            producer.sent((ticket.id >> 32) as u32, entry);
        }
    }
}
