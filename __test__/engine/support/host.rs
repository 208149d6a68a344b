use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hfxbus::engine::bus::Bus;
use hfxbus::engine::consumer::Consumer;
use hfxbus::engine::consumer::settlement::Settlement;
use hfxbus::engine::host::context::Context;
use hfxbus::engine::host::job_token::JobToken;
use hfxbus::engine::host::{Event, Events, Jobs};
use hfxbus::engine::options::bus::{BusOptions, Route};
use hfxbus::engine::options::consumer::{ConsumerOptions, ReadFrom, StreamOptions};
use hfxbus::engine::producer::Producer;
use hfxbus::engine::producer::sending::send_plan::QueuedSend;
use hfxbus::engine::producer::sending::send_plan::SendPlan;
use hfxbus::redis_io::command::Commands;
use hfxbus::redis_io::options::LinkOptions;

use super::{Engine, until};

/// Takes the place of the addon: notes every event, and runs nothing by itself.
#[derive(Default)]
pub struct Host {
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    jobs: Vec<(JobToken, String)>,
    done: HashSet<u32>,
    failed: HashMap<u32, String>,
    outcomes: HashMap<u32, Vec<(String, Option<String>)>>,
    complaints: Vec<String>,
    ring: Vec<(u32, bool, Instant)>,
    expired: usize,
    drained: usize,
}

impl Host {
    /// The jobs that came since the last time.
    pub fn take_jobs(&self) -> Vec<(JobToken, String)> {
        std::mem::take(&mut self.lock().jobs)
    }

    /// Waits for one job.
    #[track_caller]
    pub fn one_job(&self) -> (JobToken, String) {
        let mut jobs = Vec::new();
        until("a job", || {
            jobs = self.take_jobs();
            !jobs.is_empty()
        });
        assert_eq!(jobs.len(), 1, "one job and no more");
        jobs.remove(0)
    }

    /// Waits for the last word on a request, and gives its error.
    #[track_caller]
    pub fn outcome_of(&self, request: u32) -> Result<(), String> {
        until("the request is done", || self.lock().done.contains(&request));
        self.lock().failed.get(&request).map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Waits until a wait for completions is over: group and error of each.
    #[track_caller]
    pub fn completions_of(&self, wait: u32) -> Vec<(String, Option<String>)> {
        until("the wait is over", || self.lock().outcomes.contains_key(&wait));
        self.lock().outcomes[&wait].clone()
    }

    /// Returns the failures of consumers.
    pub fn complaints(&self) -> Vec<String> {
        self.lock().complaints.clone()
    }

    /// Returns ejections (true) and readmissions of nodes, with their times.
    pub fn ring(&self) -> Vec<(u32, bool, Instant)> {
        self.lock().ring.clone()
    }

    /// Returns the number of jobs that ran past their deadline.
    pub fn expired(&self) -> usize {
        self.lock().expired
    }

    /// Returns the number of times that a consumer had no job in flight any more.
    pub fn drained(&self) -> usize {
        self.lock().drained
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }
}

impl Jobs for Host {
    fn jobs(&self, _consumer: u32, _stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>) {
        self.lock().jobs.extend(jobs.map(|(token, job)| (token, job.to_owned())));
    }
}

impl Events for Host {
    fn event(&self, event: Event<'_>) {
        let mut told = self.lock();
        match event {
            Event::Done { request } => drop(told.done.insert(request)),
            Event::Failed { request, error } => drop(told.failed.insert(request, error.message.to_string())),
            Event::Outcome { wait, arrivals } => {
                let completions = arrivals.iter().map(|one| (one.group.clone(), one.error.clone())).collect();
                told.outcomes.insert(wait, completions);
            }
            Event::ConsumerFailed { error, .. } => told.complaints.push(error.message.to_string()),
            Event::RingChanged { node, is_out, .. } => told.ring.push((node, is_out, Instant::now())),
            Event::DeadlinePassed { .. } => told.expired += 1,
            Event::Drained { .. } => told.drained += 1,
            _ => {}
        }
    }

    fn wake(&self) {}
}

/// A bus with its host, on an engine thread.
pub struct TestBus {
    pub host: Arc<Host>,
    pub context: Arc<Context>,
    pub bus: Arc<Bus>,
    requests: Mutex<u32>,
}

impl TestBus {
    pub fn new(engine: &Engine, link: LinkOptions) -> Self {
        Self::with(engine, BusOptions::standalone(link))
    }

    /// On whatever the options say.
    pub fn with(engine: &Engine, options: BusOptions) -> Self {
        let host = Arc::new(Host::default());
        let context = Context::new(host.clone(), engine.handle());
        let bus = Bus::new(context.clone(), 1, options);
        Self { host, context, bus, requests: Mutex::new(0) }
    }

    /// A consumer of group `g` that reads these streams, playing.
    #[track_caller]
    pub fn play(&self, engine: &Engine, streams: &[&str], options: ConsumerOptions) -> Arc<Consumer> {
        self.play_with_deadline(engine, streams, options, None)
    }

    /// The same, with jobs that may run for so long.
    #[track_caller]
    pub fn play_with_deadline(
        &self,
        engine: &Engine,
        streams: &[&str],
        options: ConsumerOptions,
        deadline: Option<Duration>,
    ) -> Arc<Consumer> {
        let consumer = self.bus.consumer(1, options);
        for name in streams {
            let (from_id, read_from) = ("0".to_owned(), ReadFrom::New);
            let name = (*name).to_owned();
            let prefetch = Default::default();
            consumer.add_stream(StreamOptions {
                stream: name.clone(),
                name,
                is_partition: false,
                order: None,
                fair: None,
                limit: None,
                read_from,
                from_id,
                set_id: false,
                deadline,
                prefetch,
            });
        }
        assert_eq!(engine.wait(consumer.clone().play()), Ok(()));
        consumer
    }

    pub fn producer(&self) -> Arc<Producer> {
        self.bus.producer(1, "P".to_owned())
    }

    /// Sends a job, to be waited for by the groups if there are any, and gives the number of request and wait.
    pub fn send(&self, producer: &Arc<Producer>, stream: &str, job: &str, groups: &[&str]) -> u32 {
        let number = {
            let mut requests = self.requests.lock().unwrap();
            *requests += 1;
            *requests
        };
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let sending = QueuedSend {
            payload: None,
            once: None,
            plan: Arc::new(SendPlan::new(
                self.bus.node_set(),
                stream,
                &Route::Name(stream.to_owned()),
                &groups,
            )),
            job: job.to_owned(),
            capped: 0,
            record: 0,
            headers: None,
            key: None,
            request: number,
            wait: (!groups.is_empty()).then_some(number),
            ends_at_error: false,
        };
        let mut commands = Commands::default();
        let node = sending.node(self.bus.node_set());
        producer.send(&mut commands, sending);
        self.bus.nodes()[node].shared().submit(&mut commands);
        number
    }
}

/// Ends a job.
pub fn settle(consumer: &Consumer, token: JobToken, error: Option<&str>) {
    consumer.settle([Settlement::of(token, error)].into_iter());
}

/// The options of a consumer that several tests want: group `g`, id `c`.
pub fn consumer_options(concurrency: u32) -> ConsumerOptions {
    ConsumerOptions { group: "g".to_owned(), id: "c".to_owned(), concurrency, ..ConsumerOptions::default() }
}
