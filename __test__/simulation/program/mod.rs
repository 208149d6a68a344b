//! A process of a run: one bus, its members, and the part of JavaScript, which calls processors and settles their jobs.

mod board;
mod host;
mod inbox;
mod processor;
mod reports;
mod sending;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hfxbus::engine::bus::Bus;
use hfxbus::engine::consumer::Consumer;
use hfxbus::engine::host::context::Context;
use hfxbus::engine::options::bus::BusOptions;
use hfxbus::engine::producer::Producer;
use hfxbus::engine::shutdown::StopOptions;
use hfxbus::redis_io::tasks::Tasks;
use tokio::time::Instant;

use crate::history::{ConsumerNumber, Control, Event};
use crate::scenario::Send;
pub use board::{ANSWER, Board, KEY, answer_of, failure_text, job_of};
use host::{Host, Request};

/// Numbers of nodes of one process.
const NODES: u32 = 100;

/// A process.
pub struct Program {
    pub process: u32,
    pub bus: Arc<Bus>,
    pub host: Arc<Host>,
    pub tasks: Tasks,
    producer: Option<Arc<Producer>>,
    /// True if the jobs of one moment leave in one transaction.
    batches: bool,
    /// Jobs of this moment.
    batch: Mutex<Vec<Send>>,
    consumers: Mutex<BTreeMap<ConsumerNumber, Arc<Consumer>>>,
}

impl Program {
    /// Starts a process.
    pub fn start(
        process: u32,
        tasks: Tasks,
        options: BusOptions,
        (board, has_producer, batches): (Arc<Board>, bool, bool),
    ) -> Arc<Self> {
        let host = Host::new(board);
        let context = Context::new(host.clone(), tasks.clone());
        let bus = Bus::new(context, process * NODES, options);
        let producer = has_producer.then(|| bus.producer(process, format!("P{process:015}")));
        let program = Arc::new(Self {
            process,
            bus,
            host,
            tasks,
            producer,
            batches,
            batch: Mutex::default(),
            consumers: Mutex::default(),
        });
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
            this.host.state().starts_until = max_wait.map(|ms| Instant::now() + Duration::from_millis(ms));
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
}
