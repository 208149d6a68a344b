//! Options of a consumer and its streams.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::options::bus::Route;
use crate::engine::options::retry_policy::RetryPolicy;

/// Options of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// The group's name, without prefix.
    pub group: String,
    /// The consumer's name within the group.
    pub id: String,
    /// True if `id` was generated for this consumer, so that no entries can be pending for it from before.
    pub fresh_id: bool,
    /// Maximum number of jobs in flight, across all streams. `u32::MAX` is no limit.
    pub concurrency: u32,
    /// Maximum number of entries that wait for a slot beyond the jobs in flight. 0 reads for free slots only.
    pub read_ahead: usize,
    /// Maximum time of one read. `None` has no limit, in reads of [`LONGEST_READ`].
    pub block_timeout: Option<Duration>,
    /// Route of its nodes.
    pub route: Route,
    /// Interval of claim cycles. `None` claims never.
    pub claim_interval: Option<Duration>,
    /// Idle time after which an entry can be claimed. Leases of jobs in flight are renewed well before.
    pub claim_deadline: Duration,
    /// Number of pending entries that one step inspects.
    pub claim_page_size: usize,
    /// Maximum number of deliveries of an entry.
    pub retry_limit: u64,
    /// Back-off of rejected jobs. Without one a rejected job is due again after `claim_deadline`.
    pub retry_policy: Option<RetryPolicy>,
    /// Stream for entries that reached the retry limit, without prefix.
    pub dead_letter: Option<String>,
    /// Idle time after which consumers without pending entries are removed from the group. `None` never removes.
    pub remove_idle: Option<Duration>,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            group: String::new(),
            id: String::new(),
            fresh_id: true,
            concurrency: 1,
            read_ahead: 0,
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
    /// Maximum time of one read.
    pub fn longest_read(&self) -> Duration {
        self.block_timeout.unwrap_or(LONGEST_READ)
    }
}

/// Time of one read without a limit. The read is then sent again, so that a dead connection is noticed.
pub const LONGEST_READ: Duration = Duration::from_secs(30);

/// Maximum delay of the reply to a read beyond its timeout. The connection counts as dead after it. A shorter
/// `socket_timeout` of the node wins.
pub const READ_GRACE: Duration = Duration::from_secs(5);

/// Beginning of the reads of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// Entries that were delivered to no consumer of the group (`>`).
    New,
    /// First the pending entries of this consumer after the id, then as [`ReadFrom::New`].
    History(String),
}

/// Order by key, for a partition that has one owner at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderOptions {
    /// Name of the partitioned stream.
    pub stream: String,
    /// Time of the owner's lease without renewal.
    pub lease: Duration,
}

/// Fair dispatch by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FairOptions {
    /// Maximum number of running jobs of a key. `None` is no limit.
    pub cap: Option<usize>,
    /// Maximum number of waiting entries of the stream, or of each partition. `None` depends on the concurrency.
    pub waiting: Option<usize>,
}

/// Rate limit of the jobs that a group starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitOptions {
    /// Name of the stream that has one budget with all of its partitions.
    pub stream: String,
    /// Maximum number of starts in a window.
    pub max: u64,
    /// Time of a window.
    pub interval: Duration,
    /// True if each key has a budget of its own.
    pub by_key: bool,
}

/// Options of one stream of a consumer.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The stream's name, without prefix.
    pub name: String,
    /// Name by which the user knows it, without prefix: for a partition that of the partitioned stream.
    pub stream: String,
    /// True for the stream of a partition, which is on one node, whatever the route of the consumer.
    pub is_partition: bool,
    /// Order by key, of a partition.
    pub order: Option<OrderOptions>,
    /// Fair dispatch by key, if it is wanted.
    pub fair: Option<FairOptions>,
    /// Rate limit of the group.
    pub limit: Option<RateLimitOptions>,
    /// Beginning of the reads.
    pub read_from: ReadFrom,
    /// Position of a new group (`$`, `0` or an entry id).
    pub from_id: String,
    /// True if an existing group is set back to `from_id`.
    pub set_id: bool,
    /// Maximum time of one job. `None` is no limit.
    pub deadline: Option<Duration>,
    /// Payload keys that jobs begin with.
    pub prefetch: Arc<[String]>,
}
