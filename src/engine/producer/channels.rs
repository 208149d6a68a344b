//! Subscriptions of a producer: its own channels, and the patterns that the user listens to.

use std::sync::{Arc, Weak};

use crate::redis_io::command::Commands;
use crate::redis_io::error::{RedisError, RedisErrorKind};

use crate::engine::nodes::message_router::CompletionListener;
use crate::engine::nodes::subscriber_set::Name;
use crate::engine::producer::Producer;
use crate::engine::producer::held_sends::HeldSend;
use crate::engine::producer::outcome_query::PendingReply;
use crate::engine::producer::sending::send_plan::QueuedSend;
use crate::engine::producer::state::{Channel, ListenedStream, ProducerState};
use crate::engine::producer::transaction::Transacting;

impl Producer {
    /// Subscribes to the completions of all its own jobs, awaited or not.
    pub async fn listen_own(self: Arc<Self>) -> Result<(), RedisError> {
        let streams: Vec<String> = {
            let mut state = self.lock();
            state.listens_to_own_jobs = true;
            let not_subscribed =
                state.channels.iter_mut().filter(|(_, channel)| matches!(channel, Channel::NotSubscribed));
            let subscribe = not_subscribed.map(|(stream, channel)| {
                *channel = Channel::Subscribing;
                stream.clone()
            });
            subscribe.collect()
        };
        // Each of them has an end, also behind one that fails: sends to the stream wait for it.
        let mut subscribed = Ok(());
        for stream in streams {
            subscribed = subscribed.and(self.clone().subscribe(stream, None).await);
        }
        subscribed?;
        for node in self.node_set.nodes() {
            match node.subscriptions().ready().await {
                // A later job whose completions come from there subscribes to it.
                Err(error) if error.kind == RedisErrorKind::Ejected => {}
                ready => ready?,
            }
        }
        Ok(())
    }

    /// Subscribes to the completions of every producer's jobs on these streams. `*` in a name stands for any text.
    pub async fn listen(self: Arc<Self>, streams: Vec<String>) -> Result<(), RedisError> {
        for stream in streams {
            let pattern = self.node_set.keys().pattern(&stream);
            {
                let mut state = self.lock();
                if !state.listened.iter().any(|listened| listened.pattern == pattern) {
                    state.listened.push(ListenedStream {
                        stream: stream.clone(),
                        pattern: pattern.clone(),
                        confirmed: false,
                    });
                }
            }
            let subscribed = self.clone().subscribe_pattern(&pattern, &stream).await;
            let mut state = self.lock();
            if subscribed.is_err() {
                state.listened.retain(|listened| listened.pattern != pattern || listened.confirmed);
                return subscribed;
            }
            for listened in state.listened.iter_mut().filter(|listened| listened.pattern == pattern) {
                listened.confirmed = true;
            }
        }
        Ok(())
    }

    /// Subscribes on the node that publishes the stream's completions. A name with `*` needs all nodes.
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

    /// Subscribes to the own channel of a stream for its first job. A job with a wait also needs the groups that exist before
    /// it is sent.
    fn spawn_subscribe(self: &Arc<Self>, stream: String, queued: &QueuedSend) {
        let producer = self.clone();
        let groups = queued.wait.map(|_| self.ask_groups(queued, true));
        self.node_set.context().tasks.spawn(async move {
            // `subscribe` itself reports a failure to the jobs that wait.
            let _ = producer.subscribe(stream, groups).await;
        });
    }

    /// Subscribes to the own channel of a stream, then sends the jobs that were held back.
    async fn subscribe(
        self: Arc<Self>,
        stream: String,
        groups: Option<PendingReply>,
    ) -> Result<(), RedisError> {
        let node = self.node_set.node_of_completions(&stream);
        let key = node.keys().stream(&stream);
        let mut subscribed = Ok(());
        for channel in self.channels_of(&stream) {
            subscribed = node.subscriptions().subscribe(&self.as_listener(), channel, &key).await;
            if subscribed.is_err() {
                // One of two channels is no subscription.
                let listener: Weak<dyn CompletionListener> = self.this.clone();
                node.subscriptions().forget(&listener, self.channels_of(&stream), Vec::new());
                break;
            }
        }
        let groups = match groups.filter(|_| subscribed.is_ok()) {
            Some(groups) => groups.await.ok(),
            None => None,
        };
        let mut state = self.lock();
        if !matches!(state.channels.get(&stream), Some(Channel::Subscribing)) {
            return subscribed;
        }
        let (is_answered, is_refused) = match groups {
            Some(Ok(groups)) => {
                let names = self.group_names(&groups);
                state.known_groups.add(&stream, names.iter().map(String::as_str));
                (true, false)
            }
            // Without a stream, or without the right, no group is known.
            Some(Err(error)) => (error.kind == RedisErrorKind::Reply, error.reply_code() == Some("NOPERM")),
            None => (false, false),
        };
        // A lost question is repeated in front of the jobs that were held back, and an answered one behind them.
        state.known_groups.set_outdated(&stream, !is_answered);
        match &subscribed {
            Ok(()) => drop(state.channels.insert(stream.clone(), Channel::Subscribed)),
            Err(error) => {
                let refused = state.held.take_of(&stream);
                state.channels.insert(stream.clone(), Channel::NotSubscribed);
                self.refuse(refused, error);
            }
        }
        // Submitted under the lock, so that later jobs cannot overtake the ones that were held back.
        self.send_held(&mut state);
        state.known_groups.set_outdated(&stream, !is_refused);
        subscribed
    }

    /// The own channels of a stream. The sharded one is for consumers that know it, and the other for all of 2.x.
    pub(crate) fn channels_of(&self, stream: &str) -> Vec<Name> {
        let ordinary = self.node_set.keys().channel(stream, &self.id);
        let sharded = self.node_set.node_of_completions(stream).sharded_channels_of(stream);
        let sharded = sharded.map(|head| Name::Sharded(format!("{head}{}", self.id).into_bytes()));
        [Name::Channel(ordinary.into_bytes())].into_iter().chain(sharded).collect()
    }

    /// Begins the subscription that a job needs. Returns true if sends to its stream must wait.
    pub(crate) fn must_wait(self: &Arc<Self>, state: &mut ProducerState, queued: &QueuedSend) -> bool {
        let stream = &queued.plan.stream;
        match state.channels.get(stream) {
            Some(Channel::Subscribed) => {}
            Some(Channel::Subscribing) => return true,
            _ if state.awaits(queued) => {
                state.channels.insert(stream.clone(), Channel::Subscribing);
                self.spawn_subscribe(stream.clone(), queued);
                return true;
            }
            Some(Channel::NotSubscribed) => {}
            None => drop(state.channels.insert(stream.clone(), Channel::NotSubscribed)),
        }
        state.held.has(stream)
    }

    /// Holds a send back, unless too many jobs wait already, or it could not be sent later either.
    pub(crate) fn hold(&self, state: &mut ProducerState, send: HeldSend) {
        let node = send.jobs().first().map_or(0, |queued| queued.node(&self.node_set));
        let limit = self.node_set.nodes()[node].queue();
        if send.exceeds(limit) {
            self.refuse([send.request()], &RedisError::request_too_large());
        } else if state.held.has_room(&send, limit.commands) {
            state.held.push(send);
        } else {
            self.refuse([send.request()], &RedisError::queue_full());
        }
    }

    /// Sends the jobs that were held back and need no further subscription.
    pub(crate) fn send_held(self: &Arc<Self>, state: &mut ProducerState) {
        let channels = &state.channels;
        let is_open = |stream: &str| !matches!(channels.get(stream), Some(Channel::Subscribing));
        let can_transact = state.transacting == Transacting::Allowed;
        let ready = state.held.take_ready(can_transact, is_open);
        let mut commands: Vec<Commands> = self.node_set.nodes().iter().map(|_| Commands::default()).collect();
        for send in &ready {
            match send {
                HeldSend::Single(queued) => {
                    self.pack(state, &mut commands[queued.node(&self.node_set)], queued);
                }
                HeldSend::Transaction(transaction) => {
                    self.pack_transaction(
                        state,
                        &mut commands[transaction.node(&self.node_set)],
                        transaction,
                    );
                }
            }
        }
        for (node, commands) in self.node_set.nodes().iter().zip(&mut commands) {
            node.shared().submit(commands);
        }
        self.held_left.notify_waiters();
    }

    /// Waits until no send to a stream is held back.
    pub(crate) async fn until_none_held(&self, stream: &str) {
        loop {
            // Made before the state is read, so that an end in between is not missed.
            let left = self.held_left.notified();
            if !self.lock().held.has(stream) {
                return;
            }
            left.await;
        }
    }
}
