//! Keeps for a while how a job failed if its producer did not hear it. The entry of such a job stays pending, so that
//! nothing else in Redis tells it from a job that runs. A success needs no record: its entry is acknowledged.

use crate::redis_io::command::ReplyTag;

use crate::engine::consumer::Consumer;
use crate::engine::protocol::completion_message;
use crate::engine::protocol::outcome_record::{RecordOf, pack_unheard};
use crate::engine::protocol::reply_tag::LAST;

/// For how many ms: a producer that is about to connect again asks within this time.
const KEPT: u64 = 60_000;

impl Consumer {
    /// Records the failure that a ticket is about, unless it has a record of its own. A refusal is ignored, since users need
    /// no right to write records.
    pub(crate) fn keep_unheard(&self, ticket: ReplyTag) {
        let Some(consumer) = self.this.upgrade() else { return };
        let (number, at) = (ticket.id as u32, (ticket.index & !LAST) as usize);
        let (lane, message, entry, name) = {
            let state = self.lock();
            let batch = state.batches.iter().find(|batch| batch.number == number);
            let Some(job) = batch.and_then(|batch| batch.jobs.get(at)) else { return };
            let Some(slot) = state.slots.job(job.token).filter(|slot| slot.record == 0) else { return };
            let stream = &state.streams[job.stream as usize];
            let message =
                completion_message::message(&stream.notification_head, &slot.job, job.failure.as_deref());
            (stream.lane, message, slot.entry, stream.options.name.clone())
        };
        self.node_set.context().tasks.spawn(async move {
            let node = consumer.node(lane).clone();
            let of = RecordOf { entry, stream: &name, group: &consumer.options.group };
            let recorded = consumer.ask(lane, |commands, to| {
                pack_unheard(commands, node.keys(), of, (&message, KEPT), to);
            });
            let _ = recorded.await;
        });
    }
}
