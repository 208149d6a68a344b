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

/// A connection in subscriber mode. Its subscriptions survive reconnections.
pub struct Subscriber {
    connection: Arc<Connection>,
    subscriptions: Arc<SubscriptionTracker>,
}

impl Subscriber {
    /// A subscriber that opens. Messages go to `pushes`.
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

    /// Subscribes to channels, and resolves once Redis has confirmed all. Returns the first refusal. The other channels
    /// of the call are subscribed in any case.
    pub fn subscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::Subscribe, channels)
    }

    /// As [`Subscriber::subscribe`], to patterns.
    pub fn psubscribe(&self, patterns: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::PSubscribe, patterns)
    }

    /// As [`Subscriber::subscribe`], to sharded channels. The node refuses those of slots that it does not have.
    pub fn ssubscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::SSubscribe, channels)
    }

    /// Unsubscribes from sharded channels.
    pub fn sunsubscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::SUnsubscribe, channels)
    }

    /// Unsubscribes from channels.
    pub fn unsubscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::Unsubscribe, channels)
    }

    /// Unsubscribes from patterns.
    pub fn punsubscribe(&self, patterns: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask(Verb::PUnsubscribe, patterns)
    }

    /// Subscribes again after Redis refused some names on a reconnection. A connection that opens does so by itself.
    pub fn subscribe_again(&self) {
        if self.state() == LinkState::Ready {
            self.subscriptions.subscribe_again();
        }
    }

    /// Resolves once the connection is ready and Redis has answered PING.
    pub fn ping(&self) -> BoxFuture<Result<(), RedisError>> {
        let connection = self.connection.clone();
        Box::pin(async move {
            call(connection.as_ref(), |commands, to| commands.begin("PING", 1).end(to)).await.map(drop)
        })
    }

    /// Connection of the subscriber.
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

    /// Submits at the call and not at the first poll, so that calls keep their order.
    fn ask(&self, verb: Verb, names: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        let (mut commands, answer) = self.subscriptions.ask(verb, names);
        self.connection.submit(&mut commands);
        Box::pin(async move {
            // The connection answers everything before it goes.
            answer.await.unwrap_or(Ok(()))
        })
    }
}
