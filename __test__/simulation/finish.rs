//! End of a run: all faults are over, consumers with claims take over the rest, and everything stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::groups::{GroupState, is_entry_id, parse_entry_id, parse_groups};
use crate::history::{Control, Event, Timed};
use crate::program::{ANSWER, KEY, Program};
use crate::run::{EndState, Outcome, Running};
use crate::scenario::{self, Action, Scenario};
use crate::trace;

/// Time of the last fault, in ms. A failover is the longest one.
const LAST_FAULT: u64 = 10_000;
/// Maximum time after the end of all faults until every job has ended, in ms: all deliveries of a job that hangs, with
/// their delays.
const SETTLING: u64 = 400_000;
/// The same if the jobs of a key run in their order, so that each waits for all deliveries of those before it.
const SETTLING_IN_ORDER: u64 = 1_600_000;
/// Additional time for a clock that was set back, since entries are not idle before it has caught up.
const CATCHING_UP: u64 = 65_000;
/// Time that completions have after the last job has ended, in ms. Producers query twice a minute at most.
const GRACE: u64 = 60_000;
/// Minimum of it. A job that is claimed wrongly begins again within this time.
const SHORTEST_GRACE: u64 = 12_000;
/// Maximum time of a stop.
const STOPPING: u64 = 60_000;
/// Time for tasks and connections to end after the stop.
const CLEARING: u64 = 20_000;

impl Running<'_> {
    /// Lets consumers with claims take over the rest, and stops everything.
    pub(crate) async fn finish(mut self) -> Outcome {
        // A fault can have begun shortly before the end.
        wait(LAST_FAULT).await;
        let mut end = EndState { healed: trace::now(), ..EndState::default() };
        // Programs of 2.2.0 have no stop that waits.
        let processes = self.scenario.processes.iter().enumerate();
        processes.filter(|(_, process)| process.legacy.is_some()).for_each(|(at, _)| self.kill(at));
        let rescue = self.start_rescue();
        end.unsettled = self.wait_until_settled().await;
        end.settled = trace::now();
        end.present = self.present();
        wait(SHORTEST_GRACE).await;
        // A producer finds a missed completion within the age of its wait.
        let until = trace::now() + GRACE.max(trace::now());
        poll_until(until, async || self.open_waits() == 0).await;
        end.stopping = trace::now();
        end.payloads = self.payloads();
        self.programs.push(rescue);
        let stopped = self.stop_all(end.stopping).await;
        end.leftovers.extend(stopped);
        poll_until(trace::now() + CLEARING, async || self.leftovers().is_empty()).await;
        end.leftovers.extend(self.leftovers());
        let events = self.history.take();
        let time = trace::now();
        for program in &self.programs {
            program.forget();
        }
        drop(self);
        let trace = trace::end();
        let (traced, lines, panics) = (trace.events, trace.lines.unwrap_or_default(), Vec::new());
        Outcome { events, traced, lines, time, end, panics, is_whole: true }
    }

    fn start_rescue(&self) -> Arc<Program> {
        let number = self.programs.len() as u32 + 1;
        let process = scenario::Process { resends: true, ..scenario::Process::default() };
        let program = self.start_program(number, &process);
        for group in 0..self.scenario.groups.len() {
            let consumer = scenario::Consumer {
                group,
                concurrency: 16,
                read_ahead: 0,
                claims: true,
                deadline: Some(30_000),
                block_timeout: Some(5_000),
                removes_idle: None,
                prefetches: false,
                fair: None,
            };
            let made = self.make_consumer(&program, number * 100 + group as u32 + 1, &consumer);
            program.control(&made, Control::Play);
        }
        program
    }

    /// Waits until no entry is pending or undelivered. Returns those that are left.
    async fn wait_until_settled(&self) -> Vec<String> {
        let is_back = |timed: &&scenario::Timed| matches!(timed.action, Action::Clock(_, ms) if ms < 0);
        let backs = self.scenario.actions.iter().filter(is_back).count() as u64;
        let is_ordered = self.scenario.streams.iter().any(|stream| stream.lease.is_some());
        let settling = if is_ordered { SETTLING_IN_ORDER } else { SETTLING };
        let until = trace::now() + settling + backs * CATCHING_UP;
        poll_until(until, async || self.unsettled().is_empty()).await;
        self.unsettled()
    }

    /// Number of waits of living processes for completions.
    fn open_waits(&self) -> usize {
        let mut open = BTreeSet::new();
        self.history.read(|events| {
            for Timed { event, .. } in events {
                match event {
                    Event::Sent { job, error: None } if self.is_awaited(*job) => drop(open.insert(*job)),
                    Event::Finished { job } | Event::Abandoned { job } => drop(open.remove(job)),
                    _ => {}
                }
            }
        });
        open.len()
    }

    fn is_awaited(&self, job: u32) -> bool {
        let send = self.board.sends.get(&job);
        send.is_some_and(|send| !send.waits_for.is_empty() && !self.world.is_dead(send.process as u32 + 1))
    }

    /// Entries that the servers have.
    fn present(&self) -> BTreeSet<(u16, String, String)> {
        let mut present = BTreeSet::new();
        for node in 0..self.scenario.nodes {
            for stream in 0..self.scenario.streams.len() {
                let key = Scenario::stream_key(stream);
                let reply = self.call(node, &key, &["XRANGE", &key, "-", "+"]);
                let ids = reply.lines().filter(|line| is_entry_id(line));
                present.extend(ids.map(|id| (Scenario::port(node), key.clone(), id.to_owned())));
            }
        }
        present
    }

    /// The payload keys of jobs whose success changes them.
    fn payloads(&self) -> BTreeMap<u32, (bool, Option<String>)> {
        let get = |job: u32, key: &str| {
            let key = format!("hfxbus:job:{}:{key}", Scenario::job_id(job));
            let reply = self.call(0, &key, &["GET", &key]);
            reply.strip_prefix('$').filter(|rest| !rest.starts_with('-')).map(str::to_owned)
        };
        let changed = self.board.sends.values().filter(|send| send.changes_payload);
        changed
            .map(|send| {
                let answer = get(send.job, ANSWER).and_then(|reply| Some(reply.lines().nth(1)?.to_owned()));
                (send.job, (get(send.job, KEY).is_some(), answer))
            })
            .collect()
    }

    fn unsettled(&self) -> Vec<String> {
        let mut left = Vec::new();
        for node in 0..self.scenario.nodes {
            for stream in 0..self.scenario.streams.len() {
                let key = Scenario::stream_key(stream);
                let delayed = Scenario::delayed_key(stream);
                if self.call(node, &delayed, &["EXISTS", &delayed]).starts_with(":1") {
                    left.push(format!("node {node} s{stream} delayed sends"));
                }
                let last = self.call(node, &key, &["XREVRANGE", &key, "+", "-", "COUNT", "1"]);
                let last = last.lines().find_map(parse_entry_id);
                let reply = self.call(node, &key, &["XINFO", "GROUPS", &key]);
                let groups = parse_groups(&reply);
                // One that was destroyed reads on once a consumer with claims has created it again.
                let names =
                    (0..self.scenario.groups.len()).filter(|_| last.is_some()).map(Scenario::group_key);
                let missing = names.filter(|name| groups.iter().all(|group| group.name != *name));
                left.extend(missing.map(|name| format!("node {node} s{stream} has no {name}")));
                for mut group in groups {
                    group.is_behind = last > group.delivered;
                    if (group.pending > 0 || group.is_behind) && !self.is_exhausted(node, stream, &group) {
                        left.push(format!("node {node} s{stream} {group:?}"));
                    }
                }
            }
        }
        left
    }

    /// Returns true if all pending entries of a group were exhausted: without dead letters they stay.
    fn is_exhausted(&self, node: u16, stream: usize, group: &GroupState) -> bool {
        if group.is_behind {
            return false;
        }
        let key = Scenario::stream_key(stream);
        let reply = self.call(node, &key, &["XPENDING", &key, &group.name, "-", "+", "10000"]);
        let pending: Vec<&str> = reply.lines().filter(|line| is_entry_id(line)).collect();
        let number = group.name.rsplit('g').next().and_then(|name| name.parse::<usize>().ok());
        self.history.read(|events| {
            pending.iter().all(|entry| {
                events.iter().any(|timed| match &timed.event {
                    Event::Exhausted { entry: exhausted, consumer, .. } => {
                        exhausted == entry && Some(self.group_of(*consumer)) == number
                    }
                    _ => false,
                })
            })
        })
    }

    fn group_of(&self, consumer: u32) -> usize {
        let (process, nth) = (consumer as usize / 100 - 1, consumer as usize % 100 - 1);
        match self.scenario.processes.get(process) {
            Some(process) => process.consumers[nth].group,
            None => nth,
        }
    }

    /// Stops every process that lives. Returns those that do not stop.
    async fn stop_all(&self, since: u64) -> Vec<String> {
        let living = || self.programs.iter().filter(|program| !self.world.is_dead(program.process));
        for program in living() {
            program.stop(Some(40_000));
        }
        let is_stop = |timed: &&Timed| {
            matches!(timed.event, Event::Returned { what: Control::Stop, .. }) && timed.at >= since
        };
        let stopped = || self.history.read(|events| events.iter().filter(is_stop).count());
        let expected = living().count();
        poll_until(since + STOPPING, async || stopped() >= expected).await;
        if stopped() < expected {
            vec![format!("{} of {expected} processes have stopped", stopped())]
        } else {
            Vec::new()
        }
    }

    fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut note = |what: String, count: usize| {
            if count > 0 {
                left.push(format!("{what}: {count}"));
            }
        };
        for program in &self.programs {
            let process = program.process;
            if self.world.is_dead(process) {
                continue;
            }
            note(format!("requests of process {process}"), program.open_requests());
            note(format!("runs of process {process}"), program.live_runs());
            note(format!("links of process {process}"), program.bus.context().open_links());
            // The loop of JavaScript is one.
            let tasks = self.world.running_tasks(process).saturating_sub(1);
            note(format!("tasks of process {process}"), tasks);
        }
        for node in 0..self.scenario.servers() {
            let server = self.world.server(Scenario::port(node));
            note(format!("connections of node {node}"), server.map_or(0, |server| server.connections()));
        }
        left
    }
}

/// Polls a condition until a time.
async fn poll_until(until: u64, is_met: impl AsyncFn() -> bool) {
    while !is_met().await && trace::now() < until {
        wait(500).await;
    }
}

async fn wait(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}
