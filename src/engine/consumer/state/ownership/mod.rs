//! Ownership of a partition. Pure.
//!
//! ```text
//! vacant ──lease──▶ taking over ──pending entries are here──▶ held ──moves──▶ leaving ──drained──▶ vacant
//! ```
//! The lease can lapse in every state; the partition is vacant then.

pub mod ending_entries;
pub mod order;

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::state::ownership::ending_entries::EndingEntries;
use crate::engine::options::consumer::{OrderOptions, StreamOptions};

/// Fifths of a lease that must be left for a read. The rest, without the read itself, is for its way to Redis.
const READ_MARGIN: u32 = 3;
/// Maximum number of parked entries of a partition. It is not read or taken over further then.
pub(crate) const MAX_PARKED: usize = 1_024;
/// Part of a lease that one read takes at most, so that Redis ends it well before the lease can lapse.
const READ_PART: u32 = 5;

/// State of an ownership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnershipPhase {
    /// This consumer does not own the partition.
    #[default]
    Vacant,
    /// Claims what the owner before it has left.
    TakingOver,
    /// Reads and runs.
    Held,
    /// Runs what has begun, and reads nothing.
    Leaving,
}

/// Ownership of one partition.
#[derive(Debug)]
pub struct Ownership {
    /// Name of the partitioned stream.
    pub of: String,
    /// Time of a lease without renewal.
    pub lease: Duration,
    /// Current state.
    pub phase: OwnershipPhase,
    /// Earliest time at which the lease can lapse.
    pub valid_until: Instant,
    /// Fencing number of the lease.
    pub fence: u64,
    /// Number of reads of the lane when it began to leave.
    pub reads_at_leave: usize,
    /// For each key, the entry that runs, runs next or waits for its retry or its dead letter.
    pub(super) busy: HashMap<Box<str>, EntryId>,
    /// Entries that wait for their dead letter. A key of them is busy.
    pub(super) ending: EndingEntries,
    /// Number of buffered entries that wait for another entry of their key.
    pub parked: usize,
    /// Start of the next page of a takeover.
    pub takeover_from: EntryId,
}

impl Ownership {
    /// Ownership that this consumer does not have yet; `None` for a stream without an order.
    pub fn of(options: &StreamOptions) -> Option<Self> {
        let OrderOptions { stream: of, lease } = options.order.clone()?;
        Some(Self {
            of,
            lease,
            phase: OwnershipPhase::Vacant,
            valid_until: Instant::now(),
            fence: 0,
            reads_at_leave: usize::MAX,
            busy: HashMap::default(),
            ending: EndingEntries::default(),
            parked: 0,
            takeover_from: EntryId::default(),
        })
    }

    /// Returns true if no other consumer can have the lease.
    pub fn is_valid(&self, now: Instant) -> bool {
        self.phase != OwnershipPhase::Vacant && now < self.valid_until
    }

    /// Returns true if jobs of the partition can begin.
    pub fn can_start(&self, now: Instant) -> bool {
        self.is_taken() && now < self.valid_until
    }

    /// Returns true if entries of the partition are taken. They start once the lease is certain.
    pub fn is_taken(&self) -> bool {
        matches!(self.phase, OwnershipPhase::TakingOver | OwnershipPhase::Held)
    }

    /// Returns true if the partition can be read. The lease outlasts the read, and there is room for its entries.
    pub fn can_read(&self, now: Instant) -> bool {
        let left = self.valid_until.saturating_duration_since(now);
        let is_full = self.parked >= MAX_PARKED;
        self.phase == OwnershipPhase::Held && !is_full && left > self.lease / READ_PART * READ_MARGIN
    }

    /// First entry that a takeover has not claimed yet; `None` without one. Only its takeover claims it and later ones, in
    /// their order.
    pub fn takeover_front(&self) -> Option<EntryId> {
        (self.phase == OwnershipPhase::TakingOver).then_some(self.takeover_from)
    }

    /// Maximum time of one read.
    pub fn longest_read(&self) -> Duration {
        self.lease / READ_PART
    }
}
