//! Probe of an ejected node: a connection of its own that must last for a while.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::redis_io::command::ReplyTag;
use crate::redis_io::connection::Connection;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, LinkPolicy, LinkState, ReplySink, call};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{Endpoint, LinkOptions};
use crate::redis_io::resp::Reply;
use crate::redis_io::tasks::Tasks;

use crate::engine::connections::sentinel::locator::SentinelLocator;

/// Pings twice on one connection, `patience` apart. A node that comes and goes in less time is not back yet. Each
/// reply can take `patience` as well.
pub(crate) async fn probe(
    options: &LinkOptions,
    locator: Option<Arc<SentinelLocator>>,
    patience: Duration,
    tasks: Tasks,
) -> Result<(), RedisError> {
    let attempt = Arc::new(Attempt { locator, cause: Mutex::default() });
    let options =
        LinkOptions { lazy: false, offline_queue: true, connect_timeout: Some(patience), ..options.clone() };
    let late = late(&options, patience.as_millis());
    let link = Connection::new(Arc::new(options), attempt.clone(), attempt.clone(), tasks);
    let ask = || async {
        let answer = call(link.as_ref(), |commands, to| commands.begin("PING", 1).end_once(to));
        match timeout(patience, answer).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.kind == RedisErrorKind::Reply => Ok(()),
            Ok(Err(error)) => Err(attempt.cause().unwrap_or(error)),
            Err(_) => Err(late.clone()),
        }
    };
    ask().await?;
    sleep(patience).await;
    ask().await
}

/// Error of a node that does not reply within `patience` ms.
pub(crate) fn late(options: &LinkOptions, patience: u128) -> RedisError {
    let message = format!("No answer within {patience} ms.");
    RedisError::local(RedisErrorKind::Timeout, &message, &options.endpoint.to_string().into())
}

/// Policy of a connection with one attempt.
struct Attempt {
    locator: Option<Arc<SentinelLocator>>,
    /// Cause of the failure. A lock, since the connection's tasks set it.
    cause: Mutex<Option<RedisError>>,
}

impl Attempt {
    fn cause(&self) -> Option<RedisError> {
        self.cause.locked().clone()
    }
}

impl LinkPolicy for Attempt {
    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let locator = self.locator.clone()?;
        Some(Box::pin(async move { locator.locate().await }))
    }

    fn retry_delay(&self, _attempt: u32) -> BoxFuture<Option<Duration>> {
        Box::pin(async { None })
    }

    fn state_changed(&self, _state: LinkState, error: Option<&RedisError>) {
        if let Some(error) = error {
            let mut cause = self.cause.locked();
            cause.get_or_insert_with(|| error.clone());
        }
    }
}

impl ReplySink for Attempt {
    fn reply(&self, _ticket: ReplyTag, _outcome: Result<Reply<'_>, RedisError>) {}
}
