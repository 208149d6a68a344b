//! Prefetch of payload keys when entries arrive, so that their jobs begin with the payloads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::redis_io::cluster::slot_map::slot_of;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::carried_payload::CarriedPayload;
use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::job_slot::JobSlot;
use crate::engine::host::Event;
use crate::engine::host::job_token::JobToken;

/// Maximum wait of jobs for their payloads. A job that begins without one fetches it itself.
const MAX_PAYLOAD_WAIT: Duration = Duration::from_secs(1);

/// Jobs of one stream that wait for the same payload keys.
struct PrefetchJobs {
    stream: u32,
    jobs: Vec<PrefetchJob>,
    keys: Arc<[String]>,
}

/// Job that waits for payload keys, apart from those that its entry carries.
struct PrefetchJob {
    token: JobToken,
    id: String,
    carried: Option<Arc<CarriedPayload>>,
}

impl PrefetchJob {
    fn new(token: JobToken, slot: &JobSlot) -> Self {
        Self { token, id: slot.job.clone(), carried: slot.carried.clone() }
    }

    fn fetches(&self, key: &str) -> bool {
        self.carried.as_ref().is_none_or(|carried| !carried.has(key))
    }
}

/// Keys of one MGET, by index of job and key. All of them are on one node, and in a Cluster in one slot.
type Asked = Vec<(usize, usize)>;

/// MGET under way.
struct PayloadFetch {
    asked: Asked,
    reply: oneshot::Receiver<Result<Value, RedisError>>,
}

impl Consumer {
    /// Hands jobs of one stream to the host once their payloads are here, or after the maximum wait. They hold their
    /// slots until then. Jobs whose entries carry all keys need not wait.
    pub(crate) fn begin_with_payloads(&self, state: &ConsumerState, run: &[(u32, JobToken)]) {
        let Some(&(stream, _)) = run.first() else { return };
        let options = &state.streams[stream as usize].options;
        let keys = options.prefetch.clone();
        let jobs: Vec<PrefetchJob> = run
            .iter()
            .filter_map(|&(_, token)| Some(PrefetchJob::new(token, state.jobs.job(token)?)))
            .collect();
        if !jobs.iter().any(|job| keys.iter().any(|key| job.fetches(key))) {
            self.begin(state, run);
            return;
        }
        let patience =
            options.deadline.map_or(MAX_PAYLOAD_WAIT, |deadline| MAX_PAYLOAD_WAIT.min(deadline / 2));
        let waiting = PrefetchJobs { stream, jobs, keys };
        let this = self.this.clone();
        self.node_set.context().tasks.spawn(async move {
            let Some(consumer) = this.upgrade() else { return };
            let mut payloads = HashMap::default();
            // Payloads that are here by then are used.
            let _ = timeout(patience, consumer.fetch_payloads(&waiting, &mut payloads)).await;
            consumer.begin_waiting(&waiting, &payloads);
        });
    }

    async fn fetch_payloads(&self, waiting: &PrefetchJobs, payloads: &mut HashMap<(usize, usize), Vec<u8>>) {
        for PayloadFetch { asked, reply } in self.send_fetches(waiting) {
            // A job fetches a missing key itself, and reports the error.
            let Ok(Ok(Value::Array(values))) = reply.await else { continue };
            for (place, value) in asked.into_iter().zip(values) {
                if let Value::Bulk(bytes) = value {
                    payloads.insert(place, bytes);
                }
            }
        }
    }

    /// Sends one write to each node with some of the keys.
    fn send_fetches(&self, waiting: &PrefetchJobs) -> Vec<PayloadFetch> {
        let mut by_place: HashMap<(usize, Option<u16>), Asked> = HashMap::default();
        for (at, job) in waiting.jobs.iter().enumerate() {
            let node = self.node_set.route(&job.id);
            for (key, name) in waiting.keys.iter().enumerate().filter(|(_, name)| job.fetches(name)) {
                let slot =
                    self.node_set.nodes()[node].topology().map(|_| self.payload_slot(node, &job.id, name));
                by_place.entry((node, slot)).or_default().push((at, key));
            }
        }
        let mut commands: HashMap<usize, Commands> = HashMap::default();
        let mut fetches = Vec::with_capacity(by_place.len());
        for ((node, _), asked) in by_place {
            let (sender, reply) = oneshot::channel();
            self.pack_fetch(commands.entry(node).or_default(), node, waiting, &asked, sender);
            fetches.push(PayloadFetch { asked, reply });
        }
        for (node, mut commands) in commands {
            self.node_set.nodes()[node].shared().submit(&mut commands);
        }
        fetches
    }

    fn pack_fetch(
        &self,
        commands: &mut Commands,
        node: usize,
        waiting: &PrefetchJobs,
        asked: &Asked,
        sender: oneshot::Sender<Result<Value, RedisError>>,
    ) {
        let keys = self.node_set.nodes()[node].keys();
        commands.begin("MGET", 1 + asked.len());
        for &(job, key) in asked {
            commands.key_parts(&keys.payload(&waiting.jobs[job].id, &waiting.keys[key]));
        }
        commands.end(Destination::Task(sender));
    }

    fn payload_slot(&self, node: usize, job: &str, key: &str) -> u16 {
        slot_of(&self.node_set.nodes()[node].keys().payload(job, key).concat())
    }

    /// Hands the waiting jobs to the host, without those that ended, or whose partition was lost, in between.
    fn begin_waiting(&self, waiting: &PrefetchJobs, payloads: &HashMap<(usize, usize), Vec<u8>>) {
        let host = &self.node_set.context().host;
        let mut has_ended = false;
        {
            let mut state = self.lock();
            let mut started = Vec::with_capacity(waiting.jobs.len());
            for (at, &PrefetchJob { token, .. }) in waiting.jobs.iter().enumerate() {
                if !state.can_begin(token) {
                    has_ended = true;
                    continue;
                }
                started.push((waiting.stream, token));
                for (key, name) in waiting.keys.iter().enumerate() {
                    if let Some(payload) = payloads.get(&(at, key)) {
                        host.event(Event::Prefetched { consumer: self.number, token, key: name, payload });
                    }
                }
            }
            self.begin(&state, &started);
        }
        if has_ended {
            self.step();
            self.notify_if_idle();
        }
        host.wake();
    }
}
