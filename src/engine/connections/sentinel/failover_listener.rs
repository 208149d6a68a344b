//! Subscription to one sentinel for announcements of a new primary. It moves to the next sentinel when that is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, LinkPolicy, LinkState, PushSink};
use crate::redis_io::options::{Endpoint, LinkOptions};
use crate::redis_io::pubsub::subscriber::Subscriber;
use crate::redis_io::sentinel::{SWITCHED, switched};
use crate::redis_io::tasks::Tasks;

use crate::engine::connections::sentinel::resolver::Resolver;
use crate::engine::options::sentinel::SentinelOptions;
use crate::engine::runtime::backoff::linear;

/// Interval of pings to the sentinel.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Maximum time of its answer.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(2);
/// Increase of the delay from attempt to attempt.
const DELAY_STEP: Duration = Duration::from_millis(100);
/// Maximum delay.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// A subscription, which ends when it is dropped.
pub struct FailoverListener {
    subscriber: Arc<Subscriber>,
    task: JoinHandle<()>,
}

impl FailoverListener {
    /// Subscribes for `resolver`.
    pub fn new(resolver: Weak<Resolver>, options: &SentinelOptions, tasks: &Tasks) -> Self {
        let policy = Arc::new(AnnouncementPolicy {
            resolver: resolver.clone(),
            name: options.name.clone(),
            turn: AtomicUsize::new(0),
        });
        let link = LinkOptions {
            command_timeout: Some(HEARTBEAT_TIMEOUT),
            // Commands fail at once without a sentinel, and the loop subscribes again.
            max_retries_per_request: Some(0),
            ..LinkOptions::clone(&options.link)
        };
        let subscriber = Subscriber::new(link.into(), policy.clone(), policy, tasks.clone());
        let task = tasks.spawn(listen(subscriber.clone(), resolver));
        Self { subscriber, task }
    }

    /// Returns true if it listens or tries to.
    pub fn is_open(&self) -> bool {
        self.subscriber.state() != LinkState::End && !self.task.is_finished()
    }
}

impl Drop for FailoverListener {
    fn drop(&mut self) {
        self.task.abort();
        self.subscriber.close();
    }
}

async fn listen(subscriber: Arc<Subscriber>, resolver: Weak<Resolver>) {
    // Without the right to subscribe, connections find a failover by themselves.
    while let Err(error) = subscriber.subscribe(vec![SWITCHED.into()]).await {
        match error.kind {
            RedisErrorKind::Reply | RedisErrorKind::Closed => return subscriber.close(),
            RedisErrorKind::Timeout => subscriber.reset(),
            _ => {}
        }
    }
    check(&resolver);
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let alive = subscriber.ping().await;
        if alive.is_err_and(|error| error.kind == RedisErrorKind::Timeout) {
            // A machine that is gone closes no sockets. The primary can have been on it.
            subscriber.reset();
        }
    }
}

fn check(resolver: &Weak<Resolver>) {
    if let Some(resolver) = resolver.upgrade() {
        resolver.check();
    }
}

/// Policy of the subscription, and receiver of its messages.
struct AnnouncementPolicy {
    resolver: Weak<Resolver>,
    name: String,
    /// Number of connections so far. Each goes to the next sentinel.
    turn: AtomicUsize,
}

impl LinkPolicy for AnnouncementPolicy {
    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let sentinel = self.resolver.upgrade()?.sentinel(self.turn.load(Ordering::Relaxed))?;
        Some(Box::pin(async { Ok(sentinel) }))
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        // The next sentinel is another one than the one that failed, so the first delays are short.
        Box::pin(async move { Some(linear(DELAY_STEP, attempt, LONGEST_DELAY)) })
    }

    fn state_changed(&self, state: LinkState, _error: Option<&RedisError>) {
        if state == LinkState::Close {
            self.turn.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl PushSink for AnnouncementPolicy {
    fn message(&self, _pattern: Option<&[u8]>, _channel: &[u8], payload: &[u8]) {
        if let (Some(primary), Some(resolver)) = (switched(payload, &self.name), self.resolver.upgrade()) {
            resolver.switched(primary);
        }
    }

    fn resubscribed(&self) {
        check(&self.resolver);
    }
}
