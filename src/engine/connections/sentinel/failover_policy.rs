//! Policy of a connection to a node of sentinels. It resolves the address before each attempt, and reacts to a
//! server in the wrong role.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::connection::Connection;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, ErrorAction, LinkPolicy, LinkState};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{Endpoint, ReplicationRole};

use crate::engine::connections::policy::ConnectionPolicy;
use crate::engine::connections::sentinel::locator::SentinelLocator;
use crate::engine::connections::sentinel::server_location::ServerLocation;

/// Time without a demotion after which the count begins again.
const DEMOTION_WINDOW: Duration = Duration::from_secs(30);
/// Maximum number of demotions in a row that are followed. Errors of later ones go to the caller.
const MAX_DEMOTIONS: u32 = 10;

/// Policy of a connection to the server that sentinels name.
pub struct FailoverPolicy {
    policy: Arc<ConnectionPolicy>,
    locator: Arc<SentinelLocator>,
    location: Arc<ServerLocation>,
    demotions: Mutex<Demotions>,
}

/// Count of sessions in a row that ended because their server took no writes. Pure.
#[derive(Default)]
struct Demotions {
    count: u32,
    last: Option<Instant>,
}

impl FailoverPolicy {
    /// Decides as `policy`, apart from the address of the next attempt and from errors of a demoted server.
    pub fn new(policy: Arc<ConnectionPolicy>, locator: Arc<SentinelLocator>) -> Arc<Self> {
        let location = Arc::new(ServerLocation::new(locator.resolver().options().role));
        locator.resolver().add(&location);
        Arc::new(Self { policy, locator, location, demotions: Mutex::default() })
    }

    /// Sets the connection of this policy, once.
    pub fn attach(&self, connection: &Arc<Connection>) {
        self.location.attach(connection);
    }

    /// Returns true if an error is followed to the successor of a demoted server. The server did nothing with the
    /// command, so the command can be sent again. After several demotions in a row the error goes to the caller.
    fn follows(&self, error: &RedisError) -> bool {
        let demoted = matches!(error.reply_code(), Some("READONLY" | "UNBLOCKED"));
        if !demoted || self.location.role != ReplicationRole::Primary {
            return false;
        }
        let is_first = self.location.leave();
        self.demotions.locked().admit(is_first, Instant::now())
    }
}

impl LinkPolicy for FailoverPolicy {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let (locator, location) = (self.locator.clone(), self.location.clone());
        Some(Box::pin(async move {
            location.leave();
            let found = locator.locate().await;
            location.move_to(found.as_ref().ok().cloned());
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
        let never_ready = self.location.on_state(link);
        if let Some(endpoint) = never_ready.filter(|_| error.is_some()) {
            self.locator.resolver().report_unreachable(&endpoint);
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
