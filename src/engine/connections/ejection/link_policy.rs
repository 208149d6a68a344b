//! Connections to a node that may be ejected: what happens to them is noted, and readers rest while it is out.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState};
use crate::redis_io::options::Endpoint;

use crate::engine::connections::ejection::Ejection;

/// What a connection is to the health of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The shared one, whose failures are the node's. There is none while the node is out.
    Witness,
    /// The subscriber, which is there for what was sent before, whatever happens to the node.
    Subscriber,
    /// One that waits for entries. Their jobs could do nothing while the node is out, so none are taken then.
    Reader,
}

/// A connection's part in the ejection of its node.
#[derive(Clone)]
pub struct Part {
    /// Of the node.
    pub ejection: Arc<Ejection>,
    /// Of the connection.
    pub role: Role,
}

impl Part {
    /// Why no connection with this part may be opened, if that is so.
    pub(crate) fn refusal(&self) -> Option<RedisError> {
        match self.role {
            Role::Witness => self.ejection.refusal(),
            Role::Subscriber | Role::Reader => None,
        }
    }

    /// A connection with this part was made.
    pub(crate) fn opened(&self, link: Arc<dyn Link>) {
        if self.role == Role::Reader {
            self.ejection.add_reader(&link);
        }
    }
}

/// The policy of a connection with this part, if any, which otherwise decides as `policy` does.
pub(crate) fn around(part: Option<&Part>, policy: Arc<dyn LinkPolicy>) -> Arc<dyn LinkPolicy> {
    match part.cloned() {
        Some(part) => Arc::new(Watched { part, policy }),
        None => policy,
    }
}

struct Watched {
    part: Part,
    policy: Arc<dyn LinkPolicy>,
}

impl Watched {
    /// What to wait for before the next attempt, for a reader of a node that is out.
    fn rest(&self) -> Option<BoxFuture<Option<Duration>>> {
        let Part { ejection, role } = &self.part;
        if *role != Role::Reader || !ejection.is_out() {
            return None;
        }
        let is_in = ejection.is_in();
        Some(Box::pin(async move {
            is_in.await;
            Some(Duration::ZERO)
        }))
    }
}

impl LinkPolicy for Watched {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        match self.part.ejection.refusal().filter(|_| self.part.role == Role::Reader) {
            Some(refusal) => Some(Box::pin(async move { Err(refusal) })),
            None => self.policy.locate(),
        }
    }

    fn relocate_delay(&self, round: u32) -> BoxFuture<Option<Duration>> {
        self.rest().unwrap_or_else(|| self.policy.relocate_delay(round))
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.rest().unwrap_or_else(|| self.policy.retry_delay(attempt))
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        let Part { ejection, role } = &self.part;
        match (state, role, error) {
            (LinkState::Connecting, Role::Witness | Role::Subscriber, _) => ejection.begin_watch(),
            (LinkState::Close, Role::Witness, Some(error)) => ejection.failed(error),
            _ => {}
        }
        self.policy.state_changed(state, error);
    }
}
