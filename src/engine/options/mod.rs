//! What a bus and a consumer can be told; the only place with defaults.

pub mod retry_policy;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::redis_io::options::{ClusterOptions, Endpoint, LinkOptions, ReplicationRole};

use crate::engine::options::retry_policy::RetryPolicy;

/// The key prefix of a bus that names none.
pub const DEFAULT_KEY_PREFIX: &str = "hfxbus";

/// Options of a bus.
#[derive(Clone, Debug)]
pub struct BusOptions {
    /// In front of every key and channel.
    pub key_prefix: String,
    /// The Redis servers it is on, in the order in which routes count them; one, unless this client partitions.
    pub nodes: Vec<NodeOptions>,
    /// Whether nodes that fail leave the ring, and when.
    pub eject: Option<EjectOptions>,
}

impl BusOptions {
    /// A bus on one Cluster, with everything else as it is by default.
    pub fn cluster(cluster: ClusterOptions) -> Self {
        let node = NodeOptions { cluster: Some(cluster), ..NodeOptions::default() };
        Self { key_prefix: DEFAULT_KEY_PREFIX.to_owned(), nodes: vec![node], eject: None }
    }

    /// A bus on one Redis, with everything else as it is by default.
    pub fn standalone(link: LinkOptions) -> Self {
        Self {
            key_prefix: DEFAULT_KEY_PREFIX.to_owned(),
            nodes: vec![NodeOptions { link, ..NodeOptions::default() }],
            eject: None,
        }
    }
}

/// When a node leaves the ring, and when it is tried again.
#[derive(Clone, Copy, Debug)]
pub struct EjectOptions {
    /// After so many failures in a row.
    pub failures: u32,
    /// How long an answer may take, and a connection.
    pub timeout: Duration,
    /// How long it is out at least, and in at least.
    pub probe_interval: Duration,
}

impl Default for EjectOptions {
    fn default() -> Self {
        Self {
            failures: 3,
            timeout: Duration::from_millis(1_000),
            probe_interval: Duration::from_millis(5_000),
        }
    }
}

/// Options of one of the Redis servers of a bus.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// How to reach it.
    pub link: LinkOptions,
    /// How to reach it if it is a Cluster; then `link` is of no account.
    pub cluster: Option<ClusterOptions>,
    /// Who says where it is, if that is to be found out.
    pub sentinels: Option<SentinelOptions>,
    /// In front of every key on this node, and of the bus' own prefix.
    pub key_prefix: String,
    /// What is on this node whatever its hash says.
    pub static_routes: Vec<StaticRoute>,
    /// How long the server may leave the shared connection without an answer, or the subscriber without a sign of
    /// life, before the connection is made anew; `None` is for ever.
    pub socket_timeout: Option<Duration>,
    /// Whether the host is asked how long to wait before a reconnection (`retryStrategy`, `clusterRetryStrategy`).
    pub asks_retry: bool,
    /// Whether the host is asked what an error reply means for the connection (`reconnectOnError`).
    pub asks_reconnect: bool,
}

impl NodeOptions {
    /// Where it is, as far as the options say.
    pub fn place(&self) -> String {
        match self.cluster.as_ref().and_then(|cluster| cluster.startup.first()) {
            Some(first) => first.to_string(),
            None => self.link.endpoint.to_string(),
        }
    }
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            link: LinkOptions::default(),
            cluster: None,
            sentinels: None,
            key_prefix: String::new(),
            static_routes: Vec::new(),
            socket_timeout: Some(Duration::from_secs(30)),
            asks_retry: false,
            asks_reconnect: false,
        }
    }
}

impl NodeOptions {
    /// The same, of a node whose server is to be found out from sentinels.
    pub fn behind(mut self, sentinels: SentinelOptions) -> Self {
        self.link.role = Some(sentinels.role);
        if let Some(first) = sentinels.sentinels.first() {
            // What errors name until the server is known.
            self.link.endpoint = first.clone();
        }
        self.sentinels = Some(sentinels);
        self
    }
}

/// Options of a node whose server sentinels know.
#[derive(Clone, Debug)]
pub struct SentinelOptions {
    /// Whom to ask.
    pub sentinels: Vec<Endpoint>,
    /// The name that they have for it.
    pub name: String,
    /// Which of its servers is wanted.
    pub role: ReplicationRole,
    /// How to talk to sentinels, wherever they are.
    pub link: Arc<LinkOptions>,
    /// Where a server is for us, by where it is for the sentinels (`host:port`).
    pub nat: HashMap<String, Endpoint>,
    /// Replicas that are taken before others, as the sentinels know them, the best one first.
    pub preferred: Vec<String>,
    /// Whether sentinels that others know are asked as well.
    pub learns: bool,
    /// Whether to listen for failovers; otherwise they are found out about when a connection is lost.
    pub watches: bool,
    /// Whether the host is asked how long to wait before all of them are asked again (`sentinelRetryStrategy`).
    pub asks_retry: bool,
}

impl SentinelOptions {
    /// Options with everything else as it is by default.
    pub fn new(sentinels: Vec<Endpoint>, name: String) -> Self {
        let link = LinkOptions {
            ready_check: false,
            // Who accepts a question and is silent is no better than who cannot be reached.
            command_timeout: LinkOptions::default().connect_timeout,
            ..LinkOptions::default()
        };
        Self {
            sentinels,
            name,
            role: ReplicationRole::Primary,
            link: link.into(),
            nat: HashMap::new(),
            preferred: Vec::new(),
            learns: true,
            watches: true,
            asks_retry: false,
        }
    }

    /// Where `endpoint` is for us.
    pub fn reachable(&self, endpoint: Endpoint) -> Endpoint {
        self.nat.get(&endpoint.to_string()).cloned().unwrap_or(endpoint)
    }

    /// The best of `replicas`, or any if none is preferred.
    pub fn prefer(&self, mut replicas: Vec<Endpoint>) -> Option<Endpoint> {
        let preferred = self.preferred.iter();
        let best = preferred
            .filter_map(|name| replicas.iter().position(|replica| replica.to_string() == *name))
            .next();
        let any = (Uuid::new_v4().as_u128() as usize).checked_rem(replicas.len());
        best.or(any).map(|at| replicas.swap_remove(at))
    }
}

/// A route that is on one node by decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaticRoute {
    /// By its name.
    Name(String),
    /// By its hash.
    Hash(u16),
}

/// Where something goes on a bus of several nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the node of this name.
    Name(String),
    /// Jobs go to the node of their id; who reads them reads from every node.
    Distributed,
}

/// Options of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// The group's name, without prefix.
    pub group: String,
    /// The consumer's name within the group.
    pub id: String,
    /// Whether `id` was made up for this consumer, so that nothing can be pending for it from before.
    pub fresh_id: bool,
    /// The most jobs in flight, across all streams; `u32::MAX` is no limit.
    pub concurrency: u32,
    /// How long one read waits for entries. `None` waits for ever, in reads of [`LONGEST_READ`].
    pub block_timeout: Option<Duration>,
    /// Which nodes it reads from.
    pub route: Route,
    /// How often it looks for entries that nobody is at; `None` never.
    pub claim_interval: Option<Duration>,
    /// An entry that was idle for so long may be claimed; the leases of jobs that run are renewed well before.
    pub claim_deadline: Duration,
    /// How many pending entries are looked at in one step.
    pub claim_page_size: usize,
    /// How often an entry is delivered at the most.
    pub retry_limit: u64,
    /// When a rejected job is due again; without one when it was idle for `claim_deadline`.
    pub retry_policy: Option<RetryPolicy>,
    /// The stream, without prefix, that what was delivered too often is moved to.
    pub dead_letter: Option<String>,
    /// Names of the group that have nothing pending, and were idle for so long, are removed; `None` never.
    pub remove_idle: Option<Duration>,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            group: String::new(),
            id: String::new(),
            fresh_id: true,
            concurrency: 1,
            block_timeout: Some(Duration::from_millis(5_000)),
            route: Route::Name(String::new()),
            claim_interval: None,
            claim_deadline: Duration::from_millis(30_000),
            claim_page_size: 100,
            retry_limit: 3,
            retry_policy: None,
            dead_letter: None,
            remove_idle: Some(Duration::from_secs(7 * 24 * 60 * 60)),
        }
    }
}

impl ConsumerOptions {
    /// How long one read waits.
    pub fn longest_read(&self) -> Duration {
        self.block_timeout.unwrap_or(LONGEST_READ)
    }
}

/// A read that may wait for ever is asked again this often, so that a dead connection is noticed.
pub const LONGEST_READ: Duration = Duration::from_secs(30);

/// How much later than it should the answer to a read may come before its connection counts as dead; less if the
/// node's `socket_timeout` is shorter.
pub const READ_GRACE: Duration = Duration::from_secs(5);

/// Where a stream's consumer starts to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// Entries that no consumer of the group had yet (`>`).
    New,
    /// First what is pending for this consumer after the id, then as [`ReadFrom::New`].
    History(String),
}

/// What a consumer does with one stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The stream's name, without prefix.
    pub name: String,
    /// Where reading starts.
    pub read_from: ReadFrom,
    /// Where a group that does not exist yet starts (`$`, `0` or an entry id).
    pub from_id: String,
    /// Whether an existing group is set back to `from_id`.
    pub set_id: bool,
    /// How long a job may run; `None` for ever.
    pub deadline: Option<Duration>,
    /// The payload keys that jobs begin with.
    pub prefetch: Arc<[String]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preferred_replica_is_taken_if_it_is_there_and_any_other_if_not() {
        let replicas = |hosts: &[&str]| hosts.iter().map(|host| Endpoint::tcp(host, 1)).collect::<Vec<_>>();
        let mut options = SentinelOptions::new(Vec::new(), "name".to_owned());
        assert_eq!(options.prefer(Vec::new()), None);
        assert!(options.prefer(replicas(&["a", "b"])).is_some());
        options.preferred = vec!["gone:1".to_owned(), "b:1".to_owned(), "a:1".to_owned()];
        assert_eq!(options.prefer(replicas(&["a", "b", "c"])), Some(Endpoint::tcp("b", 1)));
    }

    #[test]
    fn who_is_behind_an_address_translation_is_found_by_its_own_address() {
        let mut options = SentinelOptions::new(Vec::new(), "name".to_owned());
        options.nat.insert("10.0.0.1:6379".to_owned(), Endpoint::tcp("example.org", 7000));
        assert_eq!(options.reachable(Endpoint::tcp("10.0.0.1", 6379)), Endpoint::tcp("example.org", 7000));
        assert_eq!(options.reachable(Endpoint::tcp("10.0.0.1", 1)), Endpoint::tcp("10.0.0.1", 1));
    }
}
