//! Options of a bus, its nodes and its routes.

use std::time::Duration;

use crate::redis_io::options::{ClusterOptions, LinkOptions};

use crate::engine::options::retention::RetentionOptions;
use crate::engine::options::sentinel::SentinelOptions;

/// Default key prefix.
pub const DEFAULT_KEY_PREFIX: &str = "hfxbus";

/// Options of a bus.
#[derive(Clone, Debug)]
pub struct BusOptions {
    /// Prefix of every key and channel.
    pub key_prefix: String,
    /// Redis servers of the bus, in the order in which routes count them. Several of them partition the jobs.
    pub nodes: Vec<NodeOptions>,
    /// Conditions under which a node is ejected. `None` never ejects.
    pub eject: Option<EjectOptions>,
    /// Removal of entries that all groups have acknowledged. `None` removes nothing.
    pub retention: Option<RetentionOptions>,
}

impl BusOptions {
    /// Default options of a bus on one Cluster.
    pub fn cluster(cluster: ClusterOptions) -> Self {
        let node = NodeOptions { cluster: Some(cluster), ..NodeOptions::default() };
        Self { key_prefix: DEFAULT_KEY_PREFIX.to_owned(), nodes: vec![node], eject: None, retention: None }
    }

    /// Default options of a bus on one Redis.
    pub fn standalone(link: LinkOptions) -> Self {
        Self {
            key_prefix: DEFAULT_KEY_PREFIX.to_owned(),
            nodes: vec![NodeOptions { link, ..NodeOptions::default() }],
            eject: None,
            retention: None,
        }
    }
}

/// Conditions of ejection and readmission.
#[derive(Clone, Copy, Debug)]
pub struct EjectOptions {
    /// Number of failures in a row.
    pub failures: u32,
    /// Maximum time of a reply and of a connection attempt.
    pub timeout: Duration,
    /// Minimum time between two changes, and interval of probes.
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

/// Options of one node of a bus.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Connection options.
    pub link: LinkOptions,
    /// Cluster options. With them `link` is ignored.
    pub cluster: Option<ClusterOptions>,
    /// True if producers wait for completions on sharded channels, on a Cluster.
    pub has_sharded_completions: bool,
    /// Sentinels that resolve its address, if any.
    pub sentinels: Option<SentinelOptions>,
    /// Prefix of every key on this node, before the prefix of the bus.
    pub key_prefix: String,
    /// Routes that are on this node whatever their hash.
    pub static_routes: Vec<StaticRoute>,
    /// Maximum time without a reply on the shared connection, and without any data on the subscriber. The connection
    /// is made anew after it. `None` is no limit.
    pub socket_timeout: Option<Duration>,
    /// True if the host decides the delay before a reconnection (`retryStrategy`, `clusterRetryStrategy`).
    pub asks_retry: bool,
    /// True if the host decides the meaning of an error reply for the connection (`reconnectOnError`).
    pub asks_reconnect: bool,
}

impl NodeOptions {
    /// Address in the options, as a text.
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
            has_sharded_completions: false,
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
    /// The same node with an address that sentinels resolve.
    pub fn behind(mut self, sentinels: SentinelOptions) -> Self {
        self.link.role = Some(sentinels.role);
        if let Some(first) = sentinels.sentinels.first() {
            // Errors name this address until the server is resolved.
            self.link.endpoint = first.clone();
        }
        self.sentinels = Some(sentinels);
        self
    }
}

/// A route with a fixed node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaticRoute {
    /// By its name.
    Name(String),
    /// By its hash.
    Hash(u16),
}

/// Route of a stream on a bus of several nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the node of this name.
    Name(String),
    /// To the node of the job's id. Consumers of such a route read from every node.
    Distributed,
}
