//! What a bus and a consumer can be told; the only place with defaults.

use std::time::Duration;

use crate::redis_io::options::LinkOptions;

/// The key prefix of a bus that names none.
pub const DEFAULT_KEY_PREFIX: &str = "hfxbus";

/// Options of a bus on one Redis.
#[derive(Clone, Debug)]
pub struct BusOptions {
    /// In front of every key and channel.
    pub key_prefix: String,
    /// How to reach Redis.
    pub link: LinkOptions,
    /// Whether the host is asked how long to wait before a reconnection (`retryStrategy`).
    pub asks_retry: bool,
    /// Whether the host is asked what an error reply means for the connection (`reconnectOnError`).
    pub asks_reconnect: bool,
}

impl Default for BusOptions {
    fn default() -> Self {
        Self {
            key_prefix: DEFAULT_KEY_PREFIX.to_owned(),
            link: LinkOptions::default(),
            asks_retry: false,
            asks_reconnect: false,
        }
    }
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
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            group: String::new(),
            id: String::new(),
            fresh_id: true,
            concurrency: 1,
            block_timeout: Some(Duration::from_millis(5_000)),
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
