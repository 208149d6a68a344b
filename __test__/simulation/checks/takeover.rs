//! Takeovers: an entry leaves its consumer after `claimDeadline` only, and not right after a reconnection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ledger::{Step, What};
use super::summary::Summary;
use crate::history::{Control, Event, Timed};
use crate::scenario::Arrangement;

/// Maximum time after a reconnection without takeovers, in ms.
const MAX_GRACE: u64 = 3_000;

impl Summary<'_> {
    /// An entry changes its consumer only after it was idle for `claimDeadline`, unless its consumer has handed it back.
    pub(super) fn takeover(&self, found: &mut Vec<String>) {
        for ((port, stream, group, entry), steps) in self.ledger.entries() {
            // A consumer can renew leases of a group that is not there any more, and of the next one. A failover undoes leases,
            // so that the entry is idle for longer than the ledger says.
            // The next owner of a partition takes over at once.
            if self.is_another_group(*port, stream, *group)
                || self.is_ever_rewound(*port, stream)
                || self.lease_of(stream).is_some()
            {
                continue;
            }
            let deadline = self.scenario.groups[*group].claim_deadline;
            for (nth, (before, step)) in steps.iter().zip(&steps[1..]).enumerate() {
                let Some((from, to)) = change_of_owner(before, step) else { continue };
                let idle = match before.what {
                    What::Claimed { idle, .. } => idle.saturating_add(step.at - before.at),
                    _ => step.at - before.at,
                };
                // The owner takes back what a late command has taken from it, also after further renewals.
                let own = steps[..=nth].iter().rev().take_while(|step| step.what.owner() == Some(from));
                let taken = own.last().map_or(before.at, |step| step.at);
                let is_late = self.disruptions.is_late(Self::process_of(to), *port, step.at)
                    || self.disruptions.is_late(Self::process_of(from), *port, taken);
                // The owner of a late read, and the one that has claimed the entry, renew its lease.
                let is_renewal = matches!(step.what, What::Claimed { is_start: false, .. });
                let is_read_late = || {
                    let is_late = |of: &u32| self.is_read_late(*port, steps, (*of, step.at), deadline);
                    is_renewal && [from, to].iter().any(is_late)
                };
                if idle < deadline
                    && !is_late
                    && !self.disruptions.is_clock_set(*port, step.at)
                    && !is_read_late()
                {
                    let at = step.at;
                    found.push(format!(
                        "at {at} {stream} {entry}: consumer {to} takes it from {from} after {idle} ms"
                    ));
                }
            }
        }
    }

    /// After a reconnection a consumer takes nothing over, so that the others can renew their leases.
    pub(super) fn grace(&self, found: &mut Vec<String>) {
        // A process has connections to several servers of a Cluster, and to a primary that changes. Nothing says which of them
        // it had lost before it claimed an entry.
        if self.scenario.arrangement != Arrangement::Standalone {
            return;
        }
        let rejoined = self.rejoined();
        for ((port, stream, group, entry), steps) in self.ledger.entries() {
            // A consumer can renew leases of a group that is not there any more, and of the next one.
            if self.is_another_group(*port, stream, *group) || self.lease_of(stream).is_some() {
                continue;
            }
            let grace = self.scenario.groups[*group].claim_deadline.min(MAX_GRACE);
            for (before, step) in steps.iter().zip(&steps[1..]) {
                let Some((from, to)) = change_of_owner(before, step) else { continue };
                if !matches!(step.what, What::Claimed { is_start: true, .. }) {
                    continue;
                }
                let times = rejoined.get(&(Self::process_of(to), *port)).map_or(&[][..], Vec::as_slice);
                let last = times.iter().rev().find(|time| **time <= step.at);
                if let Some(last) = last.filter(|last| *last + grace > step.at) {
                    let at = step.at;
                    found.push(format!(
                        "at {at} {stream} {entry}: consumer {to} takes it from {from}, and is back since {last}"
                    ));
                }
            }
        }
    }

    /// Times at which processes were back that had lost all connections to a server at once, by process and port.
    fn rejoined(&self) -> BTreeMap<(u32, u16), Vec<u64>> {
        let mut broken: BTreeMap<(u32, u16), (u64, u32)> = BTreeMap::new();
        let mut rejoined: BTreeMap<(u32, u16), Vec<u64>> = BTreeMap::new();
        let mut joins: BTreeMap<(u32, u16), VecDeque<u64>> = BTreeMap::new();
        let mut stopped: BTreeSet<u32> = BTreeSet::new();
        let mut played: BTreeSet<u32> = BTreeSet::new();
        for Timed { at, event } in self.events {
            match event {
                // A bus that has stopped does not see that a closed connection breaks behind it, such as after a partition.
                Event::Broken { process, .. } if stopped.contains(process) => {}
                Event::Broken { process, port } => {
                    let (last, count) = broken.entry((*process, *port)).or_default();
                    (*last, *count) = (*at, if *last == *at { *count + 1 } else { 1 });
                    joins.entry((*process, *port)).or_default().pop_front();
                }
                // A bus that was stopped begins anew.
                Event::Called { what: Control::Stop, of } => broken.retain(|(process, _), _| process != of),
                Event::Returned { what: Control::Stop, of, .. } => {
                    broken.retain(|(process, _), _| process != of);
                    joins.retain(|(process, _), _| process != of);
                    stopped.insert(*of);
                }
                Event::Called { what: Control::Play, of } => drop(played.insert(*of)),
                // A process has a connection for commands, and one for the reads of each consumer. On several servers some of
                // these are elsewhere.
                Event::Joined { process, port } => {
                    stopped.remove(process);
                    let readers =
                        played.iter().filter(|one| Self::process_of(**one) == *process).count() as u32;
                    let most = if self.scenario.nodes == 1 { readers.max(1) } else { 1 };
                    let joins = joins.entry((*process, *port)).or_default();
                    // The process was back already with a connection that did not break.
                    let is_back = |broken: u64| {
                        joins.iter().any(|joined| *joined <= broken && *joined + MAX_GRACE > broken)
                    };
                    let lost = broken.remove(&(*process, *port));
                    if lost.is_some_and(|(broken, count)| count > most && !is_back(broken)) {
                        rejoined.entry((*process, *port)).or_default().push(*at);
                    }
                    joins.push_back(*at);
                }
                _ => {}
            }
        }
        rejoined
    }
}

/// The consumers before and after a step, if they differ.
fn change_of_owner(before: &Step, step: &Step) -> Option<(u32, u32)> {
    let What::Claimed { consumer, is_forced: false, .. } = step.what else { return None };
    let owner = before.what.owner()?;
    (owner != consumer).then_some((owner, consumer))
}
