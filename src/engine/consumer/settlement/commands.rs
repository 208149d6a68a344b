//! Packs what Redis is told of jobs that have ended: one XACK per stream and burst, a PUBLISH for each producer that
//! is told, all in one write to each node.

use std::fmt::Write;
use std::time::Instant;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::link::LinkState;
use crate::redis_io::streams::commands::{Claim, pack_claim};

use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::in_flight::Slot;
use crate::engine::consumer::state::settlement_batch::{Batch, Settled};
use crate::engine::consumer::{Consumer, Lane, Reads};
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::protocol::completion_message;
use crate::engine::protocol::outcome_record::{self, Keep, RecordOf};
use crate::engine::protocol::reply_tag::Part;
use crate::engine::protocol::reply_tag::{Kind, LAST};

/// What one burst of settlements tells each node.
pub(crate) struct Tells {
    commands: Vec<Commands>,
    /// How many commands with a reply are still to come for each node.
    expected: Vec<usize>,
    /// How many nodes give a last reply.
    answering: usize,
    /// Whether an entry is postponed.
    postpones: bool,
}

impl Tells {
    /// Nothing yet.
    pub(crate) fn new(node_set: &NodeSet) -> Self {
        let nodes = node_set.nodes().len();
        Self {
            commands: (0..nodes).map(|_| Commands::default()).collect(),
            expected: vec![0; nodes],
            answering: 0,
            postpones: false,
        }
    }

    /// Moves what is for the node of a read in front of that, where the connections allow it: one write less here, and
    /// one client less for Redis to look at. A postponement stays behind the lease that may be on its way.
    pub(crate) fn join(&mut self, consumer: &Consumer, reads: &mut Reads) {
        if self.postpones {
            return;
        }
        for (lane, read) in reads {
            let lane = consumer.lane(*lane);
            let commands = &mut self.commands[lane.node];
            if !commands.is_empty() && consumer.tells_on(&lane) {
                commands.take_all(read);
                std::mem::swap(commands, read);
            }
        }
    }

    /// Sends everything.
    pub(crate) fn submit(mut self, node_set: &NodeSet) {
        for (node, commands) in node_set.nodes().iter().zip(&mut self.commands) {
            node.shared().submit(commands);
        }
    }

    fn expect(&mut self, node: usize) {
        self.answering += usize::from(self.expected[node] == 0);
        self.expected[node] += 1;
    }

    /// Where the next command for a node goes, and whether it is the last one.
    fn next(&mut self, node: usize) -> (&mut Commands, bool) {
        self.expected[node] -= 1;
        (&mut self.commands[node], self.expected[node] == 0)
    }
}

impl Consumer {
    /// Whether the connection that a lane reads on serves a command now as the shared one would: to the same node, with
    /// the same patience.
    fn tells_on(&self, lane: &Lane) -> bool {
        let node = &self.node_set.nodes()[lane.node];
        node.topology().is_none()
            && node.ejection().is_none()
            && node.options().link.command_timeout.is_none()
            && lane.blocking.current().is_some_and(|link| link.state() == LinkState::Ready)
    }

    /// Packs what Redis is told of `jobs` and remembers them until it has answered. Gives the batch's number; none,
    /// and the jobs, if there is nothing to tell.
    pub(crate) fn tell(
        &self,
        state: &mut ConsumerState,
        jobs: Vec<Settled>,
        tells: &mut Tells,
    ) -> Result<u32, Vec<Settled>> {
        let parts = parts_of(&jobs);
        if parts.is_empty() {
            return Err(jobs);
        }
        state.last_batch = state.last_batch.wrapping_add(1).max(1);
        let number = state.last_batch;
        for &part in &parts {
            tells.expect(node_of(state, &jobs, part));
        }
        for part in parts {
            let (commands, is_last) = tells.next(node_of(state, &jobs, part));
            let is_failure = matches!(part, Part::Notification(at) if jobs[at].failure.is_some());
            let to = self.ticket(Kind::of_part(part, is_failure), number, is_last);
            match part {
                Part::Postponement(at) => {
                    self.pack_postponement(state, commands, &jobs[at], to);
                    tells.postpones = true;
                }
                Part::Record(at) => self.pack_record(state, commands, &jobs[at], to),
                Part::Acknowledgement(stream) => {
                    self.pack_acknowledgement(state, commands, &jobs, stream, to);
                }
                Part::Notification(at) => pack_notification(state, commands, &jobs[at], to),
            }
        }
        state.batches.push_back(Batch { number, unanswered: tells.answering, jobs });
        Ok(number)
    }

    fn ticket(&self, (kind, index): (Kind, u32), batch: u32, is_last: bool) -> Destination {
        Destination::Sink(ReplyTag {
            kind: kind as u8,
            index: if is_last { index | LAST } else { index },
            id: u64::from(self.number) << 32 | u64::from(batch),
        })
    }

    fn pack_postponement(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        job: &Settled,
        to: Destination,
    ) {
        let names =
            (state.streams[job.stream as usize].key.as_str(), self.group.as_str(), self.options.id.as_str());
        let Some(slot) = state.slots.job(job.token) else { return };
        let idle = self.idle_until(job.due.unwrap_or_else(Instant::now));
        let (min_idle, entry) = (self.min_idle(slot.touched()), std::iter::once(&slot.entry));
        pack_claim(commands, names, min_idle, entry, Claim::Touch { idle }, to);
    }

    fn pack_record(&self, state: &ConsumerState, commands: &mut Commands, job: &Settled, to: Destination) {
        let Some(slot) = state.slots.job(job.token) else { return };
        let stream = &state.streams[job.stream as usize];
        let message =
            completion_message::message(&stream.notification_head, &slot.job, job.failure.as_deref());
        let of = RecordOf { entry: slot.entry, stream: &stream.options.name, group: &self.options.group };
        let keys = self.node_set.nodes()[stream.node].keys();
        outcome_record::pack_record(commands, keys, of, (&message, slot.record), Keep::Last, to);
    }

    fn pack_acknowledgement(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        jobs: &[Settled],
        stream: u32,
        to: Destination,
    ) {
        let of_stream = || jobs.iter().filter(|job| job.owed.acknowledgement && job.stream == stream);
        let key = state.streams[stream as usize].key.as_bytes();
        commands.begin("XACK", 3 + of_stream().count()).key(key).arg(self.group.as_bytes());
        let mut id = String::new();
        for job in of_stream() {
            id.clear();
            if let Some(slot) = state.slots.job(job.token) {
                // Writing to a string cannot fail.
                let _ = write!(id, "{}", slot.entry);
            }
            commands.arg(id.as_bytes());
        }
        commands.end(to);
    }
}

fn pack_notification(state: &ConsumerState, commands: &mut Commands, job: &Settled, to: Destination) {
    let Some(Slot { job: id, producer, .. }) = state.slots.job(job.token) else { return };
    let stream = &state.streams[job.stream as usize];
    let message = completion_message::message(&stream.notification_head, id, job.failure.as_deref());
    commands.begin("PUBLISH", 3).arg_parts(&[stream.channel_head.as_bytes(), producer.as_bytes()]);
    commands.arg(message.as_bytes()).end(to);
}

/// What there is to tell, in order: who sees an entry acknowledged, or hears of it, finds the record.
fn parts_of(jobs: &[Settled]) -> Vec<Part> {
    let mut parts = Vec::with_capacity(jobs.len() + 1);
    for (at, job) in jobs.iter().enumerate() {
        parts.extend(job.owed.postponement.then_some(Part::Postponement(at)));
        parts.extend(job.owed.record.then_some(Part::Record(at)));
    }
    let before = parts.len();
    for job in jobs.iter().filter(|job| job.owed.acknowledgement) {
        let part = Part::Acknowledgement(job.stream);
        if !parts[before..].contains(&part) {
            parts.push(part);
        }
    }
    let told = jobs.iter().enumerate().filter(|(_, job)| job.owed.notification);
    parts.extend(told.map(|(at, _)| Part::Notification(at)));
    parts
}

/// The node that a part is for.
fn node_of(state: &ConsumerState, jobs: &[Settled], part: Part) -> usize {
    let stream = |at: usize| &state.streams[jobs[at].stream as usize];
    match part {
        Part::Postponement(at) | Part::Record(at) => stream(at).node,
        Part::Acknowledgement(stream) => state.streams[stream as usize].node,
        Part::Notification(at) => stream(at).completions,
    }
}
