//! Destination of jobs: a stream, its node, and the awaited groups. A plan is made once and serves every send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::redis_io::command::Commands;
use crate::redis_io::streams::carried_payload::ORDER_KEY;
use crate::redis_io::streams::entry::{REPLY, SHARDED};

use crate::engine::host::RequestId;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::options::bus::Route;
use crate::engine::producer::sending::send_payload::SendPayload;
use crate::engine::protocol::idempotency::SendOnce;

/// Fields of an entry.
#[derive(Clone, Copy, Debug)]
pub struct EntryFields<'a> {
    /// Id of the producer.
    pub producer: &'a str,
    /// The job's id.
    pub job: &'a str,
    /// Time for which the outcome is recorded, in ms. 0 records none.
    pub record: u64,
    /// Headers of the job, as JSON.
    pub headers: Option<&'a str>,
    /// Key that leads the job to a partition and orders it.
    pub key: Option<&'a str>,
    /// Payload that the entry carries.
    pub payload: Option<&'a SendPayload>,
}

/// A stream and its awaited groups.
#[derive(Debug)]
pub struct SendPlan {
    /// The stream's name, without prefix.
    pub stream: String,
    /// Awaited groups, each once.
    pub groups: Vec<String>,
    /// The stream's key on each node.
    keys: Vec<String>,
    /// Node of the route. `None` if the job's id decides.
    node: Option<usize>,
    /// True if the completions belong on the sharded channel of the producer.
    is_sharded: bool,
    /// Number of group removals, plus one, at which all groups were known to exist. 0 if they never were.
    known_at: AtomicU64,
}

impl SendPlan {
    /// A plan for `stream`. Repeated groups count once.
    pub fn new(node_set: &NodeSet, stream: &str, route: &Route, groups: &[String]) -> Self {
        Self {
            stream: stream.to_owned(),
            groups: distinct(groups),
            keys: node_set.nodes().iter().map(|node| node.keys().stream(stream)).collect(),
            node: match route {
                Route::Name(name) => Some(node_set.route(name)),
                Route::Distributed => None,
            },
            is_sharded: node_set.node_of_completions(stream).sharded_channels_of(stream).is_some(),
            known_at: AtomicU64::new(0),
        }
    }

    /// Returns true if all groups were known to exist after that number of group removals.
    pub(crate) fn has_known_groups(&self, removals: u64) -> bool {
        self.known_at.load(Ordering::Relaxed) == removals + 1
    }

    /// Notes that all groups are known to exist, after that number of group removals.
    pub(crate) fn note_known_groups(&self, removals: u64) {
        self.known_at.store(removals + 1, Ordering::Relaxed);
    }

    /// Index of the node that a job goes to.
    pub fn node(&self, node_set: &NodeSet, job: &str) -> usize {
        self.node.unwrap_or_else(|| node_set.route(job))
    }

    /// The stream's key on a node.
    pub fn key(&self, node: usize) -> &str {
        &self.keys[node]
    }

    /// Packs the XADD of one job, for its node, without its end. `capped` is the approximate maximum length of the
    /// stream; 0 is no limit.
    pub fn pack(&self, commands: &mut Commands, node: usize, fields: EntryFields<'_>, capped: u64) {
        commands.begin("XADD", 2 + self.words(&fields, capped)).mark_send().key(self.keys[node].as_bytes());
        self.pack_words(commands, fields, capped);
    }

    /// Number of words of an XADD behind its key.
    pub(crate) fn words(&self, fields: &EntryFields<'_>, capped: u64) -> usize {
        let EntryFields { record, headers, key, payload, .. } = fields;
        let optional = [*record > 0, headers.is_some(), self.is_sharded, key.is_some()];
        let more = optional.into_iter().filter(|&has| has).count();
        let carried = payload.map_or(0, SendPayload::words);
        5 + if capped > 0 { 3 } else { 0 } + 2 * more + carried
    }

    /// Packs the words of an XADD behind its key.
    pub(crate) fn pack_words(&self, commands: &mut Commands, fields: EntryFields<'_>, capped: u64) {
        let EntryFields { producer, job, record, headers, key, payload } = fields;
        if capped > 0 {
            commands.arg(b"MAXLEN").arg(b"~").arg_number(capped);
        }
        commands.arg(b"*").arg(b"prd").arg(producer.as_bytes()).arg(b"job").arg(job.as_bytes());
        if record > 0 {
            commands.arg(b"rec").arg_number(record);
        }
        if self.is_sharded {
            commands.arg(REPLY).arg(SHARDED);
        }
        if let Some(headers) = headers {
            commands.arg(b"hdr").arg(headers.as_bytes());
        }
        if let Some(key) = key {
            commands.arg(ORDER_KEY).arg(key.as_bytes());
        }
        if let Some(payload) = payload {
            payload.pack_fields(commands);
        }
    }
}

/// One job to send.
#[derive(Clone, Debug)]
pub struct QueuedSend {
    /// Destination.
    pub plan: Arc<SendPlan>,
    /// The job's id.
    pub job: String,
    /// Approximate maximum length of the stream. 0 is no limit.
    pub capped: u64,
    /// Time for which the outcome is recorded in Redis, in ms. 0 records none.
    pub record: u64,
    /// Headers of the job, as JSON.
    pub headers: Option<Box<str>>,
    /// Key that leads the job to a partition and orders it.
    pub key: Option<Box<str>>,
    /// Payload that leaves with the job.
    pub payload: Option<Box<SendPayload>>,
    /// Idempotency id, if the job has one.
    pub once: Option<Box<SendOnce>>,
    /// Request that the job belongs to.
    pub request: RequestId,
    /// The host's number for the wait. `None` waits for no completions.
    pub wait: Option<u32>,
    /// True if the first error ends the wait.
    pub ends_at_error: bool,
}

impl QueuedSend {
    /// Index of its node.
    pub fn node(&self, node_set: &NodeSet) -> usize {
        self.plan.node(node_set, &self.job)
    }

    /// Returns true if payload keys are written with the job.
    pub fn has_keys(&self) -> bool {
        self.payload.as_ref().is_some_and(|payload| payload.has_keys())
    }
}

fn distinct(groups: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(groups.len());
    for group in groups {
        if !distinct.contains(group) {
            distinct.push(group.clone());
        }
    }
    distinct
}

#[cfg(test)]
impl SendPlan {
    /// A plan without a node, for tests.
    pub(crate) fn awaiting(stream: &str, groups: &[String]) -> Self {
        let (keys, known_at) = (Vec::new(), AtomicU64::new(0));
        let (stream, groups) = (stream.to_owned(), distinct(groups));
        Self { stream, groups, keys, node: None, is_sharded: false, known_at }
    }
}
