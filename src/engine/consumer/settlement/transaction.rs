//! Settlement of jobs together with their payload changes, in one transaction.
//!
//! Redis runs the whole transaction or nothing of it. A refused command, such as a SET while memory is full, discards it.
//! A user without the right to MULTI has the commands run one by one. So they are in an order in which a crash never removes
//! the input of an entry that is not acknowledged.

use crate::redis_io::command::{Commands, Destination};

use crate::engine::consumer::Consumer;
use crate::engine::consumer::settlement::commands::pack_completion;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::settled_job::SettledJob;
use crate::engine::consumer::state::stream::StreamState;
use crate::engine::protocol::payload_commands::pack_set;

impl Consumer {
    /// Packs `MULTI`, the writes of payload keys, the records, `XACK`, `PUBLISH`, the removals and `EXEC`. The reply to MULTI goes
    /// to `begin`, errors of the commands within go to `part`, and the outcome to `to`.
    pub(crate) fn pack_transaction<'a>(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        stream: &StreamState,
        jobs: impl Iterator<Item = &'a SettledJob> + Clone,
        (begin, part): (Destination, impl Fn() -> Destination),
        to: Destination,
    ) {
        let keys = self.node_set.nodes()[stream.node].keys();
        let with_changes =
            jobs.clone().filter_map(|job| Some((job, state.jobs.job(job.token)?, job.changes.as_ref()?)));
        let begun = commands.len();
        commands.begin("MULTI", 1).route_with(stream.key.as_bytes()).end(begin);
        for (job, slot, changes) in with_changes.clone() {
            for write in &changes.writes {
                pack_set(commands, &keys.payload(&slot.job, &write.key), &write.value, write.expiry);
                commands.end(part());
            }
            if !slot.producer.is_empty() && slot.record > 0 {
                self.pack_record(state, commands, job, part());
            }
        }
        self.pack_acknowledgement(state, commands, stream, jobs.clone(), part());
        for (job, slot, _) in with_changes.clone() {
            if !slot.producer.is_empty() {
                pack_completion(state, commands, job, part());
            }
        }
        let removals = with_changes.clone().map(|(_, _, changes)| changes.removals.len()).sum::<usize>();
        if removals > 0 {
            commands.begin("DEL", 1 + removals);
            for (_, slot, changes) in with_changes {
                for key in &changes.removals {
                    commands.key_parts(&keys.payload(&slot.job, key));
                }
            }
            commands.end(part());
        }
        commands.begin("EXEC", 1).route_with(stream.key.as_bytes()).end(to);
        commands.bind_from(begun);
    }

    /// Packs the DEL of the payload keys to remove, if there are any. On a Cluster each key has a DEL of its own, since the
    /// keys are in different slots. Their outcomes go to `part`, and the last one to `to`.
    pub(crate) fn pack_removal(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        job: &SettledJob,
        part: impl Fn() -> Destination,
        to: Destination,
    ) {
        let (Some(slot), Some(changes)) = (state.jobs.job(job.token), &job.changes) else { return };
        let node = &self.node_set.nodes()[self.payload_node(state, job)];
        let at_once = if node.topology().is_some() { 1 } else { changes.removals.len().max(1) };
        let mut to = Some(to);
        let mut parts = changes.removals.chunks(at_once).peekable();
        while let Some(removals) = parts.next() {
            commands.begin("DEL", 1 + removals.len());
            for key in removals {
                commands.key_parts(&node.keys().payload(&slot.job, key));
            }
            let last = if parts.peek().is_none() { to.take() } else { None };
            commands.end(last.unwrap_or_else(&part));
        }
    }

    /// Returns the node of a job's payload keys.
    pub(crate) fn payload_node(&self, state: &ConsumerState, job: &SettledJob) -> usize {
        state.jobs.job(job.token).map_or(0, |slot| self.node_set.route(&slot.job))
    }
}
