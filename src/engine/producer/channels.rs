//! Subscriptions of a producer: its own channels, and the patterns that the user listens to.

use std::sync::Arc;

use crate::redis_io::command::Commands;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::glob;

use crate::engine::host::RequestId;
use crate::engine::producer::send_plan::QueuedSend;
use crate::engine::producer::send_transaction::SendTransaction;
use crate::engine::producer::{Producer, ProducerState};

/// The producer's own channel of one stream.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Jobs were sent to the stream, without a subscription.
    NotSubscribed,
    /// The subscription is not confirmed yet. These jobs are sent after the confirmation, so that no completion is
    /// missed.
    Subscribing(Vec<HeldSend>),
    /// Confirmed.
    Subscribed,
}

/// Send that waits for a subscription.
#[derive(Debug)]
pub(crate) enum HeldSend {
    /// One job.
    Single(QueuedSend),
    /// Jobs of one transaction. It is held by one stream at a time.
    Transaction(SendTransaction),
}

impl HeldSend {
    pub(crate) fn request(&self) -> RequestId {
        match self {
            Self::Single(queued) => queued.request,
            Self::Transaction(transaction) => transaction.request,
        }
    }

    /// Number of its jobs.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Single(_) => 1,
            Self::Transaction(transaction) => transaction.sends.len(),
        }
    }

    /// Returns true if one of its jobs goes to a stream.
    fn is_for(&self, stream: &str) -> bool {
        match self {
            Self::Single(queued) => queued.plan.stream == stream,
            Self::Transaction(transaction) => {
                transaction.sends.iter().any(|queued| queued.plan.stream == stream)
            }
        }
    }
}

/// Streams that the user listens to.
#[derive(Debug)]
pub(crate) struct ListenedStream {
    pub(crate) stream: String,
    pub(crate) pattern: String,
    pub(crate) confirmed: bool,
}

impl ListenedStream {
    /// Returns true if the listener covers the stream. A name without `*` covers that stream alone.
    pub(crate) fn matches(&self, stream: &str) -> bool {
        match self.stream.contains('*') {
            true => glob::matches(self.stream.as_bytes(), stream.as_bytes()),
            false => self.stream == stream,
        }
    }
}

impl Producer {
    /// Subscribes to the completions of all its own jobs, awaited or not.
    pub async fn listen_own(self: Arc<Self>) -> Result<(), RedisError> {
        let streams: Vec<String> = {
            let mut state = self.lock();
            state.listens_to_own_jobs = true;
            let not_subscribed =
                state.channels.iter_mut().filter(|(_, channel)| matches!(channel, Channel::NotSubscribed));
            let subscribe = not_subscribed.map(|(stream, channel)| {
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

    pub(crate) fn spawn_subscribe(self: &Arc<Self>, stream: String) {
        let producer = self.clone();
        self.node_set.context().tasks.spawn(async move {
            // `subscribe` itself reports a failure to the jobs that wait.
            let _ = producer.subscribe(stream).await;
        });
    }

    /// Subscribes to the own channel of a stream, then sends the jobs that were held back.
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
                // Submitted under the lock, so that later jobs cannot overtake the ones that were held back.
                self.send_held(&mut state, held);
            }
            Err(error) => {
                let (refused, others): (Vec<_>, Vec<_>) =
                    held.into_iter().partition(|held| held.is_for(&stream));
                state.channels.insert(stream, Channel::NotSubscribed);
                self.refuse(refused.iter().map(HeldSend::request), error);
                self.send_held(&mut state, others);
            }
        }
        subscribed
    }

    /// Sends jobs that were held back. A transaction that needs another subscription waits for it, together with all sends
    /// behind it, which must not overtake it.
    fn send_held(self: &Arc<Self>, state: &mut ProducerState, held: Vec<HeldSend>) {
        let mut commands: Vec<Commands> = self.node_set.nodes().iter().map(|_| Commands::default()).collect();
        let mut held = held.into_iter();
        while let Some(send) = held.next() {
            match &send {
                HeldSend::Single(queued) => {
                    self.pack(state, &mut commands[queued.node(&self.node_set)], queued)
                }
                HeldSend::Transaction(transaction) => match self.missing_channel(state, transaction) {
                    None => self.pack_transaction(state, &mut commands[transaction.node(self)], transaction),
                    Some(stream) => {
                        if let Some(Channel::Subscribing(waiting)) = state.channels.get_mut(&stream) {
                            waiting.push(send);
                            waiting.extend(held.by_ref());
                        }
                    }
                },
            }
        }
        for (node, commands) in self.node_set.nodes().iter().zip(&mut commands) {
            node.shared().submit(commands);
        }
    }
}
