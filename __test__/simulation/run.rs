//! Runs a script in a world, from its first action until nothing is open.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hfxbus::embedded::refusal::Refusal;
use hfxbus::engine::consumer::Consumer;
use hfxbus::engine::options::bus::{BusOptions, EjectOptions, NodeOptions, Route};
use hfxbus::engine::options::consumer::{ConsumerOptions, ReadFrom, StreamOptions};
use hfxbus::engine::options::retry_policy::{Growth, RetryPolicy};
use hfxbus::redis_io::options::{Endpoint, LinkOptions};
use hfxbus::redis_io::world::simulation;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{Control, Event, History, Timed};
use crate::legacy::Legacy;
use crate::pipe::Latency;
use crate::program::{ANSWER, Board, KEY, Program};
use crate::scenario::{self, Action, Cut, Refused, Scenario};
use crate::trace;
use crate::world::{self, World};

/// Maximum time after the end of all faults until every job has ended, in ms.
const SETTLING: u64 = 900_000;
/// Time that completions have after the last job has ended, in ms.
const GRACE: u64 = 60_000;

/// Ejection of nodes, in scripts that have it.
const EJECT: EjectOptions = EjectOptions {
    failures: 2,
    timeout: Duration::from_millis(500),
    probe_interval: Duration::from_millis(1_000),
};

/// Result of a run.
pub struct Outcome {
    pub events: Vec<Timed>,
    /// Events of the trace.
    pub traced: u64,
    pub lines: Vec<String>,
    /// Virtual time in ms.
    pub time: u64,
    /// State at the end.
    pub end: EndState,
}

/// What is left at the end.
#[derive(Clone, Debug, Default)]
pub struct EndState {
    /// Pending or undelivered entries, if there are any after [`SETTLING`].
    pub unsettled: Vec<String>,
    /// Tasks, connections, requests and runs that are left.
    pub leftovers: Vec<String>,
    /// Entries that the servers still have: port, stream and id.
    pub present: BTreeSet<(u16, String, String)>,
    /// Keys of the value and of the answer of jobs whose success changes them.
    pub payloads: BTreeMap<u32, (bool, Option<String>)>,
    /// Time at which the faults ended, and at which all jobs had ended.
    pub healed: u64,
    pub settled: u64,
    pub stopping: u64,
}

/// Runs a script on a runtime of its own, with a clock that stands still while there is work.
pub fn run(scenario: &Scenario, planted: Option<&'static str>, keeps_lines: bool) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(async {
        trace::begin(keeps_lines);
        let latencies = scenario.latencies.iter().map(|&(base, spread)| Latency { base, spread }).collect();
        let world = World::install(scenario.seed, latencies, planted);
        world::enter(Some(world.clone()));
        let mut running = Running::new(scenario, world);
        running.act().await;
        running.finish().await
    });
    drop(runtime);
    world::enter(None);
    simulation::install(None);
    outcome
}

struct Running<'a> {
    scenario: &'a Scenario,
    world: Rc<World>,
    board: Arc<Board>,
    history: History,
    programs: Vec<Arc<Program>>,
    /// Consumers by process and index.
    consumers: BTreeMap<(usize, usize), Arc<Consumer>>,
    start: Instant,
}

impl<'a> Running<'a> {
    fn new(scenario: &'a Scenario, world: Rc<World>) -> Self {
        let history = History::default();
        world.record(history.clone());
        for node in 0..scenario.nodes {
            world.serve(Scenario::port(node));
        }
        let board = Arc::new(Board {
            history: history.clone(),
            sends: scenario.sends().map(|send| (send.job, send.clone())).collect(),
            capped: scenario.streams.iter().map(|stream| stream.capped).collect(),
            ..Board::default()
        });
        let start = Instant::now();
        let mut running =
            Self { scenario, world, board, history, programs: Vec::new(), consumers: BTreeMap::new(), start };
        running.make_groups();
        for process in 0..scenario.processes.len() {
            running.start_process(process);
        }
        running
    }

    /// Makes all groups in advance, so that they exist when jobs are sent.
    fn make_groups(&self) {
        for node in 0..self.scenario.nodes {
            for stream in 0..self.scenario.streams.len() {
                for group in 0..self.scenario.groups.len() {
                    let (key, group) = (stream_key(stream), group_key(group));
                    self.call(node, &["XGROUP", "CREATE", &key, &group, "0", "MKSTREAM"]);
                }
            }
        }
    }

    fn call(&self, node: u16, words: &[&str]) -> String {
        let Some(server) = self.world.server(Scenario::port(node)) else { return String::new() };
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        String::from_utf8_lossy(&server.call(&words)).into_owned()
    }

    fn start_process(&mut self, process: usize) {
        let options = &self.scenario.processes[process];
        let program = self.start_program(process as u32 + 1, options);
        self.start_legacy(process);
        for (nth, consumer) in options.consumers.iter().enumerate().filter(|_| options.legacy.is_none()) {
            let number = (process as u32 + 1) * 100 + nth as u32 + 1;
            let made = self.make_consumer(&program, number, consumer);
            self.consumers.insert((process, nth), made);
        }
        self.programs.push(program);
    }

    /// Starts the consumer of a program of 2.2.0. Such scripts have one server.
    fn start_legacy(&self, process: usize) {
        let options = &self.scenario.processes[process];
        let (Some(start), Some(consumer)) = (options.legacy, options.consumers.first()) else { return };
        let number = process as u32 + 1;
        let place = (self.board.clone(), self.world.tasks(number), Scenario::port(0));
        Legacy::start((number * 100 + 1, start), consumer, self.scenario.streams.len(), place);
    }

    fn start_program(&self, number: u32, process: &scenario::Process) -> Arc<Program> {
        let nodes = (0..self.scenario.nodes).map(|node| {
            let link = LinkOptions {
                endpoint: Endpoint::Tcp {
                    host: "127.0.0.1".to_owned(),
                    port: Scenario::port(node),
                    family: 4,
                },
                resend: process.resends,
                command_timeout: process.command_timeout.map(Duration::from_millis),
                max_retries_per_request: Some(20),
                ..LinkOptions::default()
            };
            let socket_timeout = process.socket_timeout.map(Duration::from_millis);
            NodeOptions { link, socket_timeout, ..NodeOptions::default() }
        });
        let options = BusOptions {
            key_prefix: "hfxbus".to_owned(),
            nodes: nodes.collect(),
            eject: self.scenario.ejects.then_some(EJECT),
        };
        let board = (self.board.clone(), process.has_producer, process.batches);
        Program::start(number, self.world.tasks(number), options, board)
    }

    fn make_consumer(&self, program: &Program, number: u32, consumer: &scenario::Consumer) -> Arc<Consumer> {
        let group = &self.scenario.groups[consumer.group];
        let time = Duration::from_millis;
        let options = ConsumerOptions {
            group: Scenario::group_name(consumer.group),
            id: format!("c{number}"),
            fresh_id: true,
            concurrency: consumer.concurrency,
            read_ahead: consumer.read_ahead,
            block_timeout: consumer.block_timeout.map(time),
            route: self.route(),
            claim_interval: consumer.claims.then(|| time(group.claim_interval)),
            claim_deadline: time(group.claim_deadline),
            claim_page_size: 100,
            retry_limit: group.retry_limit,
            retry_policy: group.retry.map(|(delay, doubles)| RetryPolicy {
                growth: if doubles { Growth::Exponential } else { Growth::Fixed },
                delay: time(delay),
                max: time(20_000),
                jitter: 0.5,
            }),
            dead_letter: group.has_dead_letters.then(|| format!("dead{}", consumer.group)),
            remove_idle: consumer.removes_idle.map(time),
        };
        let made = program.bus.consumer(number, options);
        for stream in 0..self.scenario.streams.len() {
            made.add_stream(StreamOptions {
                name: Scenario::stream_name(stream),
                read_from: ReadFrom::New,
                from_id: "0".to_owned(),
                set_id: false,
                deadline: consumer.deadline.map(time),
                prefetch: if consumer.prefetches { Arc::from([KEY.to_owned()]) } else { Arc::default() },
            });
        }
        program.add(&made, consumer.group);
        made
    }

    fn route(&self) -> Route {
        if self.scenario.is_distributed { Route::Distributed } else { Route::Name("main".to_owned()) }
    }

    /// Carries out all actions at their time.
    async fn act(&mut self) {
        for timed in &self.scenario.actions {
            sleep_until(self.start + Duration::from_millis(timed.at)).await;
            self.do_action(&timed.action);
        }
        sleep_until(self.start + Duration::from_millis(self.scenario.end)).await;
    }

    fn do_action(&self, action: &Action) {
        match action {
            Action::Send(send) => self.programs[send.process].send(send.clone(), self.route()),
            &Action::Play(process, consumer) => self.control(process, consumer, Control::Play),
            &Action::Pause(process, consumer) => self.control(process, consumer, Control::Pause),
            &Action::Stop(process, max_wait) => self.programs[process].stop(max_wait),
            &Action::Kill(process) => self.kill(process),
            fault => {
                self.history.note(Event::Fault(format!("{fault:?}")));
                self.begin_fault(fault);
            }
        }
    }

    fn control(&self, process: usize, consumer: usize, what: Control) {
        if let Some(consumer) = self.consumers.get(&(process, consumer)) {
            self.programs[process].control(consumer, what);
        }
    }

    fn kill(&self, process: usize) {
        let number = process as u32 + 1;
        self.history.note(Event::Killed { process: number });
        self.world.kill(number);
        self.programs[process].die();
    }

    fn begin_fault(&self, fault: &Action) {
        let port = Scenario::port;
        match *fault {
            Action::Freeze(process, ms) => {
                let number = process as u32 + 1;
                self.world.freeze(number, true);
                self.later(ms, move |world| world.freeze(number, false));
            }
            Action::Block(process, ms) => self.programs[process].block(ms),
            Action::Separate(process, node, ms, breaks) => {
                let number = process as u32 + 1;
                self.world.separate(number, port(node), true);
                self.later(ms, move |world| {
                    if breaks {
                        world.links(Some(number), Some(port(node))).iter().for_each(|link| link.reset());
                    }
                    world.separate(number, port(node), false);
                });
            }
            Action::Cut(process, node, cut) => self.cut(process as u32 + 1, port(node), cut),
            Action::Outage(node, ms) => {
                self.world.take_down(port(node), true);
                self.later(ms, move |world| world.take_down(port(node), false));
            }
            Action::Refuse(node, refused, ms) => {
                if let Some(server) = self.world.server(port(node)) {
                    server.refuse(Some(refusal(refused)));
                }
                self.later(ms, move |world| {
                    if let Some(server) = world.server(port(node)) {
                        server.refuse(None);
                    }
                });
            }
            Action::Clock(node, ms) => {
                if let Some(server) = self.world.server(port(node)) {
                    server.shift_clock(ms);
                }
            }
            Action::Flush(node) => drop(self.call(node, &["FLUSHALL"])),
            Action::DestroyGroup(node, stream, group) => {
                drop(self.call(node, &["XGROUP", "DESTROY", &stream_key(stream), &group_key(group)]));
            }
            Action::MoveGroup(node, stream, group, to_start) => {
                let id = if to_start { "0" } else { "$" };
                drop(self.call(node, &["XGROUP", "SETID", &stream_key(stream), &group_key(group), id]));
            }
            Action::Trim(node, stream, length) => {
                drop(self.call(node, &["XTRIM", &stream_key(stream), "MAXLEN", &length.to_string()]));
            }
            _ => {}
        }
    }

    fn cut(&self, process: u32, port: u16, cut: Cut) {
        let links = self.world.links(Some(process), Some(port));
        for link in &links {
            match cut {
                Cut::Reset => link.reset(),
                Cut::After(way, bytes) => link.cut_after(way, bytes),
                Cut::Deaf(way, _) => link.deafen(way),
                Cut::Half(way) => link.end(way),
            }
        }
        if let Cut::Deaf(_, ms) = cut {
            tokio::spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                links.iter().for_each(|link| link.reset());
            });
        }
    }

    /// Ends a fault after some ms.
    fn later(&self, ms: u64, end: impl FnOnce(&World) + Send + 'static) {
        let history = self.history.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(ms)).await;
            world::with(|world| end(world));
            history.note(Event::Fault("ends".to_owned()));
        });
    }

    /// Lets consumers with claims take over the rest, and stops everything.
    async fn finish(mut self) -> Outcome {
        // A fault can have begun shortly before the end.
        sleep(Duration::from_secs(5)).await;
        let mut end = EndState { healed: trace::now(), ..EndState::default() };
        // Programs of 2.2.0 have no stop that waits.
        let processes = self.scenario.processes.iter().enumerate();
        processes.filter(|(_, process)| process.legacy.is_some()).for_each(|(at, _)| self.kill(at));
        let rescue = self.start_rescue();
        end.unsettled = self.wait_until_settled().await;
        end.settled = trace::now();
        end.present = self.present();
        sleep(Duration::from_millis(GRACE)).await;
        end.stopping = trace::now();
        end.payloads = self.payloads();
        self.programs.push(rescue);
        let stopped = self.stop_all().await;
        end.leftovers.extend(stopped);
        end.leftovers.extend(self.leftovers());
        let events = self.history.take();
        let time = trace::now();
        for program in &self.programs {
            program.forget();
        }
        drop(self);
        let trace = trace::end();
        Outcome { events, traced: trace.events, lines: trace.lines.unwrap_or_default(), time, end }
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
            };
            let made = self.make_consumer(&program, number * 100 + group as u32 + 1, &consumer);
            program.control(&made, Control::Play);
        }
        program
    }

    /// Waits until no entry is pending or undelivered. Returns those that are left.
    async fn wait_until_settled(&self) -> Vec<String> {
        let until = Instant::now() + Duration::from_millis(SETTLING);
        loop {
            let left = self.unsettled();
            if left.is_empty() || Instant::now() >= until {
                return left;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Entries that the servers have.
    fn present(&self) -> BTreeSet<(u16, String, String)> {
        let mut present = BTreeSet::new();
        for node in 0..self.scenario.nodes {
            for stream in 0..self.scenario.streams.len() {
                let reply = self.call(node, &["XRANGE", &stream_key(stream), "-", "+"]);
                let ids = reply.lines().filter(|line| is_entry_id(line));
                present.extend(ids.map(|id| (Scenario::port(node), stream_key(stream), id.to_owned())));
            }
        }
        present
    }

    /// The payload keys of jobs whose success changes them. Such scripts have one server.
    fn payloads(&self) -> BTreeMap<u32, (bool, Option<String>)> {
        let get = |job: u32, key: &str| {
            let reply = self.call(0, &["GET", &format!("hfxbus:job:{}:{key}", Scenario::job_id(job))]);
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
                let key = stream_key(stream);
                let last = self.call(node, &["XREVRANGE", &key, "+", "-", "COUNT", "1"]);
                let last = last.lines().find_map(parse_entry_id);
                let reply = self.call(node, &["XINFO", "GROUPS", &key]);
                for mut group in parse_groups(&reply) {
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
        let reply = self.call(node, &["XPENDING", &stream_key(stream), &group.name, "-", "+", "10000"]);
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
    async fn stop_all(&self) -> Vec<String> {
        let living = || self.programs.iter().filter(|program| !self.world.is_dead(program.process));
        for program in living() {
            program.stop(Some(40_000));
        }
        sleep(Duration::from_secs(60)).await;
        let stopped = self.history.read(|events| {
            let is_stop = |timed: &&Timed| {
                matches!(timed.event, Event::Returned { what: Control::Stop, .. })
                    && timed.at + 60_000 >= trace::now()
            };
            events.iter().filter(is_stop).count()
        });
        let expected = living().count();
        if stopped < expected {
            vec![format!("{stopped} of {expected} processes have stopped")]
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
        for node in 0..self.scenario.nodes {
            let server = self.world.server(Scenario::port(node));
            note(format!("connections of node {node}"), server.map_or(0, |server| server.connections()));
        }
        left
    }
}

/// State of a group in XINFO GROUPS.
#[derive(Debug, Default)]
struct GroupState {
    name: String,
    pending: u64,
    delivered: Option<(u64, u64)>,
    /// True if entries were not delivered. Redis counts trimmed ones in its lag.
    is_behind: bool,
}

fn parse_groups(reply: &str) -> Vec<GroupState> {
    let lines: Vec<&str> = reply.lines().collect();
    let mut groups: Vec<GroupState> = Vec::new();
    let number = |line: Option<&&str>| {
        line.and_then(|line| line.strip_prefix(':')).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    for (at, line) in lines.iter().enumerate() {
        match *line {
            "name" => groups.push(GroupState {
                name: lines.get(at + 2).map_or_else(String::new, |name| (*name).to_owned()),
                ..GroupState::default()
            }),
            "pending" => groups
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|group| group.pending = number(lines.get(at + 1))),
            "last-delivered-id" => {
                if let Some(group) = groups.last_mut() {
                    group.delivered = lines.get(at + 2).and_then(|id| parse_entry_id(id));
                }
            }
            _ => {}
        }
    }
    groups
}

/// Reads the id of an entry.
pub fn parse_entry_id(line: &str) -> Option<(u64, u64)> {
    let (time, sequence) = line.split_once('-')?;
    Some((time.parse().ok()?, sequence.parse().ok()?))
}

fn is_entry_id(line: &str) -> bool {
    parse_entry_id(line).is_some_and(|(time, _)| time > 1_000_000_000_000)
}

fn stream_key(stream: usize) -> String {
    format!("hfxbus:str:{}", Scenario::stream_name(stream))
}

fn group_key(group: usize) -> String {
    format!("hfxbus:csr:{}", Scenario::group_name(group))
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::Busy => Refusal::Busy,
        Refused::Loading => Refusal::Loading,
        Refused::ReadOnly => Refusal::ReadOnly,
        Refused::OutOfMemory => Refusal::OutOfMemory,
    }
}
