//! Policy of a connection to a node of sentinels. It resolves the address before each attempt, and reacts to a
//! server in the wrong role.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::redis_io::connection::Connection;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, ErrorAction, Link, LinkPolicy, LinkState};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{Endpoint, ReplicationRole};

use crate::engine::connections::policy::ConnectionPolicy;
use crate::engine::connections::sentinel::resolver::Resolver;

/// Time without a demotion after which the count begins again.
const DEMOTION_WINDOW: Duration = Duration::from_secs(30);
/// Maximum number of demotions in a row that are followed. Errors of later ones go to the caller.
const MAX_DEMOTIONS: u32 = 10;

/// Policy of a connection to the server that sentinels resolve.
pub struct FailoverPolicy {
    this: Weak<FailoverPolicy>,
    policy: Arc<ConnectionPolicy>,
    resolver: Arc<Resolver>,
    connection: OnceCell<Weak<Connection>>,
    /// A lock, since the resolver notifies all policies, from any task.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Address that the resolver gave. `None` while it resolves.
    at: Option<Endpoint>,
    /// True if the connection was ready since then.
    was_ready: bool,
    demotions: Demotions,
}

/// Count of sessions in a row that ended because their server took no writes. Pure.
#[derive(Default)]
struct Demotions {
    count: u32,
    last: Option<Instant>,
}

impl FailoverPolicy {
    /// Decides as `policy`, apart from the address of the next attempt and from errors of a demoted server.
    pub fn new(policy: Arc<ConnectionPolicy>, resolver: Arc<Resolver>) -> Arc<Self> {
        let failover_policy = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            policy,
            resolver,
            connection: OnceCell::new(),
            state: Mutex::default(),
        });
        failover_policy.resolver.add(&failover_policy);
        failover_policy
    }

    /// Sets the connection of this policy, once.
    pub fn attach(&self, connection: &Arc<Connection>) {
        // The caller has just made the connection, so it is set once.
        let _ = self.connection.set(Arc::downgrade(connection));
    }

    /// Reacts to the primary at `primary`. The connection is made anew if its own server has the wrong role now.
    pub(crate) fn promoted(&self, primary: &Endpoint) {
        let misplaced = {
            let mut state = self.lock();
            let is_primary = state.at.as_ref().map(|at| at.to_string() == primary.to_string());
            let wants_primary = self.resolver.options().role == ReplicationRole::Primary;
            let misplaced = is_primary.is_some_and(|is_primary| is_primary != wants_primary);
            if misplaced {
                // The reconnection is under way, so no second one is started.
                state.at = None;
            }
            misplaced
        };
        if misplaced && let Some(connection) = self.connection.get().and_then(Weak::upgrade) {
            connection.reset();
        }
    }

    /// Returns true if an error is followed to the successor of a demoted server. The server did nothing with the
    /// command, so the command can be sent again. After several demotions in a row the error goes to the caller.
    fn follows(&self, error: &RedisError) -> bool {
        let demoted = matches!(error.reply_code(), Some("READONLY" | "UNBLOCKED"));
        if !demoted || self.resolver.options().role != ReplicationRole::Primary {
            return false;
        }
        let mut state = self.lock();
        let is_first = state.at.take().is_some();
        state.demotions.admit(is_first, Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

impl LinkPolicy for FailoverPolicy {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let failover_policy = self.this.upgrade()?;
        Some(Box::pin(async move {
            failover_policy.lock().at = None;
            let found = failover_policy.resolver.locate().await;
            let mut state = failover_policy.lock();
            state.at = found.as_ref().ok().cloned();
            state.was_ready = false;
            found
        }))
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.policy.retry_delay(attempt)
    }

    fn inspects_errors(&self) -> bool {
        true
    }

    fn on_error_reply(&self, error: &RedisError) -> Option<BoxFuture<ErrorAction>> {
        if self.follows(error) {
            return Some(Box::pin(async { ErrorAction::ReconnectAndResend }));
        }
        self.policy.on_error_reply(error)
    }

    fn state_changed(&self, link: LinkState, error: Option<&RedisError>) {
        let report_unreachable = {
            let mut state = self.lock();
            state.was_ready |= link == LinkState::Ready;
            let at = if link == LinkState::Close { state.at.take() } else { None };
            at.filter(|_| error.is_some() && !state.was_ready)
        };
        if let Some(endpoint) = report_unreachable {
            self.resolver.report_unreachable(&endpoint);
        }
        self.policy.state_changed(link, error);
    }
}

impl Demotions {
    /// Counts an error of a demoted server; `is_first` is true for the first of its session. Returns true if the
    /// demotion can be followed.
    fn admit(&mut self, is_first: bool, now: Instant) -> bool {
        if self.last.is_none_or(|last| now.duration_since(last) > DEMOTION_WINDOW) {
            self.count = 0;
        }
        self.count += u32::from(is_first);
        self.last = Some(now);
        self.count <= MAX_DEMOTIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demotions_are_followed_until_they_are_too_many_in_a_row() {
        let (mut demotions, start) = (Demotions::default(), Instant::now());
        for _ in 0..MAX_DEMOTIONS {
            assert!(demotions.admit(true, start) && demotions.admit(false, start));
        }
        assert!(!demotions.admit(true, start));
        assert!(!demotions.admit(false, start + DEMOTION_WINDOW));
        assert!(demotions.admit(true, start + DEMOTION_WINDOW * 3));
    }
}
