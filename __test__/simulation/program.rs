//! A process of a run: one bus, its members, and the part of JavaScript, which calls processors and settles their jobs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hfxbus::engine::bus::Bus;
use hfxbus::engine::consumer::Consumer;
use hfxbus::engine::consumer::settlement::Settlement;
use hfxbus::engine::host::context::Context;
use hfxbus::engine::host::job_token::JobToken;
use hfxbus::engine::host::{self, Events, Failure, Jobs, Payload as Given};
use hfxbus::engine::options::bus::{BusOptions, Route};
use hfxbus::engine::producer::Producer;
use hfxbus::engine::producer::sending::send_payload::{PayloadValue, SendPayload};
use hfxbus::engine::producer::sending::send_plan::{QueuedSend, SendPlan};
use hfxbus::engine::shutdown::StopOptions;
use hfxbus::engine::submission::{RequestTarget, Submission};
use hfxbus::redis_io::command::Commands;
use hfxbus::redis_io::tasks::Tasks;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{ConsumerNumber, Control, End, Event, History, RunNumber, Value};
use crate::scenario::{Behaviour, Payload, Scenario, Send};

/// Payload key of each job.
const KEY: &str = "v";
/// Lifetime of an outcome record in ms.
const RECORD: u64 = 3_600_000;

/// What all processes of a run share: the script of each job, and the numbers of its runs.
#[derive(Default)]
pub struct Board {
    pub history: History,
    pub sends: BTreeMap<u32, Send>,
    /// Number of runs so far, by group and job.
    pub attempts: Mutex<BTreeMap<(usize, u32), usize>>,
    pub runs: AtomicU32,
    /// Maximum length of each stream.
    pub capped: Vec<u64>,
}

/// Text of the error of a failed run.
pub fn failure_text(run: RunNumber) -> String {
    format!("{{\"message\":\"run {run}\"}}")
}

/// Value of a job.
pub fn value_of(job: u32, size: usize) -> Vec<u8> {
    (0..size).map(|at| (u64::from(job).wrapping_mul(31).wrapping_add(at as u64) % 251) as u8).collect()
}

/// A process.
pub struct Program {
    pub process: u32,
    pub bus: Arc<Bus>,
    pub host: Arc<Host>,
    pub tasks: Tasks,
    producer: Option<Arc<Producer>>,
    consumers: Mutex<BTreeMap<ConsumerNumber, Arc<Consumer>>>,
}

/// JavaScript's side of a process.
pub struct Host {
    board: Arc<Board>,
    queue: Mutex<VecDeque<Incoming>>,
    bell: Notify,
    state: Mutex<State>,
    is_dead: AtomicBool,
}

#[derive(Default)]
struct State {
    requests: BTreeMap<u32, Request>,
    next_request: u32,
    /// Group of each consumer.
    groups: BTreeMap<ConsumerNumber, usize>,
    /// Live runs by consumer and token.
    runs: BTreeMap<(ConsumerNumber, u64), RunNumber>,
    /// Values that came with entries, by consumer and token.
    carried: BTreeMap<(ConsumerNumber, u64), Vec<u8>>,
    /// End of a computation of JavaScript.
    busy_until: Option<Instant>,
}

enum Request {
    Send(u32),
    Settle(RunNumber),
    Pull(oneshot::Sender<Value>, u32),
    Control(Control, u32),
}

enum Incoming {
    Job(ConsumerNumber, JobToken, u32),
    Carried(ConsumerNumber, JobToken, Vec<u8>),
    Deadline(ConsumerNumber, JobToken),
    Value(u32, Value),
    Failed(u32, String),
    Done(u32),
    Note(Event),
}

impl Program {
    /// Starts a process.
    pub fn start(
        process: u32,
        tasks: Tasks,
        options: BusOptions,
        (board, has_producer): (Arc<Board>, bool),
    ) -> Arc<Self> {
        let host = Arc::new(Host {
            board,
            queue: Mutex::default(),
            bell: Notify::new(),
            state: Mutex::default(),
            is_dead: AtomicBool::new(false),
        });
        let context = Context::new(host.clone(), tasks.clone());
        let bus = Bus::new(context, process * 100, options);
        let producer = has_producer.then(|| bus.producer(process, format!("P{process:015}")));
        let program = Arc::new(Self { process, bus, host, tasks, producer, consumers: Mutex::default() });
        let looping = program.clone();
        program.tasks.spawn(async move { looping.run_events().await });
        program
    }

    /// Adds a consumer of a group.
    pub fn add(&self, consumer: &Arc<Consumer>, group: usize) {
        self.host.state().groups.insert(consumer.number(), group);
        self.consumers.lock().unwrap().insert(consumer.number(), consumer.clone());
    }

    /// Forgets the consumers, which hold this program through their host.
    pub fn forget(&self) {
        self.consumers.lock().unwrap().clear();
    }

    /// Ends the process as `kill -9` does: nothing that the engine reports from here on has an effect.
    pub fn die(&self) {
        self.host.is_dead.store(true, Ordering::SeqCst);
        self.host.bell.notify_one();
    }

    /// Number of settlements, sends and waits without an end.
    pub fn open_requests(&self) -> usize {
        self.host.state().requests.len()
    }

    /// Number of runs that have not ended.
    pub fn live_runs(&self) -> usize {
        self.host.state().runs.len()
    }

    /// Sends a job, once JavaScript is free.
    pub fn send(self: &Arc<Self>, send: Send, route: Route) {
        let this = self.clone();
        self.tasks.spawn(async move {
            this.host.turn().await;
            this.send_now(&send, &route);
        });
    }

    fn send_now(&self, send: &Send, route: &Route) {
        let Some(producer) = &self.producer else { return };
        let (stream, job) = (Scenario::stream_name(send.stream), Scenario::job_id(send.job));
        let groups: Vec<String> = send.waits_for.iter().map(|&group| Scenario::group_name(group)).collect();
        self.bus.node_set().reopen();
        self.host.board.history.note(Event::Send { job: send.job, process: self.process });
        let request = self.host.request(Request::Send(send.job));
        let queued = QueuedSend {
            plan: Arc::new(SendPlan::new(self.bus.node_set(), &stream, route, &groups)),
            job,
            capped: self.host.board.capped[send.stream],
            record: if send.is_recorded { RECORD } else { 0 },
            headers: None,
            key: None,
            payload: payload_of(send),
            once: None,
            request,
            wait: (!groups.is_empty()).then_some(send.job),
            ends_at_error: false,
        };
        let node = queued.node(self.bus.node_set());
        let mut commands = Commands::default();
        producer.send(&mut commands, queued);
        self.bus.nodes()[node].shared().submit(&mut commands);
    }

    /// Calls `play()` or `pause()` of a consumer.
    pub fn control(self: &Arc<Self>, consumer: &Arc<Consumer>, what: Control) {
        let (this, consumer) = (self.clone(), consumer.clone());
        self.tasks.spawn(async move {
            this.host.turn().await;
            let of = consumer.number();
            this.host.board.history.note(Event::Called { what, of });
            let request = this.host.request(Request::Control(what, of));
            let outcome = match what {
                Control::Play => {
                    this.bus.node_set().reopen();
                    consumer.play().await
                }
                _ => {
                    consumer.pause().await;
                    Ok(())
                }
            };
            this.bus.context().done(request, outcome);
        });
    }

    /// Calls `stop()`.
    pub fn stop(self: &Arc<Self>, max_wait: Option<u64>) {
        let this = self.clone();
        self.tasks.spawn(async move {
            this.host.turn().await;
            let (what, of) = (Control::Stop, this.process);
            this.host.board.history.note(Event::Called { what, of });
            let request = this.host.request(Request::Control(what, of));
            let stop = StopOptions { force: false, max_wait: max_wait.map(Duration::from_millis) };
            this.bus.clone().stop(stop).await;
            this.bus.context().done(request, Ok(()));
        });
    }

    /// Keeps JavaScript busy.
    pub fn block(&self, ms: u64) {
        self.host.board.history.note(Event::Blocked { process: self.process, ms });
        self.host.state().busy_until = Some(Instant::now() + Duration::from_millis(ms));
    }

    async fn run_events(self: Arc<Self>) {
        loop {
            self.host.bell.notified().await;
            self.host.turn().await;
            if self.host.is_dead.load(Ordering::SeqCst) {
                return;
            }
            loop {
                let next = self.host.queue.lock().unwrap().pop_front();
                let Some(next) = next else { break };
                self.take(next);
            }
        }
    }

    fn take(self: &Arc<Self>, incoming: Incoming) {
        let history = &self.host.board.history;
        match incoming {
            Incoming::Note(event) => history.note(event),
            Incoming::Carried(consumer, token, value) => {
                self.host.state().carried.insert((consumer, key(token)), value);
            }
            Incoming::Job(consumer, token, job) => self.begin(consumer, token, job),
            Incoming::Deadline(consumer, token) => {
                let run = self.host.state().runs.remove(&(consumer, key(token)));
                if let Some(run) = run {
                    history.note(Event::End { run, how: End::Expired });
                }
            }
            Incoming::Value(request, value) => {
                if let Some(Request::Pull(_, seen)) = self.host.state().requests.get_mut(&request) {
                    *seen = value as u32;
                }
            }
            Incoming::Failed(request, error) => {
                let known = self.host.state().requests.remove(&request);
                self.end_request(known, Some(error));
            }
            Incoming::Done(request) => {
                let known = self.host.state().requests.remove(&request);
                self.end_request(known, None);
            }
        }
    }

    fn end_request(&self, request: Option<Request>, error: Option<String>) {
        let history = &self.host.board.history;
        match request {
            None => {}
            Some(Request::Send(job)) => history.note(Event::Sent { job, error }),
            Some(Request::Settle(run)) => history.note(Event::Settled { run, error }),
            Some(Request::Pull(sender, seen)) => {
                let value = match seen {
                    1 => Value::Right,
                    2 => Value::Wrong,
                    3 => Value::Missing,
                    _ => Value::None,
                };
                let _ = sender.send(value);
            }
            Some(Request::Control(what, of)) => {
                if what == Control::Stop {
                    self.abandon();
                }
                history.note(Event::Returned { what, of, error });
            }
        }
    }

    /// Ends all runs, as the facade does after a stop.
    fn abandon(&self) {
        let runs = std::mem::take(&mut self.host.state().runs);
        for run in runs.into_values() {
            self.host.board.history.note(Event::End { run, how: End::Abandoned });
        }
    }

    fn begin(self: &Arc<Self>, consumer: ConsumerNumber, token: JobToken, job: u32) {
        let board = &self.host.board;
        let Some(send) = board.sends.get(&job) else { return };
        let run = board.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let (group, carried) = {
            let mut state = self.host.state();
            state.runs.insert((consumer, key(token)), run);
            (state.groups[&consumer], state.carried.remove(&(consumer, key(token))))
        };
        let value = carried_value(send, carried.as_deref());
        board.history.note(Event::Start { run, consumer, job, value });
        let attempt = {
            let mut attempts = board.attempts.lock().unwrap();
            let attempt = attempts.entry((group, job)).or_default();
            *attempt += 1;
            *attempt - 1
        };
        let behaviour = send.runs[attempt.min(send.runs.len() - 1)];
        let reads_key = matches!(send.payload, Payload::Key(_));
        let this = self.clone();
        self.tasks.spawn(async move {
            if reads_key {
                this.pull(run, job).await;
            }
            this.process_job((consumer, token, run), behaviour).await;
        });
    }

    /// Reads the value of a job from its key.
    async fn pull(&self, run: RunNumber, job: u32) {
        let (sender, receiver) = oneshot::channel();
        let request = self.host.request(Request::Pull(sender, 0));
        let mut submission = Submission::default();
        let target = RequestTarget::Bus(self.bus.clone());
        let id = Scenario::job_id(job);
        if let Some(mut packer) = submission.payload(1, || Some(&target), &id, request) {
            packer.get(KEY, false, job, true);
        }
        submission.flush();
        let value = receiver.await.unwrap_or(Value::None);
        self.host.board.history.note(Event::Pulled { run, value });
    }

    async fn process_job(&self, job: (ConsumerNumber, JobToken, RunNumber), behaviour: Behaviour) {
        let wait = async |ms: u64| {
            sleep(Duration::from_millis(ms)).await;
            self.host.turn().await;
        };
        match behaviour {
            Behaviour::Succeed(ms) => {
                wait(ms).await;
                self.settle(job, End::Success, false);
            }
            Behaviour::Fail(ms) | Behaviour::GiveUp(ms) => {
                wait(ms).await;
                self.settle(job, End::Failure, matches!(behaviour, Behaviour::GiveUp(_)));
            }
            Behaviour::SettleTwice(ms) => {
                wait(ms).await;
                self.settle(job, End::Success, false);
                self.settle_again(job);
            }
            Behaviour::Release(ms) => {
                wait(ms / 2).await;
                if self.host.state().runs.contains_key(&(job.0, key(job.1))) {
                    self.host.board.history.note(Event::End { run: job.2, how: End::Released });
                    if let Some(consumer) = self.consumer(job.0) {
                        consumer.release(job.1);
                    }
                }
                wait(ms).await;
                self.settle(job, End::Success, false);
            }
            Behaviour::Block(ms) => {
                self.block(ms);
                self.host.turn().await;
                self.settle(job, End::Success, false);
            }
            // The slot is free at the deadline. Nothing is left of such a processor here.
            Behaviour::Hang => {}
        }
    }

    fn settle(
        &self,
        (consumer, token, run): (ConsumerNumber, JobToken, RunNumber),
        how: End,
        gives_up: bool,
    ) {
        if self.host.state().runs.remove(&(consumer, key(token))) != Some(run) {
            return;
        }
        let board = &self.host.board;
        board.history.note(Event::End { run, how });
        let request = self.host.request(Request::Settle(run));
        let error = failure_text(run);
        let error = (how == End::Failure).then_some(error.as_str());
        if let Some(consumer) = self.consumer(consumer) {
            let settlement = Settlement { request, unrecoverable: gives_up, ..Settlement::of(token, error) };
            consumer.settle([settlement].into_iter());
        }
    }

    /// Settles a job that was settled before. The facade prevents it, and the engine ignores it.
    fn settle_again(&self, (consumer, token, run): (ConsumerNumber, JobToken, RunNumber)) {
        let error = failure_text(run);
        if let Some(consumer) = self.consumer(consumer) {
            consumer.settle([Settlement::of(token, Some(&error))].into_iter());
        }
    }

    fn consumer(&self, number: ConsumerNumber) -> Option<Arc<Consumer>> {
        self.consumers.lock().unwrap().get(&number).cloned()
    }
}

fn carried_value(send: &Send, carried: Option<&[u8]>) -> Value {
    match (send.payload, carried) {
        (Payload::None | Payload::Key(_), None) => Value::None,
        (Payload::Entry(size) | Payload::Both(size), Some(value)) if value == value_of(send.job, size) => {
            Value::Right
        }
        (_, Some(_)) => Value::Wrong,
        (_, None) => Value::Missing,
    }
}

fn payload_of(send: &Send) -> Option<Box<SendPayload>> {
    let (is_key, is_carried) = match send.payload {
        Payload::None => return None,
        Payload::Entry(_) => (false, true),
        Payload::Both(_) => (true, true),
        Payload::Key(_) => (true, false),
    };
    let value = value_of(send.job, send.payload.size()).into();
    let value = PayloadValue { key: KEY.into(), value, expiry: 0, is_key, is_carried };
    Some(Box::new(SendPayload { values: vec![value], returns: None, is_only_copy: !is_key }))
}

impl Host {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Begins a request.
    fn request(&self, request: Request) -> u32 {
        let mut state = self.state();
        state.next_request += 1;
        let number = state.next_request;
        state.requests.insert(number, request);
        number
    }

    /// Waits until JavaScript is free.
    async fn turn(&self) {
        loop {
            let Some(until) = self.state().busy_until.filter(|until| *until > Instant::now()) else { return };
            sleep_until(until).await;
        }
    }

    fn push(&self, incoming: Incoming) {
        if !self.is_dead.load(Ordering::SeqCst) {
            self.queue.lock().unwrap().push_back(incoming);
        }
    }
}

impl Jobs for Host {
    fn jobs(&self, consumer: u32, _stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>) {
        for (token, job) in jobs {
            if let Some(job) = job_of(job) {
                self.push(Incoming::Job(consumer, token, job));
            }
        }
        self.bell.notify_one();
    }
}

impl Events for Host {
    fn event(&self, event: host::Event<'_>) {
        let incoming = match event {
            host::Event::Done { request } => Incoming::Done(request),
            host::Event::Failed { request, error } => Incoming::Failed(request, error.message.to_string()),
            host::Event::Value { request, index, payload } => {
                Incoming::Value(request, self.compare(index, &payload))
            }
            host::Event::Outcome { wait, arrivals } => {
                for arrival in arrivals {
                    let group = arrival.group.strip_prefix('g').and_then(|group| group.parse().ok());
                    let (group, error) = (group.unwrap_or(usize::MAX), arrival.error.clone());
                    self.push(Incoming::Note(Event::Outcome { job: wait, group, error }));
                }
                Incoming::Note(Event::Finished { job: wait })
            }
            host::Event::Abandoned { wait } => Incoming::Note(Event::Abandoned { job: wait }),
            host::Event::Carried { consumer, token, carried } => {
                let value = carried.values.iter().find(|(key, _)| **key == *KEY);
                let value = value.map_or_else(Vec::new, |(_, value)| value.to_vec());
                Incoming::Carried(consumer, token, value)
            }
            host::Event::DeadlinePassed { consumer, token } => Incoming::Deadline(consumer, token),
            host::Event::Claimed { consumer, entry } => Incoming::Note(Event::Claimed {
                consumer,
                job: job_of(&entry.job).unwrap_or(0),
                entry: entry.id.to_string(),
                deliveries: entry.deliveries,
            }),
            host::Event::Exhausted { consumer, entry, moved } => Incoming::Note(Event::Exhausted {
                consumer,
                job: job_of(&entry.job).unwrap_or(0),
                entry: entry.id.to_string(),
                moved,
            }),
            host::Event::Trimmed { consumer, stream, count, pending } => {
                Incoming::Note(Event::Trimmed { consumer, stream, count, pending })
            }
            host::Event::ConsumerFailed { consumer, failure, error } => {
                let what = match failure {
                    Failure::Consume => "consume",
                    Failure::Settle(_) | Failure::Unsettled(_) => "settle",
                    Failure::Foreign => "foreign",
                };
                let error = format!("{what}: {}", error.message);
                Incoming::Note(Event::Failed { consumer, error })
            }
            _ => return,
        };
        self.push(incoming);
    }

    fn wake(&self) {
        self.bell.notify_one();
    }
}

impl Host {
    /// Compares the value of a job's key with the one that was sent. The index of the request is the job.
    fn compare(&self, job: u32, payload: &Given<'_>) -> Value {
        let sent = self.board.sends.get(&job).map(|send| value_of(job, send.payload.size()));
        match payload {
            Given::Missing => Value::Missing,
            Given::Bytes(bytes) | Given::Text(bytes) if Some(*bytes) == sent.as_deref() => Value::Right,
            _ => Value::Wrong,
        }
    }
}

fn job_of(id: &str) -> Option<u32> {
    id.strip_prefix('j')?.parse().ok()
}

/// A token as the key of a map.
fn key(token: JobToken) -> u64 {
    token.to_number() as u64
}
