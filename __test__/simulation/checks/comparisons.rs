//! Comparisons of retention with the groups of a stream, before a removal.

use std::collections::BTreeMap;

use crate::history::Done;

/// Maximum time between a comparison and its removal, in ms.
const LONGEST: u64 = 3_000;

/// Owner of the lease of a stream.
struct Owner {
    consumer: String,
    /// Time since which it has the lease.
    since: u64,
    /// Begin of its last visit, in ms. It reads the groups after that.
    visit: u64,
}

/// Times of the last comparisons, by server and stream.
#[derive(Default)]
pub(super) struct Comparisons {
    owners: BTreeMap<(u16, String), Owner>,
}

impl Comparisons {
    /// Notes a lease.
    pub(super) fn note(&mut self, (at, port): (u64, u16), done: &Done) {
        let Done::Leased { stream, consumer, is_new } = done else { return };
        let key = (port, stream.clone());
        match self.owners.get_mut(&key) {
            Some(owner) if owner.consumer == *consumer => owner.visit = at,
            _ if *is_new => {
                self.owners.insert(key, Owner { consumer: consumer.clone(), since: at, visit: at });
            }
            _ => {}
        }
    }

    /// Returns true if a group that was made at a time was there when the groups were read before a removal of now. Only a
    /// group that was made after that can be missing, as docs/guarantees.md says. The removal can be one of the owner before.
    pub(super) fn include(&self, (at, port): (u64, u16), stream: &str, made: u64) -> bool {
        let owner = self.owners.get(&(port, stream.to_owned()));
        let visit = owner.filter(|owner| owner.since + LONGEST <= at).map(|owner| owner.visit);
        made < visit.unwrap_or(0) || made + LONGEST <= at
    }
}
