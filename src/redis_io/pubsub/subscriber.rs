//! A connection that receives published messages.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::connection::Connection;
use crate::redis_io::connection::state::Sinks;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState, PushSink, call};
use crate::redis_io::options::LinkOptions;
use crate::redis_io::pubsub::subscription_tracker::{SubscriptionTracker, Verb};
use crate::redis_io::tasks::Tasks;

/// A connection in subscriber mode. What is subscribed stays so over reconnections.
pub struct Subscriber {
    connection: Arc<Connection>,
    subscriptions: Arc<SubscriptionTracker>,
}

impl Subscriber {
    /// A subscriber that is being opened; messages go to `pushes`.
    pub fn new(
        options: Arc<LinkOptions>,
        policy: Arc<dyn LinkPolicy>,
        pushes: Arc<dyn PushSink>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let subscriptions = Arc::new(SubscriptionTracker::new(&options, policy, pushes.clone()));
        let sinks = Sinks { sink: subscriptions.clone(), pushes: Some(pushes), redirector: None };
        let connection = Connection::with_sinks(options, subscriptions.clone(), sinks, tasks);
        subscriptions.bind(&connection);
        Arc::new(Self { connection, subscriptions })
    }

    /// Subscribes to channels; resolves once Redis has confirmed them all. The first refusal is returned; the
    /// others of the call are subscribed all the same.
    pub fn subscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::Subscribe, channels)
    }

    /// As [`Subscriber::subscribe`], to patterns.
    pub fn psubscribe(&self, patterns: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::PSubscribe, patterns)
    }

    /// Takes subscriptions to channels back.
    pub fn unsubscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::Unsubscribe, channels)
    }

    /// Takes subscriptions to patterns back.
    pub fn punsubscribe(&self, patterns: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::PUnsubscribe, patterns)
    }

    /// Subscribes again what has been, some of which Redis refused when the connection came back. One that is being made
    /// does so by itself.
    pub fn subscribe_again(&self) {
        if self.state() == LinkState::Ready {
            self.subscriptions.subscribe_again();
        }
    }

    /// Resolves once the connection is ready and Redis lets us in.
    pub fn ping(&self) -> BoxFuture<Result<(), RedisError>> {
        let connection = self.connection.clone();
        Box::pin(async move {
            call(connection.as_ref(), |commands, to| commands.begin("PING", 1).end(to)).await.map(drop)
        })
    }

    /// The connection under it.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// State of the connection.
    pub fn state(&self) -> LinkState {
        self.connection.state()
    }

    /// As [`Link::node`].
    pub fn node(&self) -> Arc<str> {
        self.connection.node()
    }

    /// As [`Link::reset`].
    pub fn reset(&self) {
        self.connection.reset();
    }

    /// As [`Link::quit`].
    pub fn quit(&self, bound: Duration) -> BoxFuture<()> {
        self.connection.quit(bound)
    }

    /// As [`Link::close`].
    pub fn close(&self) {
        self.connection.close();
    }

    /// Submits at the call and not when the future is polled, so that what is asked for later comes later.
    fn ask(&self, verb: Verb, names: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        let (mut commands, answer) = self.subscriptions.ask(verb, names);
        self.connection.submit(&mut commands);
        Box::pin(async move {
            // The connection answers everything before it goes.
            answer.await.unwrap_or(Ok(()))
        })
    }
}
