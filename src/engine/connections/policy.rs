//! The decisions of a connection of the bus: delays before attempts, the meaning of error replies, events for the host.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::connection::metrics::Traffic;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, ErrorAction, LinkPolicy, LinkState};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{Endpoint, LinkOptions};

use crate::engine::connections::ejection::link_policy::EjectionHandle;
use crate::engine::connections::reconnects::Reconnects;
use crate::engine::connections::server_changes::ServerChanges;
use crate::engine::connections::state_changes::StateChangeFilter;
use crate::engine::host::callbacks::CallbackAnswer;
use crate::engine::host::context::Context;
use crate::engine::host::{Event, Retry};
use crate::engine::options::bus::NodeOptions;
use crate::engine::runtime::backoff::linear;

/// Maximum delay before a reconnection by default.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(2);

/// Shared inputs of all connection policies of a bus.
#[derive(Clone)]
pub struct PolicyOptions {
    /// Host and runtime.
    pub context: Arc<Context>,
    /// Options of the node.
    pub options: Arc<NodeOptions>,
    /// Number of the node, for events and questions.
    pub node: u32,
    /// Number under which changes of state are reported. `None` reports none.
    pub visible: Option<u32>,
    /// True if changes of the connection are reported to the host as changes of the node.
    pub announces: bool,
    /// Maximum silence of the server, see [`LinkOptions::silence`].
    pub silence: Option<Duration>,
    /// True while the bus is closing. No connection is opened then.
    pub closing: Arc<AtomicBool>,
    /// Receiver of restored connections.
    pub reconnects: Arc<Reconnects>,
    /// Changes of the servers of the bus.
    pub servers: Arc<ServerChanges>,
    /// Role of the connection in the node's ejection, if the node can be ejected.
    pub handle: Option<EjectionHandle>,
}

impl PolicyOptions {
    /// Options of a connection, with the maximum silence of its server.
    pub fn link_options(&self, link: &LinkOptions) -> Arc<LinkOptions> {
        let (silence, checks_sends) = (self.silence, self.checks_sends(link));
        Arc::new(LinkOptions { silence, checks_sends, ..link.clone() })
    }

    /// Returns true if sends of a lost connection are searched for. Only the shared connection sends jobs.
    pub fn checks_sends(&self, link: &LinkOptions) -> bool {
        self.announces && link.resend
    }

    /// Topology of the Cluster that the options name, if they name one.
    pub fn topology(&self) -> Option<Arc<Topology>> {
        let cluster = self.options.cluster.clone()?;
        let asker = self.clone();
        let retry_delay =
            move |attempt| asker.retry_delay(Retry::Connection, attempt, default_cluster_retry_delay);
        Some(Topology::new(cluster, self.context.tasks.clone(), Box::new(retry_delay)))
    }

    /// Delay before a retry: the host's answer if it has a callback, `otherwise` if not.
    fn retry_delay(
        &self,
        retry: Retry,
        attempt: u32,
        otherwise: fn(u32) -> Duration,
    ) -> BoxFuture<Option<Duration>> {
        let asks = match retry {
            Retry::Connection => self.options.asks_retry,
            Retry::Sentinels => self.options.sentinels.as_ref().is_some_and(|sentinels| sentinels.asks_retry),
        };
        if !asks {
            return Box::pin(async move { Some(otherwise(attempt)) });
        }
        let (question, answer) = self.context.callbacks.ask();
        self.context.host.event(Event::RetryAsked { node: self.node, question, retry, attempt });
        self.context.host.wake();
        Box::pin(async move {
            match answer.await {
                Ok(CallbackAnswer::Retry(delay)) => delay,
                _ => None,
            }
        })
    }

    /// Creates the policy of one connection. The connection counts as open until its end. `was_lost` is true if it replaces
    /// a lost connection, such as that of a node that was ejected.
    pub fn for_link(
        &self,
        session: Arc<AtomicU64>,
        traffic: Arc<Traffic>,
        was_lost: bool,
    ) -> Arc<ConnectionPolicy> {
        self.context.link_opened();
        let ended = AtomicBool::new(false);
        let place = Mutex::new(self.options.place());
        let (options, announcements) = (self.clone(), Mutex::default());
        let replaces_lost = AtomicBool::new(was_lost);
        Arc::new(ConnectionPolicy { options, session, traffic, ended, place, announcements, replaces_lost })
    }
}

/// Policy of one connection.
pub struct ConnectionPolicy {
    options: PolicyOptions,
    session: Arc<AtomicU64>,
    traffic: Arc<Traffic>,
    ended: AtomicBool,
    /// Endpoint of the connection, for events. A lock, since the host's thread can close the connection.
    place: Mutex<String>,
    announcements: Mutex<StateChangeFilter>,
    /// True until it is ready, if it replaces a lost connection.
    replaces_lost: AtomicBool,
}

impl LinkPolicy for ConnectionPolicy {
    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.options.retry_delay(Retry::Connection, attempt, default_retry_delay)
    }

    fn relocate_delay(&self, round: u32) -> BoxFuture<Option<Duration>> {
        self.options.retry_delay(Retry::Sentinels, round, default_relocate_delay)
    }

    fn inspects_errors(&self) -> bool {
        self.options.options.asks_reconnect
    }

    fn on_error_reply(&self, error: &RedisError) -> Option<BoxFuture<ErrorAction>> {
        if !self.options.options.asks_reconnect {
            return None;
        }
        let context = &self.options.context;
        let (question, answer) = context.callbacks.ask();
        context.host.event(Event::ReconnectAsked { node: self.options.node, question, error });
        context.host.wake();
        Some(Box::pin(async move {
            match answer.await {
                Ok(CallbackAnswer::Reconnect(verdict)) => verdict,
                _ => ErrorAction::Deliver,
            }
        }))
    }

    fn located(&self, endpoint: &Endpoint) {
        *self.place.locked() = endpoint.to_string();
    }

    fn greeted(&self, node: &str, run_id: Option<&str>) {
        if self.options.announces {
            // The nodes of a Cluster are different servers.
            let is_cluster = self.options.options.cluster.is_some();
            let address = if is_cluster { node } else { "" };
            self.options.servers.note(format!("{} {address}", self.options.node), run_id);
        }
    }

    fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        if matches!(state, LinkState::Close | LinkState::End) {
            self.session.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(client) = self.options.visible {
            self.options.context.host.event(Event::LinkChanged { client, state, error });
            self.options.context.host.wake();
        }
        if self.options.announces {
            self.announce(state, error);
        }
        if state == LinkState::End && !self.ended.swap(true, Ordering::AcqRel) {
            self.options.context.link_ended();
        }
    }
}

impl ConnectionPolicy {
    fn announce(&self, state: LinkState, error: Option<&RedisError>) {
        let (was_lost, said) = {
            let mut announcements = self.announcements.locked();
            (announcements.is_lost(), announcements.note(state, error))
        };
        let Some(error) = said else { return };
        let replaces_lost = state == LinkState::Ready && self.replaces_lost.swap(false, Ordering::AcqRel);
        if replaces_lost || was_lost && state == LinkState::Ready {
            self.options.reconnects.note();
        }
        let PolicyOptions { context, node, .. } = &self.options;
        let place = self.place.locked().clone();
        context.host.event(Event::NodeChanged { node: *node, state, place: &place, error: error.as_ref() });
        context.host.wake();
    }
}

/// Default delay of ioredis for a Cluster: 100 ms, and 2 ms more with each attempt, up to 2 s.
fn default_cluster_retry_delay(attempt: u32) -> Duration {
    let (first, step) = (Duration::from_millis(100), Duration::from_millis(2));
    first + linear(step, attempt, LONGEST_RETRY_DELAY - first)
}

/// Default delay of ioredis before it asks the sentinels again: 10 ms more with each round, up to 1 s.
fn default_relocate_delay(round: u32) -> Duration {
    linear(Duration::from_millis(10), round, Duration::from_secs(1))
}

/// Default delay of ioredis before a reconnection: 50 ms more with each attempt, up to 2 s.
pub(crate) fn default_retry_delay(attempt: u32) -> Duration {
    linear(Duration::from_millis(50), attempt, LONGEST_RETRY_DELAY)
}
