//! Connections to a node of sentinels: where they lead to is found out before each attempt, and what happens when a
//! server is not, or no longer, the one that is wanted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::redis_io::connection::Connection;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, ErrorAction, Link, LinkPolicy, LinkState};
use crate::redis_io::options::{Endpoint, ReplicationRole};

use crate::engine::connections::client::Policy;
use crate::engine::connections::sentinel::resolver::Resolver;

/// Demotions that are further apart than this have nothing to do with each other.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// How many demotions in a row are followed before their errors go to whoever sent the commands.
const MOST_DEMOTIONS: u32 = 10;

/// The policy of a connection to the server that sentinels name.
pub struct Follower {
    this: Weak<Follower>,
    policy: Arc<Policy>,
    resolver: Arc<Resolver>,
    connection: OnceCell<Weak<Connection>>,
    /// A lock, since the resolver looks into all followers, from whichever task found something out.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where the connection was told to go; nothing while it is being found out.
    at: Option<Endpoint>,
    /// Whether the connection was ready since then.
    was_ready: bool,
    demotions: Demotions,
}

/// Sessions in a row that ended because their server took no writes. Pure.
#[derive(Default)]
struct Demotions {
    count: u32,
    last: Option<Instant>,
}

impl Follower {
    /// Decides as `policy` does, but for the place of the next attempt and for what a demoted server says.
    pub fn new(policy: Arc<Policy>, resolver: Arc<Resolver>) -> Arc<Self> {
        let follower = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            policy,
            resolver,
            connection: OnceCell::new(),
            state: Mutex::default(),
        });
        follower.resolver.add(&follower);
        follower
    }

    /// Says which connection this is about, once.
    pub fn belong_to(&self, connection: &Arc<Connection>) {
        // Only who makes the connection does this.
        let _ = self.connection.set(Arc::downgrade(connection));
    }

    /// The server at `primary` is the primary now: if that makes the connection's own server the wrong one, the
    /// connection is made anew.
    pub(crate) fn promoted(&self, primary: &Endpoint) {
        let misplaced = {
            let mut state = self.lock();
            let is_primary = state.at.as_ref().map(|at| at.to_string() == primary.to_string());
            let wants_primary = self.resolver.options().role == ReplicationRole::Primary;
            let misplaced = is_primary.is_some_and(|is_primary| is_primary != wants_primary);
            if misplaced {
                // Told once; from here on it is on its way.
                state.at = None;
            }
            misplaced
        };
        if misplaced && let Some(connection) = self.connection.get().and_then(Weak::upgrade) {
            connection.reset();
        }
    }

    /// A server that takes no writes any more is given up and the command sent to its successor: it did nothing
    /// with the command. After some of these in a row the error is the caller's.
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkPolicy for Follower {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let follower = self.this.upgrade()?;
        Some(Box::pin(async move {
            follower.lock().at = None;
            let found = follower.resolver.locate().await;
            let mut state = follower.lock();
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
        let misled = {
            let mut state = self.lock();
            state.was_ready |= link == LinkState::Ready;
            let at = if link == LinkState::Close { state.at.take() } else { None };
            at.filter(|_| error.is_some() && !state.was_ready)
        };
        if let Some(endpoint) = misled {
            self.resolver.misled(&endpoint);
        }
        self.policy.state_changed(link, error);
    }
}

impl Demotions {
    /// Notes an error of a demoted server, which `is_first` of its session; whether it may be followed.
    fn admit(&mut self, is_first: bool, now: Instant) -> bool {
        if self.last.is_none_or(|last| now.duration_since(last) > FORGOTTEN_AFTER) {
            self.count = 0;
        }
        self.count += u32::from(is_first);
        self.last = Some(now);
        self.count <= MOST_DEMOTIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demotions_are_followed_until_they_are_too_many_in_a_row() {
        let (mut demotions, start) = (Demotions::default(), Instant::now());
        for _ in 0..MOST_DEMOTIONS {
            assert!(demotions.admit(true, start) && demotions.admit(false, start));
        }
        assert!(!demotions.admit(true, start));
        assert!(!demotions.admit(false, start + FORGOTTEN_AFTER));
        assert!(demotions.admit(true, start + FORGOTTEN_AFTER * 3));
    }
}
