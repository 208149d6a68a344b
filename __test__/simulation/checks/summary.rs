//! What the events of a run say together, for all checks.

use std::collections::{BTreeMap, BTreeSet};

use super::comparisons::Comparisons;
use super::ledger::Ledger;
use crate::disruptions::Disruptions;
use crate::groups::parse_entry_id;
use crate::history::{Control, Done, End, Event, Timed};
use crate::run::{EndState, Outcome};
use crate::scenario::{Action, Scenario, Send};

/// An entry that a server has taken.
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) port: u16,
    pub(super) stream: String,
    pub(super) id: String,
    /// Groups that existed.
    pub(super) groups: BTreeSet<String>,
    /// True if the stream has had another entry with this id later.
    pub(super) is_replaced: bool,
}

/// A run of a processor.
pub(super) struct Run {
    pub(super) consumer: u32,
    pub(super) group: usize,
    pub(super) job: u32,
    pub(super) start: u64,
    /// Time at which the engine has handed the job to JavaScript.
    pub(super) handed: u64,
    pub(super) end: Option<(u64, End)>,
}

/// What the events say together.
pub(super) struct Summary<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) events: &'a [Timed],
    pub(super) end: &'a EndState,
    pub(super) disruptions: Disruptions,
    pub(super) ledger: Ledger,
    pub(super) sends: BTreeMap<u32, &'a Send>,
    pub(super) entries: BTreeMap<u32, Vec<Entry>>,
    pub(super) runs: BTreeMap<u32, Run>,
    pub(super) killed: BTreeMap<u32, u64>,
    /// Times at which a server lost everything.
    pub(super) flushed: BTreeMap<u16, Vec<u64>>,
    /// Times at which a group was destroyed, by port, stream and group.
    pub(super) destroyed: BTreeMap<(u16, String, String), Vec<u64>>,
    /// Groups whose position was set. For the other checks they were destroyed.
    pub(super) moved: BTreeSet<(u16, String, String)>,
    /// Failovers that have undone what was done with a stream: port, stream, and the time from which on and at which.
    pub(super) rewound: Vec<(u16, String, u64, u64)>,
    /// Removals of retention: port, stream and time.
    removals: Vec<(u16, String, u64)>,
    /// Entries that retention has removed, by port and stream, with the time and the groups that existed then.
    pub(super) retired: BTreeMap<(u16, String, String), (u64, BTreeSet<String>)>,
    /// Times at which groups were created last, by port, stream and group.
    made: BTreeMap<(u16, String, String), u64>,
    /// Times at which retention has compared.
    comparisons: Comparisons,
    /// Jobs that were exhausted, by group: a consumer has reported it, or a server has the dead letter.
    pub(super) exhausted: BTreeSet<(usize, u32)>,
    /// Calls of `stop()` by process.
    pub(super) stops: BTreeMap<u32, Vec<u64>>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(scenario: &'a Scenario, outcome: &'a Outcome) -> Self {
        let events = &outcome.events;
        let mut summary = Self {
            scenario,
            events,
            end: &outcome.end,
            disruptions: Disruptions::new(scenario, events),
            ledger: Ledger::new(events),
            sends: scenario.sends().map(|send| (send.job, send)).collect(),
            entries: BTreeMap::new(),
            runs: BTreeMap::new(),
            killed: BTreeMap::new(),
            flushed: BTreeMap::new(),
            destroyed: BTreeMap::new(),
            rewound: Vec::new(),
            removals: Vec::new(),
            retired: BTreeMap::new(),
            made: BTreeMap::new(),
            comparisons: Comparisons::default(),
            moved: BTreeSet::new(),
            exhausted: BTreeSet::new(),
            stops: BTreeMap::new(),
        };
        let mut groups: BTreeSet<(u16, String, String)> = BTreeSet::new();
        for Timed { at, event } in events {
            match event {
                Event::Server { port, done } => summary.note_done(*at, *port, done, &mut groups),
                Event::Start { run, consumer, job, handed, .. } => {
                    let group = summary.group_of(*consumer);
                    let (consumer, job, handed) = (*consumer, *job, *handed);
                    let new = Run { consumer, group, job, start: *at, handed, end: None };
                    summary.runs.insert(*run, new);
                }
                Event::End { run, how } => {
                    if let Some(run) = summary.runs.get_mut(run)
                        && !matches!(run.end, Some((_, end)) if end != End::Released)
                    {
                        run.end = Some((*at, *how));
                    }
                }
                Event::Exhausted { consumer, job, .. } => {
                    let group = summary.group_of(*consumer);
                    summary.exhausted.insert((group, *job));
                }
                Event::Killed { process } => drop(summary.killed.insert(*process, *at)),
                Event::Called { what: Control::Stop, of } => summary.stops.entry(*of).or_default().push(*at),
                _ => {}
            }
        }
        summary
    }

    pub(super) fn note_done(
        &mut self,
        at: u64,
        port: u16,
        done: &Done,
        groups: &mut BTreeSet<(u16, String, String)>,
    ) {
        match done {
            Done::Added { stream, entry, job } => {
                let Some(job) = job_number(job) else { return };
                if let Some(group) = stream.strip_prefix("hfxbus:str:dead") {
                    // The process can be gone before it reports the move.
                    self.exhausted.extend(group.parse().ok().map(|group: usize| (group, job)));
                }
                if !stream.starts_with("hfxbus:str:s") {
                    return;
                }
                let there = groups.iter().filter(|(on, of, _)| *on == port && of == stream);
                let groups = there.map(|(_, _, group)| group.clone()).collect();
                let is_it = |one: &&mut Entry| (one.port, &one.stream, &one.id) == (port, stream, entry);
                let replaced = self.entries.values_mut().flatten().filter(is_it);
                replaced.for_each(|one| one.is_replaced = true);
                let (stream, id) = (stream.clone(), entry.clone());
                let entry = Entry { at, port, stream, id, groups, is_replaced: false };
                self.entries.entry(job).or_default().push(entry);
            }
            Done::GroupMade { stream, group, .. } => {
                self.made.insert((port, stream.clone(), group.clone()), at);
                groups.insert((port, stream.clone(), group.clone()));
            }
            Done::GroupGone { stream, group } => {
                let key = (port, stream.clone(), group.clone());
                groups.remove(&key);
                self.destroyed.entry(key).or_default().push(at);
            }
            Done::GroupMoved { stream, group } => {
                let key = (port, stream.clone(), group.clone());
                self.moved.insert(key.clone());
                self.destroyed.entry(key).or_default().push(at);
            }
            Done::Flushed => {
                groups.retain(|(on, _, _)| *on != port);
                self.flushed.entry(port).or_default().push(at);
            }
            Done::Rewound { since, streams } => {
                let rewound = streams.iter().map(|stream| (port, stream.clone(), *since, at));
                self.rewound.extend(rewound);
            }
            Done::Trimmed { stream, below: Some(below) } => {
                self.note_retired((at, port), stream, below, groups)
            }
            Done::Leased { .. } => self.comparisons.note((at, port), done),
            Done::Acknowledged { .. }
            | Done::Delivered { .. }
            | Done::Claimed { .. }
            | Done::Trimmed { .. }
            | Done::WindowBegun { .. }
            | Done::Permitted { .. } => {}
        }
    }

    /// Notes the entries that retention has removed. With another XTRIM in the script nothing says which of the two it was.
    fn note_retired(
        &mut self,
        (at, port): (u64, u16),
        stream: &str,
        below: &str,
        groups: &BTreeSet<(u16, String, String)>,
    ) {
        if self.has_trims() {
            return;
        }
        self.removals.push((port, stream.to_owned(), at));
        let below = parse_entry_id(below);
        let entries = self.entries.values().flatten();
        let of_stream = entries.filter(|entry| entry.port == port && entry.stream == stream);
        // A new primary can lack an entry of the last moments, which nothing removes then.
        let may_lack = |entry: &Entry| {
            self.rewound.iter().any(|(of, rewound, since, until)| {
                *of == port && rewound == stream && (*since..=*until).contains(&entry.at)
            })
        };
        let removed = of_stream.filter(|entry| parse_entry_id(&entry.id) < below && !may_lack(entry));
        // A group that was just created can be missing from the comparison before the removal.
        let is_old = |key: &&(u16, String, String)| {
            self.made.get(*key).is_none_or(|&made| self.comparisons.include((at, port), stream, made))
        };
        let there = groups.iter().filter(|(on, of, _)| *on == port && of == stream).filter(is_old);
        let there: BTreeSet<String> = there.map(|(_, _, group)| group.clone()).collect();
        for entry in removed {
            let place = (port, entry.stream.clone(), entry.id.clone());
            // An entry is removed once.
            self.retired.entry(place).or_insert_with(|| (at, there.clone()));
        }
    }

    /// Returns true if an entry is in its stream at the end, or if retention has removed it.
    pub(super) fn is_kept(&self, port: u16, stream: &str, entry: &str) -> bool {
        let place = (port, stream.to_owned(), entry.to_owned());
        self.end.present.contains(&place) || self.retired.contains_key(&place)
    }

    pub(super) fn process_of(consumer: u32) -> u32 {
        consumer / 100
    }

    /// Entries of a job.
    pub(super) fn entries_of(&self, job: u32) -> &[Entry] {
        self.entries.get(&job).map_or(&[], Vec::as_slice)
    }

    /// Returns true if a limit of docs/guarantees.md explains the loss of an entry for a group.
    pub(super) fn is_lost(&self, entry: &Entry, group: &str) -> bool {
        let after = |times: Option<&Vec<u64>>| times.into_iter().flatten().any(|&time| time >= entry.at);
        after(self.flushed.get(&entry.port))
            || after(self.destroyed.get(&(entry.port, entry.stream.clone(), group.to_owned())))
            || !self.is_kept(entry.port, &entry.stream, &entry.id)
            || self.is_retired_without(entry, group, u64::MAX)
            // A new primary that lacks the entry, and whose clock was set back, gives its id to another one.
            || entry.is_replaced && self.is_rewound(entry, entry.at, u64::MAX)
    }

    /// Returns true if retention had removed an entry while there was no such group, which it does not wait for.
    pub(super) fn is_retired_without(&self, entry: &Entry, group: &str, until: u64) -> bool {
        let place = (entry.port, entry.stream.clone(), entry.id.clone());
        self.retired.get(&place).is_some_and(|(at, groups)| *at <= until && !groups.contains(group))
    }

    /// Returns true if retention can have missed the reply to a removal behind an entry. Its mark begins anew then.
    pub(super) fn is_unmarked(&self, entry: &Entry) -> bool {
        let reply = 2 * self.disruptions.slowest() + 5;
        self.removals.iter().any(|(port, stream, at)| {
            (*port, stream) == (entry.port, &entry.stream)
                && *at >= entry.at
                && self.disruptions.any_between(*at, *at + reply)
        })
    }

    /// Returns true if a failover has undone, between two times, what was done with the stream of an entry.
    pub(super) fn is_rewound(&self, entry: &Entry, from: u64, to: u64) -> bool {
        self.rewound.iter().any(|(port, stream, _, at)| {
            (*port, stream) == (entry.port, &entry.stream) && (from..=to).contains(at)
        })
    }

    /// Returns true if a failover has undone, until a time, what was done with a stream at another one.
    pub(super) fn is_undone(&self, (port, stream): (u16, &str), at: u64, until: u64) -> bool {
        let mut rewound = self.rewound.iter().filter(|(of, rewound, ..)| *of == port && rewound == stream);
        rewound.any(|(_, _, since, end)| *end <= until && (*since..=*end).contains(&at))
    }

    /// Returns true if the script trims streams.
    pub(super) fn has_trims(&self) -> bool {
        self.scenario.actions.iter().any(|timed| matches!(timed.action, Action::Trim(..)))
    }

    /// Returns true if a failover has undone what was done with a stream.
    pub(super) fn is_ever_rewound(&self, port: u16, stream: &str) -> bool {
        self.rewound.iter().any(|(of, rewound, ..)| *of == port && rewound == stream)
    }

    /// Returns true if a server refused commands. A replica publishes the completion whose acknowledgement it refuses.
    pub(super) fn is_refused(&self) -> bool {
        self.scenario.actions.iter().any(|timed| matches!(timed.action, Action::Refuse(..)))
    }

    /// Returns true if a group of the job's entry was destroyed.
    pub(super) fn is_destroyed(&self, group: usize, job: u32) -> bool {
        let key = format!("hfxbus:csr:g{group}");
        let is_gone = |entry: &Entry| {
            self.destroyed.contains_key(&(entry.port, entry.stream.clone(), key.clone()))
                || self.flushed.contains_key(&entry.port)
        };
        self.entries_of(job).iter().any(is_gone)
    }

    /// Returns true if jobs of a group can reach a deadline. JavaScript can learn of it late, or never.
    pub(super) fn may_expire(&self, group: usize) -> bool {
        let mut consumers = self.scenario.processes.iter().flat_map(|process| &process.consumers);
        consumers.any(|one| one.group == group && one.deadline.is_some())
            || self
                .runs
                .values()
                .any(|run| run.group == group && run.end.is_some_and(|(_, how)| how == End::Expired))
    }

    /// Returns true for a consumer of 2.2.0.
    pub(super) fn is_legacy(&self, consumer: u32) -> bool {
        let process = self.scenario.processes.get(consumer as usize / 100 - 1);
        process.is_some_and(|process| process.legacy.is_some())
    }

    /// Returns true if a group has a consumer of 2.2.0.
    pub(super) fn has_legacy(&self, group: usize) -> bool {
        let mut legacy = self.scenario.processes.iter().filter(|process| process.legacy.is_some());
        legacy.any(|process| process.consumers.iter().any(|one| one.group == group))
    }

    /// Returns true if a consumer of the group does not send a completion again that its connection has lost.
    pub(super) fn may_leave_unsent(&self, group: usize) -> bool {
        self.scenario.processes.iter().enumerate().any(|(at, process)| {
            (!process.resends || process.command_timeout.is_some())
                && process.consumers.iter().any(|one| one.group == group)
                && self.disruptions.any(at as u32 + 1)
        })
    }

    /// Returns true if a group was destroyed and made again, or its position was set.
    pub(super) fn is_another_group(&self, port: u16, stream: &str, group: usize) -> bool {
        let key = (port, stream.to_owned(), format!("hfxbus:csr:g{group}"));
        self.destroyed.contains_key(&key) || self.flushed.contains_key(&port)
    }

    /// Returns true if the position of a group was set.
    pub(super) fn is_moved(&self, port: u16, stream: &str, group: usize) -> bool {
        self.moved.contains(&(port, stream.to_owned(), format!("hfxbus:csr:g{group}")))
    }

    /// Lease of a stream that is ordered by key, in ms.
    pub(super) fn lease_of(&self, stream: &str) -> Option<u64> {
        let streams = (0..self.scenario.streams.len()).zip(&self.scenario.streams);
        streams.into_iter().find(|(at, _)| Scenario::stream_key(*at) == stream)?.1.lease
    }

    /// Returns true if a stream has a rate limit. Its entries wait for permits.
    pub(super) fn is_limited(&self, stream: &str) -> bool {
        let mut streams = (0..self.scenario.streams.len()).zip(&self.scenario.streams);
        streams.any(|(at, one)| one.limit.is_some() && Scenario::stream_key(at) == stream)
    }

    /// Returns true if a consumer has reported that a job is exhausted, or a server has its dead letter.
    pub(super) fn is_exhausted(&self, group: usize, job: u32) -> bool {
        self.exhausted.contains(&(group, job))
    }

    /// Returns true if a delivery to a consumer of the group can have ended without a settlement.
    pub(super) fn is_disturbed(&self, group: usize) -> bool {
        (0..self.scenario.processes.len()).any(|at| {
            let process = at as u32 + 1;
            self.scenario.processes[at].consumers.iter().any(|one| one.group == group)
                && (self.killed.contains_key(&process)
                    || self.stops.contains_key(&process)
                    || self.disruptions.any(process))
        })
    }

    /// Times at which a group moved a job to its dead letters.
    pub(super) fn dead_letters_of(&self, group: usize, job: u32) -> impl Iterator<Item = u64> {
        let dead_letters = format!("hfxbus:str:dead{group}");
        self.events.iter().filter_map(move |timed| {
            let Event::Server { done: Done::Added { stream, job: of, .. }, .. } = &timed.event else {
                return None;
            };
            (*stream == dead_letters && job_number(of) == Some(job)).then_some(timed.at)
        })
    }

    /// End of a run, or of its process.
    pub(super) fn end_of(&self, run: &Run) -> u64 {
        let process = Self::process_of(run.consumer);
        let end = match run.end {
            Some((at, how)) if how != End::Released => at,
            _ => u64::MAX,
        };
        let killed = self.killed.get(&process).copied().unwrap_or(u64::MAX);
        let stops = self.stops.get(&process).into_iter().flatten();
        let stopped = stops.copied().filter(|&at| at >= run.start).min().unwrap_or(u64::MAX);
        let expired = self.deadline_of(run.consumer).map_or(u64::MAX, |limit| run.start + limit);
        end.min(killed).min(stopped).min(expired)
    }
}

pub(super) fn job_number(id: &str) -> Option<u32> {
    id.strip_prefix('j')?.parse().ok()
}

pub(super) fn group_number(key: &str) -> Option<usize> {
    key.rsplit(":g").next()?.parse().ok()
}
