//! Runs a script in a world, from its first action until nothing is open.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hfxbus::engine::consumer::Consumer;
use hfxbus::engine::options::bus::{BusOptions, EjectOptions, Route};
use hfxbus::engine::options::consumer::{
    ConsumerOptions, FairOptions, OrderOptions, RateLimitOptions, ReadFrom, StreamOptions,
};
use hfxbus::engine::options::retention::RetentionOptions;
use hfxbus::engine::options::retry_policy::{Growth, RetryPolicy};
use hfxbus::redis_io::world::simulation;
use tokio::time::{Instant, sleep_until};

use crate::connections;
use crate::history::{Control, Event, History, Timed};
use crate::legacy::Legacy;
use crate::panics;
use crate::pipe::Latency;
use crate::program::{Board, KEY, Program};
use crate::scenario::{self, Action, Scenario};
use crate::topologies::Topology;
use crate::trace;
use crate::world::{self, World};

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
    /// Panics of tasks, or of the run as a whole.
    pub panics: Vec<String>,
    /// False if the run as a whole has panicked.
    pub is_whole: bool,
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
    let (outcome, panics) = panics::collect(|| run_script(scenario, planted, keeps_lines));
    // A run that has panicked as a whole leaves its thread as it was.
    world::enter(None);
    simulation::install(None);
    let whole = outcome.unwrap_or_else(Outcome::empty);
    Outcome { panics, ..whole }
}

fn run_script(scenario: &Scenario, planted: Option<&'static str>, keeps_lines: bool) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        trace::begin(keeps_lines);
        let latencies = scenario.latencies.iter().map(|&(base, spread)| Latency { base, spread }).collect();
        let world = World::install(scenario.seed, latencies, planted);
        world::enter(Some(world.clone()));
        let mut running = Running::new(scenario, world);
        running.act().await;
        running.finish().await
    })
}

impl Outcome {
    fn empty() -> Self {
        let trace = trace::end();
        Self {
            events: Vec::new(),
            traced: trace.events,
            lines: trace.lines.unwrap_or_default(),
            time: 0,
            end: EndState::default(),
            panics: Vec::new(),
            is_whole: false,
        }
    }
}

pub struct Running<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) world: Rc<World>,
    pub(crate) topology: Topology,
    pub(crate) board: Arc<Board>,
    pub(crate) history: History,
    pub(crate) programs: Vec<Arc<Program>>,
    /// Consumers by process and index.
    pub(crate) consumers: BTreeMap<(usize, usize), Arc<Consumer>>,
    pub(crate) start: Instant,
}

impl<'a> Running<'a> {
    fn new(scenario: &'a Scenario, world: Rc<World>) -> Self {
        let history = History::default();
        let topology = Topology::start(scenario, &world);
        world.record(history.clone(), topology.clone());
        let board = Arc::new(Board {
            history: history.clone(),
            sends: scenario.sends().map(|send| (send.job, send.clone())).collect(),
            capped: scenario.streams.iter().map(|stream| stream.capped).collect(),
            ..Board::default()
        });
        let (programs, consumers, start) = (Vec::new(), BTreeMap::new(), Instant::now());
        let mut running = Self { scenario, world, topology, board, history, programs, consumers, start };
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
                    let (key, group) = (Scenario::stream_key(stream), Scenario::group_key(group));
                    self.call(node, &key, &["XGROUP", "CREATE", &key, &group, "0", "MKSTREAM"]);
                }
            }
        }
    }

    /// Executes a command on the server that has a key of a node.
    pub(crate) fn call(&self, node: u16, key: &str, words: &[&str]) -> String {
        self.call_at(self.topology.holder(node, key), words)
    }

    /// Executes a command on a server.
    pub(crate) fn call_at(&self, port: u16, words: &[&str]) -> String {
        let Some(server) = self.world.server(port) else { return String::new() };
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

    pub(crate) fn start_program(&self, number: u32, process: &scenario::Process) -> Arc<Program> {
        let nodes = connections::nodes(self.scenario, process);
        let retention = self.scenario.retains.map(|ms| RetentionOptions { keep: Duration::from_millis(ms) });
        let eject = self.scenario.ejects.then_some(EJECT);
        let options = BusOptions { key_prefix: "hfxbus".to_owned(), nodes, eject, retention };
        let board = (self.board.clone(), process.has_producer, process.batches);
        Program::start(number, self.world.tasks(number), options, board)
    }

    pub(crate) fn make_consumer(
        &self,
        program: &Program,
        number: u32,
        consumer: &scenario::Consumer,
    ) -> Arc<Consumer> {
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
                stream: Scenario::stream_name(stream),
                is_partition: false,
                order: self.scenario.streams[stream]
                    .lease
                    .map(|ms| OrderOptions { stream: Scenario::stream_name(stream), lease: time(ms) }),
                fair: consumer.fair.map(|fair| FairOptions { cap: fair.cap, waiting: Some(fair.waiting) }),
                limit: self.scenario.streams[stream].limit.map(|limit| RateLimitOptions {
                    stream: Scenario::stream_name(stream),
                    max: limit.max,
                    interval: time(limit.interval),
                    by_key: limit.by_key,
                }),
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

    pub(crate) fn kill(&self, process: usize) {
        let number = process as u32 + 1;
        if self.world.is_dead(number) {
            return;
        }
        self.history.note(Event::Killed { process: number });
        self.world.kill(number);
        self.programs[process].die();
    }
}
