//! Repetition: the retry limit, and entries that are done.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Step, What};
use super::summary::{Entry, Summary, group_number};
use crate::history::{Control, Done, Event, Timed};
use crate::scenario::{self, Action, Scenario};

impl Summary<'_> {
    /// An entry runs at most `retryLimit` times, and is exhausted once, after which it does not run.
    pub(super) fn retry_limit(&self, found: &mut Vec<String>) {
        let mut runs: BTreeMap<(usize, u32), Vec<u64>> = BTreeMap::new();
        let mut exhausted: BTreeSet<(u32, u32, String)> = BTreeSet::new();
        // Times of the last reports, and of the last moments at which the consumer that had the entry must have been there.
        let mut over: BTreeMap<(usize, u32), (u64, u64)> = BTreeMap::new();
        let mut played: BTreeMap<u32, u64> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Start { run, consumer, job, .. } => {
                    let group = self.runs[run].group;
                    let [entry] = self.entries_of(*job) else { continue };
                    let key = (entry.port, entry.stream.clone(), format!("hfxbus:csr:g{group}"));
                    if self.flushed.contains_key(&entry.port) || self.destroyed.contains_key(&key) {
                        continue;
                    }
                    let starts = runs.entry((group, *job)).or_default();
                    starts.push(*at);
                    let count = starts.len() as u64;
                    // A job that waited in its process runs after a failover that has undone its delivery.
                    let limit = self.scenario.groups[group].retry_limit
                        + self.lost_deliveries(group, entry, *at)
                        + self.uncounted_deliveries(group, entry, *at)
                        + self.claims_at_once(group, entry, *at);
                    if count > limit {
                        found.push(format!(
                            "at {at} j{job}: run {count} of {limit} in g{group}, consumer {consumer}"
                        ));
                    }
                    let is_late = |(over, there): &(u64, u64)| {
                        let process = Self::process_of(*consumer);
                        // A consumer that begins to play runs its own pending entries.
                        let has_played = played.get(consumer).is_some_and(|played| played > over);
                        over + 1_000 < *at && !has_played && !self.disruptions.between(process, *there, *at)
                    };
                    let is_lost =
                        |(over, _): &(u64, u64)| self.is_of_lost_read((group, entry), *consumer, *over, *at);
                    let is_returned =
                        |(over, _): &(u64, u64)| self.is_returned_late(group, entry, (*over, *at));
                    let is_again = |over: &(u64, u64)| is_late(over) && !is_lost(over) && !is_returned(over);
                    if over.get(&(group, *job)).is_some_and(is_again) {
                        found.push(format!("at {at} j{job}: g{group} runs it after it was exhausted"));
                    }
                }
                // Deliveries that the new primary does not know do not count.
                Event::Server { port, done: Done::Rewound { since, streams } } => {
                    for ((_, job), starts) in &mut runs {
                        let mut entries = self.entries_of(*job).iter();
                        if entries.any(|entry| entry.port == *port && streams.contains(&entry.stream)) {
                            starts.retain(|start| start < since);
                        }
                    }
                }
                Event::Called { what: Control::Play, of } => drop(played.insert(*of, *at)),
                Event::Exhausted { consumer, job, entry, moved, reported } => {
                    let group = self.group_of(*consumer);
                    // Without dead letters each consumer that claims reports it.
                    let reporter = if *moved { group as u32 } else { *consumer };
                    // Without dead letters the entry stays with a consumer that was cut off until then, and had read it ahead. Busy
                    // JavaScript learns of the report later.
                    let deadline = self.scenario.groups[group].claim_deadline;
                    let there = if *moved { *at } else { reported.saturating_sub(deadline) };
                    let before = over.get(&(group, *job)).map_or(0, |(before, _)| *before);
                    let is_restored = *moved && self.is_restored(group, *job, before, *at);
                    // A delivery that a failover has lost does not count, so the entry that stays pending runs again.
                    if *moved || !self.is_of_lost_delivery(group, *job, *consumer, *reported) {
                        over.insert((group, *job), (*at, there));
                    }
                    if !exhausted.insert((reporter, *job, entry.clone()))
                        && !self.is_destroyed(group, *job)
                        && !self.disruptions.any_at_all()
                        && !is_restored
                    {
                        found.push(format!("at {at} j{job}: g{group} has exhausted {entry} twice"));
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns true if an entry was moved to the dead letters and then restored, since the name of its consumer was removed as
    /// idle meanwhile.
    fn is_restored(&self, group: usize, job: u32, moved: u64, until: u64) -> bool {
        let mut consumers = self.scenario.processes.iter().flat_map(|process| &process.consumers);
        // The report of the move can be behind the restoration.
        let from = moved.saturating_sub(2 * self.disruptions.slowest() + 5);
        let is_forced = |step: &Step| {
            matches!(step.what, What::Claimed { is_forced: true, .. }) && (from..until).contains(&step.at)
        };
        consumers.any(|one| one.group == group && one.removes_idle.is_some())
            && self.entries_of(job).iter().any(|entry| {
                self.ledger.steps(entry.port, &entry.stream, group, &entry.id).iter().any(is_forced)
            })
    }

    /// Number of deliveries that a failover has lost.
    fn lost_deliveries(&self, group: usize, entry: &Entry, until: u64) -> u64 {
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let is_lost = |step: &&Step| self.is_undone((entry.port, &entry.stream), step.at, until);
        steps.iter().filter(is_lost).filter(|step| is_delivery(step)).count() as u64
    }

    /// Returns true if a failover has lost the delivery with which a consumer reported an entry as exhausted.
    fn is_of_lost_delivery(&self, group: usize, job: u32, consumer: u32, reported: u64) -> bool {
        let [entry] = self.entries_of(job) else { return false };
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let is_its_delivery =
            |step: &&Step| step.at <= reported && step.what.owner() == Some(consumer) && is_delivery(step);
        let last = steps.iter().rfind(is_its_delivery);
        last.is_some_and(|step| self.is_undone((entry.port, &entry.stream), step.at, reported))
    }

    /// Returns true if a consumer whose read was answered late has handed an entry back, with its delivery, that was reported as
    /// exhausted before.
    fn is_returned_late(&self, group: usize, entry: &Entry, (over, until): (u64, u64)) -> bool {
        let deadline = self.scenario.groups[group].claim_deadline;
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        steps.iter().filter(|step| (over..=until).contains(&step.at)).any(|step| {
            let What::Claimed { consumer, idle: u64::MAX, is_start: false, .. } = step.what else {
                return false;
            };
            let process = Self::process_of(consumer);
            let mut reads = steps.iter().filter(|read| read.what == What::Delivered(consumer));
            reads.any(|read| self.disruptions.excuse(process, entry.port, (read.at, over), deadline))
        })
    }

    /// Number of deliveries that do not count, since a late hand-back has taken the entry from its new owner.
    fn uncounted_deliveries(&self, group: usize, entry: &Entry, until: u64) -> u64 {
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let is_late_hand_back = |nth: &usize| {
            let step = steps[*nth];
            let What::Claimed { consumer, idle: u64::MAX, is_start: false, .. } = step.what else {
                return false;
            };
            let had_another = steps[..*nth].iter().any(|step| step.what.owner() != Some(consumer));
            let process = Self::process_of(consumer);
            had_another && step.at <= until && self.disruptions.is_late(process, entry.port, step.at)
        };
        let Some(last) = (0..steps.len()).rfind(is_late_hand_back) else { return 0 };
        steps[..last].iter().filter(|step| is_delivery(step)).count() as u64
    }

    /// Number of claims right behind that of another consumer, since the clock of the server was set forward in between.
    fn claims_at_once(&self, group: usize, entry: &Entry, until: u64) -> u64 {
        let deadline = self.scenario.groups[group].claim_deadline;
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let is_claim =
            |step: &&Step| step.at <= until && matches!(step.what, What::Claimed { is_start: true, .. });
        let claims: Vec<&Step> = steps.iter().filter(is_claim).collect();
        let is_at_once = |pair: &&[&Step]| {
            let (first, second) = (pair[0], pair[1]);
            let is_set_forward = |timed: &scenario::Timed| {
                let Action::Clock(node, by) = timed.action else { return false };
                let port = self.scenario.port_of_events(Scenario::port(node));
                by > 0 && port == entry.port && (first.at..=second.at).contains(&timed.at)
            };
            first.what.owner() != second.what.owner()
                && second.at - first.at < deadline
                && self.scenario.actions.iter().any(is_set_forward)
        };
        claims.windows(2).filter(is_at_once).count() as u64
    }

    /// Returns true if an entry was reported while its consumer did not know of it, since the reply to its read was lost, and if that
    /// consumer has read it again since.
    fn is_of_lost_read(
        &self,
        (group, entry): (usize, &Entry),
        consumer: u32,
        reported: u64,
        until: u64,
    ) -> bool {
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let Some(last) = steps.iter().rposition(|step| step.at <= reported) else { return false };
        let read = steps[last].at;
        let is_read_again = |step: &Step| step.what == What::Reread(consumer) && step.at <= until;
        steps[last].what == What::Delivered(consumer)
            && self.disruptions.between(
                Self::process_of(consumer),
                read,
                read + 2 * self.disruptions.slowest() + 5,
            )
            && steps[last..].iter().any(is_read_again)
    }

    /// Returns true if a failover has lost the delivery of an entry, so that this consumer got it as a new one, before `done`. The
    /// consumer before runs it too, and the acknowledgement of one of them does not keep the other one from that.
    fn is_delivered_again(&self, group: usize, entry: &Entry, consumer: u32, done: u64) -> bool {
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let last = steps.iter().rfind(|step| step.at <= done && is_delivery(step));
        last.is_some_and(|step| {
            step.what == What::Delivered(consumer) && self.lost_deliveries(group, entry, step.at) > 0
        })
    }

    /// No run begins a second after the acknowledgement of its entry, unless its process was disturbed.
    pub(super) fn repetition(&self, found: &mut Vec<String>) {
        let mut acknowledged: BTreeMap<(usize, u16, String, String), u64> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Server { port, done: Done::Acknowledged { stream, group, entries } } => {
                    for entry in entries {
                        if let Some(group) = group_number(group) {
                            let key = (group, *port, stream.clone(), entry.clone());
                            acknowledged.entry(key).or_insert(*at);
                        }
                    }
                }
                Event::Server { port, done: Done::Rewound { since, streams } } => {
                    acknowledged.retain(|(_, of, stream, _), done| {
                        of != port || !streams.contains(stream) || *done < *since
                    });
                }
                Event::Start { consumer, job, .. } => {
                    let group = self.group_of(*consumer);
                    let [entry] = self.entries_of(*job) else { continue };
                    let key = (entry.port, entry.stream.clone(), format!("hfxbus:csr:g{group}"));
                    if self.flushed.contains_key(&entry.port) || self.destroyed.contains_key(&key) {
                        continue;
                    }
                    let place = (group, entry.port, entry.stream.clone(), entry.id.clone());
                    let Some(done) = acknowledged.get(&place) else { continue };
                    let process = Self::process_of(*consumer);
                    let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
                    let deadline = self.scenario.groups[group].claim_deadline;
                    if done + 1_000 < *at
                        && !self.disruptions.between(process, *done, *at)
                        && !self.is_read_late(entry.port, steps, (*consumer, *at), deadline)
                        && !self.is_delivered_again(group, entry, *consumer, *done)
                    {
                        found.push(format!(
                            "at {at} j{job}: g{group} runs it, and {done} has acknowledged it"
                        ));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Returns true for a step that Redis counts as a delivery.
fn is_delivery(step: &Step) -> bool {
    matches!(step.what, What::Delivered(_) | What::Reread(_) | What::Claimed { is_start: true, .. })
}
