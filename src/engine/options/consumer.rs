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
