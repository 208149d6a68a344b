//! Retention: an entry is removed only after every group has acknowledged it.

use std::collections::{BTreeMap, BTreeSet};

use super::comparisons::Comparisons;
use super::summary::{Summary, group_number};
use crate::groups::parse_entry_id;
use crate::history::{Done, Event, Timed};

type EntryKey = (u64, u64);

/// Maximum time between two comparisons, in ms. A group that was made in between is missing from the first one.
const LONGEST: u64 = 3_000;

/// A stream of a server.
#[derive(Default)]
struct StreamModel {
    entries: BTreeSet<EntryKey>,
    /// Groups with the time of their creation, the entry behind which they began, and the times of their acknowledgements.
    groups: BTreeMap<String, (u64, EntryKey, BTreeMap<EntryKey, u64>)>,
}

fn model<'a>(
    streams: &'a mut BTreeMap<(u16, String), StreamModel>,
    port: u16,
    stream: &str,
) -> &'a mut StreamModel {
    streams.entry((port, stream.to_owned())).or_default()
}

/// Returns true if docs/guarantees.md allows a removal at a time that is less than `keep` after an acknowledgement: a group that
/// was made after a comparison has acknowledged the entry before the next one.
fn may_be_early((at, acknowledged): (u64, u64), made: u64, keep: u64) -> bool {
    acknowledged <= made + LONGEST && acknowledged + keep <= at + LONGEST
}

impl Summary<'_> {
    /// Returns true if an entry that was just delivered can have been not pending for a while, since the name of its consumer was
    /// removed as idle, and if entries stay for no longer than the few round trips until it is restored.
    fn can_be_restored(
        &self,
        (port, stream): (u16, &str),
        group: &str,
        (time, sequence): EntryKey,
        (at, keep): (u64, u64),
    ) -> bool {
        let Some(group) = group_number(group) else { return false };
        let restoring = 8 * self.disruptions.slowest();
        let mut consumers = self.scenario.processes.iter().flat_map(|process| &process.consumers);
        let steps = self.ledger.steps(port, stream, group, &format!("{time}-{sequence}"));
        let last = steps.iter().rfind(|step| step.at <= at && step.what.owner().is_some());
        keep <= restoring
            && consumers.any(|one| one.group == group && one.removes_idle.is_some())
            && last.is_some_and(|step| at <= step.at + keep + restoring)
    }

    /// An entry is removed by its id only after every group has acknowledged it, and not before its time.
    pub(super) fn retention(&self, found: &mut Vec<String>) {
        let mut streams: BTreeMap<(u16, String), StreamModel> = BTreeMap::new();
        let mut comparisons = Comparisons::default();
        let keep = self.scenario.retains.unwrap_or(0);
        for Timed { at, event } in self.events {
            let Event::Server { port, done } = event else { continue };
            comparisons.note((*at, *port), done);
            match done {
                Done::Added { stream, entry, .. } => {
                    model(&mut streams, *port, stream).entries.extend(parse_entry_id(entry))
                }
                Done::GroupMade { stream, group, from } => {
                    let begin = parse_entry_id(from).unwrap_or_default();
                    model(&mut streams, *port, stream)
                        .groups
                        .insert(group.clone(), (*at, begin, BTreeMap::new()));
                }
                Done::GroupGone { stream, group } => {
                    drop(model(&mut streams, *port, stream).groups.remove(group))
                }
                Done::Acknowledged { stream, group, entries } => {
                    if let Some((_, _, acknowledged)) =
                        model(&mut streams, *port, stream).groups.get_mut(group)
                    {
                        for entry in entries.iter().filter_map(|entry| parse_entry_id(entry)) {
                            acknowledged.entry(entry).or_insert(*at);
                        }
                    }
                }
                Done::Trimmed { stream, below: Some(below) } => {
                    let Some(below) = parse_entry_id(below) else { continue };
                    let model = model(&mut streams, *port, stream);
                    let kept = model.entries.split_off(&below);
                    for entry in std::mem::replace(&mut model.entries, kept) {
                        for (group, (made, begin, acknowledged)) in &model.groups {
                            let is_old = comparisons.include((*at, *port), stream, *made);
                            if !is_old || entry <= *begin {
                                continue;
                            }
                            let (time, sequence) = entry;
                            match acknowledged.get(&entry) {
                                None if self.can_be_restored((*port, stream), group, entry, (*at, keep)) => {}
                                None => found.push(format!(
                                    "at {at}: {time}-{sequence} was removed, and {group} has not acknowledged it"
                                )),
                                Some(since) if *at < since + keep && !may_be_early((*at, *since), *made, keep) => found.push(format!(
                                    "at {at}: {time}-{sequence} was removed, and {group} has acknowledged it at {since}"
                                )),
                                Some(_) => {}
                            }
                        }
                    }
                }
                Done::Trimmed { stream, below: None } => {
                    // Nothing says which entries are left.
                    model(&mut streams, *port, stream).entries.clear();
                }
                Done::Rewound { streams: rewound, .. } => {
                    // Nothing says which entries and acknowledgements are left.
                    for stream in rewound {
                        model(&mut streams, *port, stream).entries.clear();
                    }
                }
                Done::GroupMoved { stream, group } => {
                    // A group whose position was set does not read the entries before it, or reads them again.
                    let model = model(&mut streams, *port, stream);
                    let last = model.entries.last().copied();
                    if let Some((_, begin, _)) = model.groups.get_mut(group) {
                        *begin = last.unwrap_or_default().max(*begin);
                    }
                }
                Done::Leased { .. } | Done::Delivered { .. } | Done::Claimed { .. } => {}
                Done::WindowBegun { .. } | Done::Permitted { .. } => {}
                Done::Flushed => streams.retain(|(on, _), _| on != port),
            }
        }
    }
}
