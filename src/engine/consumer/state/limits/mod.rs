//! Rate limits of a consumer, and the entries that wait for their permits. Pure.
//!
//! Entries of a limited stream are buffered, and start with a permit. A limit of the whole stream reads no more entries than
//! its window permits, as far as known here, so the others stay in Redis. A limit by key learns the key from the entry. So
//! entries of a key without permits wait here, up to a maximum, while others start.

pub mod budget;
pub mod limited_streams;
pub mod survey;

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::state::buffer::entry_limit::EntryLimit;
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
    /// True after a reported failure until a budget that failed has permits again, so that failures are reported once.
    pub is_failing: bool,
}

/// Rate limits of a consumer.
#[derive(Debug, Default)]
pub struct Limits {
    all: Vec<RateLimit>,
    /// Times at which budgets without permits can be asked again, with the index of their limit and their key.
    openings: BTreeSet<(Instant, usize, Box<str>)>,
    /// Index of the limit that the next survey begins with.
    turn: usize,
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
        self.note_change();
        self.all.iter_mut().for_each(|limit| limit.is_failing = false);
    }

    /// Returns a limit.
    pub fn limit(&mut self, limit: usize) -> &mut RateLimit {
        &mut self.all[limit]
    }

    /// Returns the next time at which permits can be requested again, if a budget has none left.
    pub fn next_opening(&self) -> Option<Instant> {
        self.openings.first().map(|(opens, ..)| *opens)
    }

    /// Lets everything be surveyed again, after a change of the entries that wait.
    pub fn note_change(&mut self) {
        self.is_due |= !self.all.is_empty();
    }

    /// Returns the limit with this index, as its entries have it.
    pub fn of_entries(&self, index: usize) -> EntryLimit {
        EntryLimit { index, by_key: self.all[index].options.by_key }
    }

    /// Forgets a budget of a key about which nothing is known any more.
    fn forget(&mut self, limit: usize, key: &str) {
        let RateLimit { options, budgets, .. } = &mut self.all[limit];
        if options.by_key && budgets.get(key).is_some_and(Budget::can_ask) {
            budgets.remove(key);
        }
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
                self.openings.retain(|(_, limit, _)| *limit != at);
            }
            self.all[at].options = options.clone();
            return at;
        }
        self.all.push(RateLimit { options: options.clone(), budgets: HashMap::default(), is_failing: false });
        self.all.len() - 1
    }
}

impl RateLimit {
    /// Notes a reply for a budget.
    pub fn recover(&mut self, key: &str) {
        let has_failed = self.budgets.get_mut(key).is_some_and(Budget::recover);
        self.is_failing &= !has_failed;
    }

    /// Number of entries that claims of the stream can take over now, beside those that wait. They wait for the next window if this one has no permits,
    /// and come before entries that are unread.
    fn claimable(&self, held: u64) -> u64 {
        let most = if self.options.by_key { MAX_HELD } else { self.options.max.min(MAX_HELD) };
        most.saturating_sub(held)
    }

    /// Number of entries that reads of the stream can take now, beside those that wait; 0 for none. Those of a takeover get
    /// permits in turn with entries of reads, which would never come if each permit of a window had an entry already.
    fn readable(&self, held: u64, has_taken: bool, now: Instant) -> u64 {
        if self.options.by_key || has_taken {
            return self.claimable(held);
        }
        let budget = self.budgets.get("");
        let left = |budget: &Budget| budget.readable(self.options.max, held, now);
        budget.map_or(self.options.max.saturating_sub(held), left)
    }
}
