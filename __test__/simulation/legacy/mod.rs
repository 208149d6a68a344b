//! A consumer that behaves as those of 2.2.0: one loop of XREADGROUP, no leases, nothing that it takes over, XACK and
//! PUBLISH one after the other. A lost reply leaves its entries pending, and a lost group is not made again.

mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hfxbus::redis_io::resp::Reply;
use hfxbus::redis_io::streams::entry::{Item, read_streams};
use hfxbus::redis_io::tasks::Tasks;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::history::{ConsumerNumber, End, Event, RunNumber, Value};
use crate::program::{Board, failure_text, job_of};
use crate::scenario::{Behaviour, Scenario};
use crate::trace;
use wire::Wire;

/// Default maximum time of a job, in ms.
const DEADLINE: u64 = 30_000;
/// Time between two reads that Redis refuses. 2.2.0 has none, which a world without time between two commands cannot have.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

pub struct Legacy {
    number: ConsumerNumber,
    group: usize,
    concurrency: usize,
    block: u64,
    streams: usize,
    board: Arc<Board>,
    tasks: Tasks,
    reads: Wire,
    acknowledgements: Wire,
    completions: Wire,
    in_flight: AtomicUsize,
    freed: Notify,
}

/// A job that runs.
struct Running {
    run: RunNumber,
    job: u32,
    stream: usize,
    entry: String,
    producer: String,
    /// True until its slot is free.
    holds_slot: Mutex<bool>,
}

impl Legacy {
    /// Starts a consumer in the process of `tasks`, which reads from the server of `port` after some ms.
    pub fn start(
        (number, start): (ConsumerNumber, u64),
        consumer: &crate::scenario::Consumer,
        streams: usize,
        (board, tasks, port): (Arc<Board>, Tasks, u16),
    ) {
        let legacy = Arc::new(Self {
            number,
            group: consumer.group,
            concurrency: consumer.concurrency as usize,
            block: consumer.block_timeout.unwrap_or(5_000),
            streams,
            board,
            reads: Wire::new(&tasks, port),
            acknowledgements: Wire::new(&tasks, port),
            completions: Wire::new(&tasks, port),
            tasks: tasks.clone(),
            in_flight: AtomicUsize::new(0),
            freed: Notify::new(),
        });
        tasks.spawn(async move {
            sleep(Duration::from_millis(start)).await;
            legacy.read().await;
        });
    }

    async fn read(self: Arc<Self>) {
        let group = self.group_key();
        let keys: Vec<String> = (0..self.streams).map(stream_key).collect();
        for key in &keys {
            drop(self.reads.call(&["XGROUP", "CREATE", key, &group, "0", "MKSTREAM"]).await);
        }
        loop {
            let free = self.concurrency.saturating_sub(self.in_flight.load(Ordering::SeqCst));
            if free == 0 {
                self.freed.notified().await;
                continue;
            }
            let (id, count) = (format!("c{}", self.number), free.div_ceil(self.streams).to_string());
            let block = self.block.to_string();
            let mut words = vec!["XREADGROUP", "GROUP", &group, &id, "COUNT", &count, "BLOCK", &block];
            words.push("STREAMS");
            words.extend(keys.iter().map(String::as_str));
            words.extend(keys.iter().map(|_| ">"));
            let reply = self.reads.call(&words).await;
            if reply.first() == Some(&b'-') {
                sleep(AFTER_REFUSAL).await;
            }
            self.begin_all(&reply);
        }
    }

    fn begin_all(self: &Arc<Self>, reply: &[u8]) {
        let Some(Reply::Array(streams)) = Reply::new(reply) else { return };
        let mut found = Vec::new();
        let mut stream = 0;
        let _ = read_streams(streams, |item| match item {
            Item::Stream(key, _) => {
                stream = (0..self.streams).find(|&at| stream_key(at).as_bytes() == key).unwrap_or(0);
            }
            Item::Entry(entry) => {
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                found.push((stream, entry.id.to_string(), text(entry.job), text(entry.producer)));
            }
        });
        for (stream, entry, job, producer) in found {
            let Some(job) = job_of(&job) else { continue };
            let Some((run, behaviour)) = self.board.begin(self.group, job) else { continue };
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            let (consumer, handed) = (self.number, trace::now());
            let start = Event::Start { run, consumer, job, handed, value: Value::None };
            self.board.history.note(start);
            let job = Running { run, job, stream, entry, producer, holds_slot: Mutex::new(true) };
            let this = self.clone();
            self.tasks.spawn(async move { this.process(job, behaviour).await });
        }
    }

    async fn process(&self, job: Running, behaviour: Behaviour) {
        let wait = async |ms: u64| sleep(Duration::from_millis(ms)).await;
        match behaviour {
            Behaviour::Succeed(ms) | Behaviour::SettleTwice(ms) | Behaviour::Block(ms) => {
                wait(ms).await;
                self.resolve(&job).await;
            }
            Behaviour::Fail(ms) | Behaviour::GiveUp(ms) | Behaviour::FailThenSucceed(ms) => {
                wait(ms).await;
                self.reject(&job, End::Failure).await;
            }
            Behaviour::Release(ms) | Behaviour::ReleaseTwice(ms) => {
                wait(ms / 2).await;
                self.board.history.note(Event::End { run: job.run, how: End::Released });
                self.free(&job);
                wait(ms).await;
                self.resolve(&job).await;
            }
            Behaviour::Hang => {
                wait(DEADLINE).await;
                self.reject(&job, End::Expired).await;
            }
        }
        self.free(&job);
    }

    /// Acknowledges the entry, then publishes its completion. A refused acknowledgement is a failure of the job.
    async fn resolve(&self, job: &Running) {
        self.board.history.note(Event::End { run: job.run, how: End::Success });
        let reply = self
            .acknowledgements
            .call(&["XACK", &stream_key(job.stream), &self.group_key(), &job.entry])
            .await;
        let error = reply.strip_prefix(b"-").map(|text| String::from_utf8_lossy(text).trim().to_owned());
        let json = error.as_ref().map(|error| format!("{{\"message\":\"{error}\"}}"));
        self.publish(job, json.as_deref()).await;
        self.board.history.note(Event::Settled { run: job.run, error });
    }

    async fn reject(&self, job: &Running, how: End) {
        self.board.history.note(Event::End { run: job.run, how });
        let error = match how {
            End::Expired => "{\"code\":\"DEADLINE_TIMEOUT\"}".to_owned(),
            _ => failure_text(job.run),
        };
        self.publish(job, Some(&error)).await;
        self.board.history.note(Event::Settled { run: job.run, error: None });
    }

    async fn publish(&self, job: &Running, error: Option<&str>) {
        if job.producer.is_empty() {
            return;
        }
        let stream = Scenario::stream_name(job.stream);
        let channel = format!("hfxbus:chn:{stream}:{}", job.producer);
        let error = error.map(|error| format!(",\"err\":{error}")).unwrap_or_default();
        let (group, id) = (Scenario::group_name(self.group), Scenario::job_id(job.job));
        let message = format!("{{\"str\":\"{stream}\",\"grp\":\"{group}\",\"job\":\"{id}\"{error}}}");
        drop(self.completions.call(&["PUBLISH", &channel, &message]).await);
    }

    fn free(&self, job: &Running) {
        if std::mem::take(&mut *job.holds_slot.lock().unwrap()) {
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.freed.notify_one();
        }
    }

    fn group_key(&self) -> String {
        format!("hfxbus:csr:{}", Scenario::group_name(self.group))
    }
}

fn stream_key(stream: usize) -> String {
    format!("hfxbus:str:{}", Scenario::stream_name(stream))
}
