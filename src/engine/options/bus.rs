//! Options of a bus, its nodes and its routes.

use std::time::Duration;

use crate::redis_io::options::{ClusterOptions, LinkOptions};

use crate::engine::options::sentinel::SentinelOptions;

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
