//! What a bus and a consumer can be told; the only place with defaults.

use std::time::Duration;

use crate::redis_io::options::{ClusterOptions, LinkOptions};

/// The key prefix of a bus that names none.
pub const DEFAULT_KEY_PREFIX: &str = "hfxbus";

/// Options of a bus.
#[derive(Clone, Debug)]
pub struct BusOptions {
    /// In front of every key and channel.
    pub key_prefix: String,
    /// The Redis servers it is on, in the order in which routes count them; one, unless this client partitions.
    pub nodes: Vec<NodeOptions>,
}

impl BusOptions {
    /// A bus on one Cluster, with everything else as it is by default.
    pub fn cluster(cluster: ClusterOptions) -> Self {
        let node = NodeOptions { cluster: Some(cluster), ..NodeOptions::default() };
        Self { key_prefix: DEFAULT_KEY_PREFIX.to_owned(), nodes: vec![node] }
    }

    /// A bus on one Redis, with everything else as it is by default.
    pub fn standalone(link: LinkOptions) -> Self {
        Self {
            key_prefix: DEFAULT_KEY_PREFIX.to_owned(),
            nodes: vec![NodeOptions { link, ..NodeOptions::default() }],
        }
    }
}

/// Options of one of the Redis servers of a bus.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// How to reach it.
    pub link: LinkOptions,
    /// How to reach it if it is a Cluster; then `link` is of no account.
    pub cluster: Option<ClusterOptions>,
    /// In front of every key on this node, and of the bus' own prefix.
    pub key_prefix: String,
    /// What is on this node whatever its hash says.
    pub static_routes: Vec<StaticRoute>,
    /// Whether the host is asked how long to wait before a reconnection (`retryStrategy`, `clusterRetryStrategy`).
    pub asks_retry: bool,
    /// Whether the host is asked what an error reply means for the connection (`reconnectOnError`).
    pub asks_reconnect: bool,
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
        }
    }
}

/// A read that may wait for ever is asked again this often, so that a dead connection is noticed.
pub const LONGEST_READ: Duration = Duration::from_secs(30);

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
}
