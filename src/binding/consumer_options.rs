//! JavaScript's options of a consumer, made into the engine's.

use napi_derive::napi;

use crate::engine::options::bus::Route;
use crate::engine::options::consumer::{
    ConsumerOptions, FairOptions, OrderOptions, RateLimitOptions, ReadFrom, StreamOptions,
};
use crate::engine::options::retry_policy::{Growth, RetryPolicy};

use super::batch::{LONGEST, duration};

/// A consumer.
#[napi(object)]
pub struct NativeConsumerOptions {
    /// The group.
    pub group: String,
    /// The consumer's name.
    pub id: String,
    /// True if the name was generated.
    pub fresh_id: bool,
    /// Maximum number of jobs in flight. 0 has no limit.
    pub concurrency: Option<u32>,
    /// Maximum number of entries that wait for a slot.
    pub read_ahead: Option<f64>,
    /// Maximum time of one read, in ms. 0 and negative have no limit.
    pub block_timeout: Option<f64>,
    /// The route of the node it reads from; without one, from every node.
    pub route: Option<String>,
    /// Interval of the claim cycle, in ms. Negative never claims.
    pub claim_interval: Option<f64>,
    /// Idle time after which an entry can be claimed, in ms.
    pub claim_deadline: Option<f64>,
    /// Number of pending entries in one page of a claim cycle.
    pub claim_page_size: Option<u32>,
    /// Maximum number of deliveries of an entry. Negative has no limit.
    pub retry_limit: Option<f64>,
    /// Back-off before the next delivery of a rejected job.
    pub retry_policy: Option<NativeRetryPolicy>,
    /// The stream of the dead letters.
    pub dead_letter: Option<String>,
    /// Idle time after which names of the group are removed, in ms. 0 and negative never remove.
    pub remove_idle: Option<f64>,
}

/// Back-off before the next delivery of a rejected job. Times in ms.
#[napi(object)]
pub struct NativeRetryPolicy {
    /// Doubles the delay with each delivery.
    pub exponential: bool,
    /// Delay after the first delivery.
    pub delay: f64,
    /// Maximum delay. Negative has no limit.
    pub max: f64,
    /// Random part of a delay, from 0 to 1.
    pub jitter: f64,
}

/// Fair dispatch by key.
#[napi(object)]
pub struct NativeFairOptions {
    /// Maximum number of running jobs of a key.
    pub cap: Option<f64>,
    /// Maximum number of waiting entries.
    pub waiting: Option<f64>,
}

/// A stream of a consumer.
#[napi(object)]
pub struct NativeStreamOptions {
    /// The stream.
    pub name: String,
    /// Name by which the user knows the stream.
    pub stream: String,
    /// True for the stream of a partition.
    pub is_partition: bool,
    /// Name of the partitioned stream, if the jobs of the partition are ordered by key.
    pub ordered_as: Option<String>,
    /// Time of the lease of an ordered partition, in ms.
    pub lease: f64,
    /// Fair dispatch by key, if it is wanted.
    pub fair: Option<NativeFairOptions>,
    /// Rate limit of the group.
    pub limit: Option<NativeRateLimit>,
    /// `>`, or the id in the history to start behind.
    pub read_from: String,
    /// Start of a new group.
    pub from_id: String,
    /// Sets an existing group back to that start.
    pub set_id: bool,
    /// Maximum time of a job, in ms. Negative has no limit.
    pub deadline: f64,
    /// The payload keys that jobs begin with.
    pub prefetch: Vec<String>,
}

/// Rate limit of a group.
#[napi(object)]
pub struct NativeRateLimit {
    /// Name of the stream, without those of its partitions.
    pub stream: String,
    /// Maximum number of starts in a window.
    pub max: f64,
    /// Time of a window, in ms.
    pub interval: f64,
    /// True for a budget of each key.
    pub by_key: bool,
}

impl NativeRateLimit {
    fn into_engine(self) -> RateLimitOptions {
        RateLimitOptions {
            stream: self.stream,
            max: self.max as u64,
            interval: duration(self.interval).unwrap_or(LONGEST),
            by_key: self.by_key,
        }
    }
}

impl NativeConsumerOptions {
    /// The engine's options.
    pub fn into_engine(self) -> ConsumerOptions {
        let defaults = ConsumerOptions::default();
        ConsumerOptions {
            group: self.group,
            id: self.id,
            fresh_id: self.fresh_id,
            concurrency: match self.concurrency {
                Some(0) => u32::MAX,
                Some(concurrency) => concurrency,
                None => defaults.concurrency,
            },
            read_ahead: self.read_ahead.map_or(defaults.read_ahead, |most| most as usize),
            block_timeout: match self.block_timeout {
                Some(ms) => duration(ms).filter(|wait| !wait.is_zero()),
                None => defaults.block_timeout,
            },
            route: into_route(self.route),
            claim_interval: self.claim_interval.and_then(duration).filter(|time| !time.is_zero()),
            claim_deadline: self
                .claim_deadline
                .map_or(defaults.claim_deadline, |ms| duration(ms).unwrap_or(LONGEST)),
            claim_page_size: self.claim_page_size.map_or(defaults.claim_page_size, |size| size as usize),
            retry_limit: self
                .retry_limit
                .map_or(defaults.retry_limit, |most| if most < 0.0 { u64::MAX } else { most as u64 }),
            retry_policy: self.retry_policy.map(NativeRetryPolicy::into_engine),
            dead_letter: self.dead_letter,
            remove_idle: match self.remove_idle {
                Some(ms) => duration(ms).filter(|time| !time.is_zero()),
                None => defaults.remove_idle,
            },
        }
    }
}

impl NativeRetryPolicy {
    fn into_engine(self) -> RetryPolicy {
        RetryPolicy {
            growth: if self.exponential { Growth::Exponential } else { Growth::Fixed },
            delay: duration(self.delay).unwrap_or_default(),
            max: duration(self.max).unwrap_or(LONGEST),
            jitter: self.jitter,
        }
    }
}

/// A route, or none for all nodes.
pub fn into_route(route: Option<String>) -> Route {
    route.map_or(Route::Distributed, Route::Name)
}

impl NativeStreamOptions {
    /// The engine's options.
    pub fn into_engine(self) -> StreamOptions {
        StreamOptions {
            name: self.name,
            stream: self.stream,
            is_partition: self.is_partition,
            order: self
                .ordered_as
                .map(|stream| OrderOptions { stream, lease: duration(self.lease).unwrap_or(LONGEST) }),
            fair: self.fair.map(|fair| FairOptions {
                cap: fair.cap.map(|cap| cap as usize),
                waiting: fair.waiting.map(|most| most as usize),
            }),
            limit: self.limit.map(NativeRateLimit::into_engine),
            read_from: match self.read_from.as_str() {
                ">" => ReadFrom::New,
                id => ReadFrom::History(id.to_owned()),
            },
            from_id: self.from_id,
            set_id: self.set_id,
            deadline: duration(self.deadline),
            prefetch: self.prefetch.into(),
        }
    }
}
