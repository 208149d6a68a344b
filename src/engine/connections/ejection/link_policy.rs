//! Policy of connections to a node that can be ejected. It reports failures, and holds readers back while the node
//! is out.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState};
use crate::redis_io::options::Endpoint;

use crate::engine::connections::ejection::Ejection;

/// Role of a connection in the health of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRole {
    /// The shared connection, whose failures are the node's. It is closed while the node is out.
    Shared,
    /// The subscriber. It stays open for completions of jobs that were sent before the ejection.
    Subscriber,
    /// A reader connection. Its jobs could do nothing while the node is out, so it takes none then.
    Reader,
}

/// Handle of a connection on the ejection of its node.
#[derive(Clone)]
pub struct EjectionHandle {
    /// Ejection state of the node.
    pub ejection: Arc<Ejection>,
    /// Role of the connection.
    pub role: ConnectionRole,
}

impl EjectionHandle {
    /// Returns the error of a connection that must not be opened now.
    pub(crate) fn refusal(&self) -> Option<RedisError> {
        match self.role {
            ConnectionRole::Shared => self.ejection.refusal(),
            ConnectionRole::Subscriber | ConnectionRole::Reader => None,
        }
    }

    /// Records that a connection was made.
    pub(crate) fn opened(&self, link: Arc<dyn Link>) {
        if self.role == ConnectionRole::Reader {
            self.ejection.add_reader(&link);
        }
    }
}

/// Wraps `policy` for a connection with a handle. Without a handle returns `policy` itself.
pub(crate) fn around(handle: Option<&EjectionHandle>, policy: Arc<dyn LinkPolicy>) -> Arc<dyn LinkPolicy> {
    match handle.cloned() {
        Some(handle) => Arc::new(EjectionPolicy { handle, policy }),
        None => policy,
    }
}

struct EjectionPolicy {
    handle: EjectionHandle,
    policy: Arc<dyn LinkPolicy>,
}

impl EjectionPolicy {
    /// Delay before the next attempt of a reader, if its node is out: until the node is readmitted.
    fn readmission(&self) -> Option<BoxFuture<Option<Duration>>> {
        let EjectionHandle { ejection, role } = &self.handle;
        if *role != ConnectionRole::Reader || !ejection.is_out() {
            return None;
        }
        let is_in = ejection.is_in();
        Some(Box::pin(async move {
            is_in.await;
            Some(Duration::ZERO)
        }))
    }
}

impl LinkPolicy for EjectionPolicy {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        match self.handle.ejection.refusal().filter(|_| self.handle.role == ConnectionRole::Reader) {
            Some(refusal) => Some(Box::pin(async move { Err(refusal) })),
            None => self.policy.locate(),
        }
    }

    fn relocate_delay(&self, round: u32) -> BoxFuture<Option<Duration>> {
        self.readmission().unwrap_or_else(|| self.policy.relocate_delay(round))
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.readmission().unwrap_or_else(|| self.policy.retry_delay(attempt))
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        let EjectionHandle { ejection, role } = &self.handle;
        match (state, role, error) {
            (LinkState::Connecting, ConnectionRole::Shared | ConnectionRole::Subscriber, _) => {
                ejection.start_monitor()
            }
            (LinkState::Close, ConnectionRole::Shared, Some(error)) => ejection.failed(error),
            _ => {}
        }
        self.policy.state_changed(state, error);
    }
}
