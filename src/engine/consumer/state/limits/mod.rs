//! Rate limits of a consumer, and the entries that wait for their permits. Pure.
//!
//! Entries of a limited stream are buffered, and start with a permit. A limit of the whole stream reads no more entries than
//! its window permits, as far as known here, so the others stay in Redis. A limit by key learns the key from the entry. So
//! entries of a key without permits wait here, up to a maximum, while others start.

pub mod budget;
pub mod limited_streams;
pub mod survey;

use tokio::time::Instant;

use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::state::limits::budget::Budget;
use crate::engine::options::consumer::RateLimitOptions;

/// Maximum number of entries that wait for permits of a limit by key. The stream is not read further then.
const MAX_HELD: u64 = 1_024;

/// Rate limit of a stream, with all of its partitions.
#[derive(Debug)]
pub struct RateLimit {
    /// Options of the user.
    pub options: RateLimitOptions,
    /// Budgets by key. A limit of the whole stream has one, without a key.
    budgets: HashMap<Box<str>, Budget>,
    /// Number of buffered entries that wait for permits only, at the last survey.
    held: u64,
    /// True after a reported failure until a budget that failed has permits again, so that failures are reported once.
    pub is_failing: bool,
}

/// Rate limits of a consumer.
#[derive(Debug, Default)]
pub struct Limits {
    all: Vec<RateLimit>,
    /// True if something can start, or be requested, that could not before.
    pub is_due: bool,
    /// Next time of the task that waits for windows, while it runs.
    pub timer: Option<Instant>,
}

/// Permits to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermitRequest {
    /// Index of the limit.
    pub limit: usize,
    /// Key, empty for a limit of the whole stream.
    pub key: Box<str>,
    /// Number of permits.
    pub count: usize,
}

impl Limits {
    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Lets everything be surveyed again, at the start of a consumer.
    pub fn resume(&mut self) {
        self.is_due = !self.all.is_empty();
        self.all.iter_mut().for_each(|limit| limit.is_failing = false);
    }

    /// Returns a limit.
    pub fn limit(&mut self, limit: usize) -> &mut RateLimit {
        &mut self.all[limit]
    }

    /// Returns the next time at which permits can be requested again, if a budget has none left.
    pub fn next_opening(&self) -> Option<Instant> {
        self.all.iter().flat_map(|limit| limit.budgets.values().filter_map(Budget::opens)).min()
    }

    /// Returns the budget of a request, if it is still known.
    pub fn budget(&mut self, limit: usize, key: &str) -> Option<&mut Budget> {
        self.all[limit].budgets.get_mut(key)
    }

    /// Returns the index of the limit with these options. A limit of the same stream gets them.
    fn declare(&mut self, options: &RateLimitOptions) -> usize {
        self.is_due = true;
        let known = self.all.iter().position(|limit| limit.options.stream == options.stream);
        if let Some(at) = known {
            if self.all[at].options.by_key != options.by_key {
                self.all[at].budgets.clear();
            }
            self.all[at].options = options.clone();
            return at;
        }
        self.all.push(RateLimit {
            options: options.clone(),
            budgets: HashMap::default(),
            held: 0,
            is_failing: false,
        });
        self.all.len() - 1
    }
}

impl RateLimit {
    /// Notes a reply for a budget.
    pub fn recover(&mut self, key: &str) {
        let has_failed = self.budgets.get_mut(key).is_some_and(Budget::recover);
        self.is_failing &= !has_failed;
    }

    /// Number of entries that claims of the stream can take over now. They wait for the next window if this one has no permits,
    /// and come before entries that are unread.
    fn claimable(&self) -> u64 {
        let most = if self.options.by_key { MAX_HELD } else { self.options.max.min(MAX_HELD) };
        most.saturating_sub(self.held)
    }

    /// Number of entries that reads of the stream can take now; 0 for none.
    fn readable(&self, now: Instant) -> u64 {
        if self.options.by_key {
            return MAX_HELD.saturating_sub(self.held);
        }
        let budget = self.budgets.get("");
        let left = |budget: &Budget| budget.readable(self.options.max, self.held, now);
        budget.map_or(self.options.max.saturating_sub(self.held), left)
    }
}
