//! Owners of entries, as the replies of the servers show them.

use std::collections::BTreeMap;

use super::summary::group_number;
use crate::history::{Done, Event, Timed};

/// Port, stream, group and id of an entry.
pub(super) type Place = (u16, String, usize, String);

/// Step in the life of a pending entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) at: u64,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A consumer got it as a new entry.
    Delivered(u32),
    /// Its consumer read it again.
    Reread(u32),
    /// A consumer took it over, or renewed its lease. It has been idle for so many ms.
    Claimed {
        consumer: u32,
        idle: u64,
        is_start: bool,
        is_forced: bool,
    },
    Acknowledged,
}

impl What {
    /// The owner from here on.
    pub(super) fn owner(self) -> Option<u32> {
        match self {
            Self::Delivered(consumer) | Self::Reread(consumer) | Self::Claimed { consumer, .. } => {
                Some(consumer)
            }
            Self::Acknowledged => None,
        }
    }
}

/// The steps of all entries, by place and in their order.
#[derive(Default)]
pub(super) struct Ledger(BTreeMap<Place, Vec<Step>>);

impl Ledger {
    pub(super) fn new(events: &[Timed]) -> Self {
        let mut ledger = Self::default();
        for Timed { at, event } in events {
            let Event::Server { port, done } = event else { continue };
            let (stream, group, entries, what) = match done {
                Done::Delivered { stream, group, consumer, entries, is_new, .. } => {
                    let Some(consumer) = consumer_number(consumer) else { continue };
                    let what = if *is_new { What::Delivered(consumer) } else { What::Reread(consumer) };
                    (stream, group, entries, what)
                }
                Done::Claimed { stream, group, consumer, entries, idle, is_start, is_forced } => {
                    let Some(consumer) = consumer_number(consumer) else { continue };
                    let (idle, is_start, is_forced) = (idle.unwrap_or(0), *is_start, *is_forced);
                    (stream, group, entries, What::Claimed { consumer, idle, is_start, is_forced })
                }
                Done::Acknowledged { stream, group, entries } => (stream, group, entries, What::Acknowledged),
                _ => continue,
            };
            let Some(group) = group_number(group) else { continue };
            for entry in entries {
                let place = (*port, stream.clone(), group, entry.clone());
                ledger.0.entry(place).or_default().push(Step { at: *at, what });
            }
        }
        ledger
    }

    /// All entries with their steps.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Place, &[Step])> {
        self.0.iter().map(|(place, steps)| (place, steps.as_slice()))
    }

    /// The steps of an entry.
    pub(super) fn steps(&self, port: u16, stream: &str, group: usize, entry: &str) -> &[Step] {
        let place = (port, stream.to_owned(), group, entry.to_owned());
        self.0.get(&place).map_or(&[], Vec::as_slice)
    }
}

/// Number of a consumer from its id in Redis.
fn consumer_number(id: &str) -> Option<u32> {
    id.strip_prefix('c')?.parse().ok()
}
