//! Packs settlements: one XACK per stream and batch, and one PUBLISH per job, in one write to each node.

use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::link::LinkState;
use crate::redis_io::streams::commands::{Claim, pack_acknowledge, pack_claim, pack_pending_entry};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::job_slot::JobSlot;
use crate::engine::consumer::state::settled_job::SettledJob;
use crate::engine::consumer::state::settlement_batch::SettlementBatch;
use crate::engine::consumer::state::stream::StreamState;
use crate::engine::consumer::turn::Reads;
use crate::engine::consumer::{Consumer, Lane};
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::protocol::completion_commands;
use crate::engine::protocol::completion_message;
use crate::engine::protocol::outcome_record::{self, RecordOf, RecordPrecedence};
use crate::engine::protocol::reply_tag::SettlementStep;
use crate::engine::protocol::reply_tag::{LAST, ReplyKind, TransactionGroup};

/// Packed commands of one batch of settlements, by node.
pub(crate) struct SettlementWrites {
    commands: Vec<Commands>,
    /// Number of commands with a reply that are not packed yet, by node.
    expected: Vec<usize>,
    /// Number of nodes that give a last reply.
    answering: usize,
    /// True if the batch has a delay step.
    has_delay: bool,
}

impl SettlementWrites {
    /// Nothing yet.
    pub(crate) fn new(node_set: &NodeSet) -> Self {
        let nodes = node_set.nodes().len();
        Self {
            commands: (0..nodes).map(|_| Commands::default()).collect(),
            expected: vec![0; nodes],
            answering: 0,
            has_delay: false,
        }
    }

    /// Moves the commands for the node of a read in front of that read, if its connection allows it. That saves a
    /// write here, and Redis a client to serve. A delay stays on the shared connection, behind a lease renewal under
    /// way.
    pub(crate) fn join(&mut self, consumer: &Consumer, reads: &mut Reads) {
        if self.has_delay {
            return;
        }
        for (lane, read) in reads {
            let lane = consumer.lane(*lane);
            let commands = &mut self.commands[lane.node];
            if !commands.is_empty() && consumer.can_carry_settlements(&lane) {
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

    /// Returns the commands of a node, and true if the next one is the last.
    fn next(&mut self, node: usize) -> (&mut Commands, bool) {
        self.expected[node] -= 1;
        (&mut self.commands[node], self.expected[node] == 0)
    }
}

impl Consumer {
    /// Returns true if the reader connection of a lane can serve a settlement as the shared one can: same node, same
    /// timeout, and ready.
    fn can_carry_settlements(&self, lane: &Lane) -> bool {
        let node = &self.node_set.nodes()[lane.node];
        node.topology().is_none()
            && node.ejection().is_none()
            && node.options().link.command_timeout.is_none()
            && lane.blocking.current().is_some_and(|link| link.state() == LinkState::Ready)
    }

    /// Packs the steps of `jobs` and keeps the batch until its replies are here. Returns the number of the batch, or
    /// the jobs if they have no steps.
    pub(crate) fn pack_settlements(
        &self,
        state: &mut ConsumerState,
        mut jobs: Vec<SettledJob>,
        writes: &mut SettlementWrites,
    ) -> Result<u32, Vec<SettledJob>> {
        let steps = steps_of(&mut jobs);
        if steps.is_empty() {
            return Err(jobs);
        }
        state.last_batch = state.last_batch.wrapping_add(1).max(1);
        let number = state.last_batch;
        for &step in &steps {
            writes.expect(self.node_of(state, &jobs, step));
        }
        for step in steps {
            let (commands, is_last) = writes.next(self.node_of(state, &jobs, step));
            let is_failure = matches!(step, SettlementStep::Completion(at) if jobs[at].failure.is_some());
            let kind = ReplyKind::of_step(step, is_failure);
            let to = self.reply_to(kind, number, is_last);
            let begin = || self.reply_to((ReplyKind::TransactionBegun, 0), number, false);
            match step {
                SettlementStep::Transaction(group) => {
                    let part = || self.reply_to(kind, number, false);
                    let stream = &state.streams[usize::from(group.stream)];
                    self.pack_transaction(
                        state,
                        commands,
                        stream,
                        jobs_of(&jobs, group),
                        (begin(), part),
                        to,
                    );
                }
                SettlementStep::TransactionAlone(at) => {
                    let part = || self.reply_to(kind, number, false);
                    let stream = &state.streams[jobs[at].stream as usize];
                    self.pack_transaction(
                        state,
                        commands,
                        stream,
                        std::iter::once(&jobs[at]),
                        (begin(), part),
                        to,
                    );
                }
                SettlementStep::Delay(at) => {
                    self.pack_delay(state, commands, &jobs[at], to);
                    writes.has_delay = true;
                }
                SettlementStep::PendingQuery(at) => self.pack_pending_query(state, commands, &jobs[at], to),
                SettlementStep::Record(at) => self.pack_record(state, commands, &jobs[at], to),
                SettlementStep::Acknowledgement(stream) => {
                    let of_stream =
                        |job: &&SettledJob| job.pending_steps.acknowledgement && job.stream == stream;
                    let stream = &state.streams[stream as usize];
                    self.pack_acknowledgement(state, commands, stream, jobs.iter().filter(of_stream), to);
                }
                SettlementStep::Completion(at) => pack_completion(state, commands, &jobs[at], to),
                SettlementStep::Removal(at) => {
                    let part = || self.reply_to(kind, number, false);
                    self.pack_removal(state, commands, &jobs[at], part, to);
                }
            }
        }
        state.batches.push_back(SettlementBatch { number, unanswered: writes.answering, jobs });
        Ok(number)
    }

    /// Returns the node of a step.
    fn node_of(&self, state: &ConsumerState, jobs: &[SettledJob], step: SettlementStep) -> usize {
        let stream = |at: usize| &state.streams[jobs[at].stream as usize];
        match step {
            SettlementStep::TransactionAlone(at)
            | SettlementStep::Delay(at)
            | SettlementStep::PendingQuery(at)
            | SettlementStep::Record(at) => stream(at).node,
            SettlementStep::Transaction(group) => state.streams[usize::from(group.stream)].node,
            SettlementStep::Acknowledgement(stream) => state.streams[stream as usize].node,
            SettlementStep::Completion(at) => stream(at).completions,
            SettlementStep::Removal(at) => self.payload_node(state, &jobs[at]),
        }
    }

    fn reply_to(&self, (kind, index): (ReplyKind, u32), batch: u32, is_last: bool) -> Destination {
        Destination::Sink(ReplyTag {
            kind: kind as u8,
            index: if is_last { index | LAST } else { index },
            id: u64::from(self.number) << 32 | u64::from(batch),
        })
    }

    fn pack_delay(&self, state: &ConsumerState, commands: &mut Commands, job: &SettledJob, to: Destination) {
        let names =
            (state.streams[job.stream as usize].key.as_str(), self.group.as_str(), self.options.id.as_str());
        let Some(slot) = state.jobs.job(job.token) else { return };
        let idle = self.idle_until(job.due.unwrap_or_else(Instant::now));
        // Once Redis has executed a delay, another consumer can claim the entry when it is due, while the lease holds here.
        let min_idle = match job.is_repeated {
            true => self.min_idle(slot.touched()),
            false => self.min_idle_after_lapse(slot.touched()),
        };
        let entry = std::iter::once(&slot.entry);
        pack_claim(commands, names, min_idle, entry, Claim::Touch { idle }, to);
        // Later another consumer can own the entry. The next attempt has a minimum idle time and a delay of its own.
        commands.last_expires();
    }

    fn pack_pending_query(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        job: &SettledJob,
        to: Destination,
    ) {
        let Some(slot) = state.jobs.job(job.token) else { return };
        pack_pending_entry(commands, &state.streams[job.stream as usize].key, &self.group, slot.entry, to);
    }

    pub(crate) fn pack_record(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        job: &SettledJob,
        to: Destination,
    ) {
        let Some(slot) = state.jobs.job(job.token) else { return };
        let stream = &state.streams[job.stream as usize];
        let message = message_of(job, stream, &slot.job);
        let of = RecordOf { entry: slot.entry, stream: &stream.options.name, group: &self.options.group };
        let keys = self.node_set.nodes()[stream.node].keys();
        outcome_record::pack_record(commands, keys, of, (&message, slot.record), RecordPrecedence::Last, to);
    }

    pub(crate) fn pack_acknowledgement<'a>(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        stream: &StreamState,
        jobs: impl Iterator<Item = &'a SettledJob> + Clone,
        to: Destination,
    ) {
        // The jobs of a batch keep their slots until its replies are here.
        let entry =
            |job: &SettledJob| state.jobs.job(job.token).map_or_else(EntryId::default, |slot| slot.entry);
        let names = (stream.key.as_str(), self.group.as_str());
        pack_acknowledge(commands, names, jobs.clone().count(), jobs.map(entry), to);
    }
}

/// Packs the PUBLISH of a completion, or the SPUBLISH if the producer waits on its sharded channel.
pub(crate) fn pack_completion(
    state: &ConsumerState,
    commands: &mut Commands,
    job: &SettledJob,
    to: Destination,
) {
    let Some(JobSlot { job: id, producer, is_sharded, .. }) = state.jobs.job(job.token) else { return };
    let stream = &state.streams[job.stream as usize];
    let message = message_of(job, stream, id);
    let head = stream.channel_head(*is_sharded);
    completion_commands::pack_completion(commands, (head, producer), &message, to);
}

/// The jobs that a transaction settles.
fn jobs_of(jobs: &[SettledJob], group: TransactionGroup) -> impl Iterator<Item = &SettledJob> + Clone {
    jobs.iter().filter(move |job| job.group == Some(group))
}

fn message_of(job: &SettledJob, stream: &StreamState, id: &str) -> String {
    completion_message::message(&stream.completion_head, id, job.failure.as_deref(), &job.answer)
}

/// Lists the steps of a batch in order. Records come first, so that a record exists once the entry is acknowledged or
/// the completion published. Jobs with a transaction get their group.
fn steps_of(jobs: &mut [SettledJob]) -> Vec<SettlementStep> {
    let mut steps = Vec::with_capacity(jobs.len() + 1);
    // A delay can fail before the other steps leave, so it must not be behind them: the last reply ends the batch.
    let delays = jobs.iter().enumerate().filter(|(_, job)| job.pending_steps.delay);
    steps.extend(delays.map(|(at, _)| SettlementStep::Delay(at)));
    for (at, job) in jobs.iter().enumerate() {
        let is_alone = job.pending_steps.transaction && !job.shares_transaction();
        steps.extend(is_alone.then_some(SettlementStep::TransactionAlone(at)));
        steps.extend(job.pending_steps.pending_query.then_some(SettlementStep::PendingQuery(at)));
        steps.extend(job.pending_steps.record.then_some(SettlementStep::Record(at)));
    }
    // Number of jobs with a transaction, by stream.
    let mut counts: Vec<(u32, usize)> = Vec::new();
    for job in jobs.iter_mut() {
        job.group = None;
        if !job.shares_transaction() {
            continue;
        }
        let at = counts.iter().position(|(stream, _)| *stream == job.stream).unwrap_or_else(|| {
            counts.push((job.stream, 0));
            counts.len() - 1
        });
        let count = &mut counts[at].1;
        let (stream, number) = (job.stream as u16, (*count / TransactionGroup::MOST_JOBS) as u16);
        let group = TransactionGroup { stream, number };
        if count.is_multiple_of(TransactionGroup::MOST_JOBS) {
            steps.push(SettlementStep::Transaction(group));
        }
        job.group = Some(group);
        *count += 1;
    }
    let before = steps.len();
    for job in jobs.iter().filter(|job| job.pending_steps.acknowledgement) {
        let step = SettlementStep::Acknowledgement(job.stream);
        if !steps[before..].contains(&step) {
            steps.push(step);
        }
    }
    let completions = jobs.iter().enumerate().filter(|(_, job)| job.pending_steps.completion);
    steps.extend(completions.map(|(at, _)| SettlementStep::Completion(at)));
    if planted("completion before the acknowledgement") {
        steps[before..].reverse();
    }
    // An entry that is not acknowledged needs its payload.
    let removals = jobs.iter().enumerate().filter(|(_, job)| job.pending_steps.removal);
    steps.extend(removals.map(|(at, _)| SettlementStep::Removal(at)));
    steps
}
