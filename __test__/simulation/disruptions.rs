//! Times at which a process could not reach a server, as far as the script and the history say.

use crate::history::{Event, Timed};
use crate::scenario::{Action, Cut, Scenario};

/// Delay of a reconnection after its server is back, besides the delays of the network, in ms.
const RECONNECTION: u64 = 150;
/// The same after several failed attempts.
const LATE_RECONNECTION: u64 = 2_300;
/// Time after a change of the topology until all servers know it, in ms.
const AFTER_CHANGE: u64 = 1_500;

/// An interval of one process and one server. `None` means each of them.
#[derive(Clone, Copy, Debug)]
struct Interval {
    process: Option<u32>,
    port: Option<u16>,
    from: u64,
    to: u64,
}

#[derive(Debug)]
pub struct Disruptions {
    intervals: Vec<Interval>,
    /// Times at which JavaScript of a process computed.
    blocked: Vec<(u32, u64, u64)>,
    /// Changes of the clock of a server.
    clocks: Vec<(u16, u64)>,
    /// Times at which the network delivers what it has held back, by process and server.
    deliveries: Vec<(u32, u16, u64)>,
    /// Times of failovers, and of slots that move.
    changes: Vec<(u64, u64)>,
    /// Maximum delay of the network.
    slowest: u64,
}

/// Times at which a process has ejected a node. It reads no entries of it then, also once the server is back: the time between
/// two probes doubles.
fn ejections(events: &[Timed], late: u64) -> Vec<Interval> {
    let mut ejections: Vec<Interval> = Vec::new();
    for Timed { at, event } in events {
        let &Event::Ring { process, port, is_out } = event else { continue };
        let (of, place) = (Some(process), Some(port));
        let mut open = ejections.iter_mut().rev();
        match open.find(|one| (one.process, one.port) == (of, place) && one.to == u64::MAX) {
            Some(one) if !is_out => one.to = *at + late,
            None if is_out => ejections.push(Interval { process: of, port: place, from: *at, to: u64::MAX }),
            _ => {}
        }
    }
    ejections
}

impl Disruptions {
    pub fn new(scenario: &Scenario, events: &[Timed]) -> Self {
        let slowest = scenario.latencies.iter().map(|(base, spread)| base + spread).max().unwrap_or(0);
        let soon = RECONNECTION + 8 * slowest;
        let late = LATE_RECONNECTION + 8 * slowest;
        let mut intervals = Vec::new();
        let mut clocks = Vec::new();
        let mut deliveries = Vec::new();
        let mut changes = Vec::new();
        let mut add = |process: Option<usize>, node: Option<u16>, from: u64, time: u64| {
            intervals.push(Interval {
                process: process.map(|process| process as u32 + 1),
                port: node.map(|node| scenario.port_of_events(Scenario::port(node))),
                from,
                to: from + time,
            });
        };
        for timed in &scenario.actions {
            let at = timed.at;
            match timed.action {
                Action::Freeze(process, ms) => add(Some(process), None, at, ms + 10),
                Action::Separate(process, node, ms, _) => add(Some(process), Some(node), at, ms + late),
                Action::Cut(process, node, Cut::Deaf(_, ms)) => add(Some(process), Some(node), at, ms + late),
                Action::Cut(process, node, Cut::Half(_)) => add(Some(process), Some(node), at, soon),
                Action::Outage(node, ms) | Action::Refuse(node, _, ms) => {
                    add(None, Some(node), at, ms + late)
                }
                Action::FailOver(_, lag, down) => add(None, None, at, lag + down + late),
                _ => {}
            }
            match timed.action {
                Action::Separate(process, node, ms, false) => {
                    let port = scenario.port_of_events(Scenario::port(node));
                    deliveries.push((process as u32 + 1, port, at + ms));
                }
                Action::Clock(node, _) => {
                    clocks.push((scenario.port_of_events(Scenario::port(node)), at));
                }
                Action::FailOver(_, lag, down) => changes.push((at, at + lag + down + AFTER_CHANGE + late)),
                Action::Migrate(_, _, ms) => changes.push((at, at + ms + AFTER_CHANGE + late)),
                Action::HandOver(_) => changes.push((at, at + AFTER_CHANGE + late)),
                _ => {}
            }
        }
        intervals.extend(ejections(events, late));
        let mut blocked = Vec::new();
        for Timed { at, event } in events {
            if let Event::Blocked { process, ms } = event {
                blocked.push((*process, *at, at + ms));
            }
            if let Event::Broken { process, port } = event {
                intervals.push(Interval {
                    process: Some(*process),
                    port: Some(scenario.port_of_events(*port)),
                    from: *at,
                    to: at + soon,
                });
            }
        }
        Self { intervals, blocked, clocks, deliveries, changes, slowest }
    }

    /// Maximum delay of the network in ms.
    pub fn slowest(&self) -> u64 {
        self.slowest
    }

    /// Returns true if a process was disturbed at any time.
    pub fn any(&self, process: u32) -> bool {
        self.intervals.iter().any(|one| one.process.is_none_or(|of| of == process))
    }

    /// Returns true if anything was disturbed.
    pub fn any_at_all(&self) -> bool {
        !self.intervals.is_empty() || !self.clocks.is_empty()
    }

    /// Returns true if a process was disturbed, or a clock was set, between two times.
    pub fn between(&self, process: u32, from: u64, to: u64) -> bool {
        let overlaps = |one: &&Interval| one.from <= to && one.to >= from;
        self.intervals.iter().filter(overlaps).any(|one| one.process.is_none_or(|of| of == process))
            || self.blocked.iter().any(|&(of, begin, end)| of == process && begin <= to && end >= from)
            || self.clocks.iter().any(|(_, at)| *at <= to)
    }

    /// Returns the time until which a process could not reach a server, without a pause since `at`.
    pub fn cut_off_until(&self, process: u32, port: u16, at: u64) -> u64 {
        let is_of = |one: &&Interval| {
            one.process.is_none_or(|of| of == process) && one.port.is_none_or(|of| of == port)
        };
        let mut until = at;
        while let Some(next) =
            self.intervals.iter().filter(is_of).find(|one| one.from <= until && one.to > until)
        {
            until = next.to;
        }
        until
    }

    /// Returns true if any process can have missed a reply between two times.
    pub fn any_between(&self, from: u64, to: u64) -> bool {
        self.intervals.iter().any(|one| one.from <= to && one.to >= from)
    }

    /// Returns true if a command of a process can have been on its way since before a partition.
    pub fn is_late(&self, process: u32, port: u16, at: u64) -> bool {
        let is_just_there = |end: u64| end <= at && at <= end + 2 * self.slowest + 5;
        self.deliveries.iter().any(|&(of, to, end)| of == process && to == port && is_just_there(end))
    }

    /// Returns true if the network delivers to a process, between two times, what it has held back.
    pub fn delivers_between(&self, process: u32, port: u16, (from, to): (u64, u64)) -> bool {
        self.deliveries.iter().any(|&(of, on, end)| of == process && on == port && (from..=to).contains(&end))
    }

    /// Returns true if the topology changed between two times.
    pub fn is_changing(&self, from: u64, to: u64) -> bool {
        self.changes.iter().any(|&(begin, end)| begin <= to && end >= from)
    }

    /// Returns true if the clock of a server was set until a time.
    pub fn is_clock_set(&self, port: u16, until: u64) -> bool {
        self.clocks.iter().any(|(of, at)| *of == port && *at <= until)
    }

    /// Returns true if a process that has run a job since `begun` can have lost its lease at `until`.
    pub fn excuse(&self, process: u32, port: u16, (begun, until): (u64, u64), deadline: u64) -> bool {
        // A clock that was set makes entries idle at once.
        if self.clocks.iter().any(|(of, at)| *of == port && *at <= until) {
            return true;
        }
        let from = begun.max(until.saturating_sub(2 * deadline)).saturating_sub(deadline / 2);
        let mut reached: Vec<(u64, u64)> = self
            .intervals
            .iter()
            .filter(|one| one.process.is_none_or(|of| of == process) && one.port.is_none_or(|of| of == port))
            .map(|one| (one.from.max(from), one.to.min(until)))
            .filter(|(from, to)| from < to)
            .collect();
        reached.sort_unstable();
        let (mut sum, mut last) = (0, from);
        for (start, end) in reached {
            sum += end.saturating_sub(start.max(last));
            last = last.max(end);
        }
        sum >= deadline / 2
    }
}
