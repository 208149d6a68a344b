//! Record of a failure whose completion reached no connection. The entry of such a job stays pending, so nothing else
//! in Redis distinguishes it from a running job. A success needs no record, since its entry is acknowledged.

use crate::redis_io::command::ReplyTag;

use crate::engine::consumer::Consumer;
use crate::engine::protocol::completion_message;
use crate::engine::protocol::outcome_record::{RecordOf, pack_unreceived_failure};
use crate::engine::protocol::reply_tag::LAST;

/// Lifetime of the record in ms. A producer that reconnects queries it within this time.
const RECORD_TTL: u64 = 60_000;

impl Consumer {
    /// Records the failure that a ticket belongs to, unless it has an outcome record. A refusal is ignored, since
    /// users need no right to write records.
    pub(crate) fn record_undelivered_failure(&self, ticket: ReplyTag) {
        let Some(consumer) = self.this.upgrade() else { return };
        let (number, at) = (ticket.id as u32, (ticket.index & !LAST) as usize);
        let (lane, message, entry, name) = {
            let state = self.lock();
            let batch = state.batches.iter().find(|batch| batch.number == number);
            let Some(job) = batch.and_then(|batch| batch.jobs.get(at)) else { return };
            let Some(slot) = state.jobs.job(job.token).filter(|slot| slot.record == 0) else { return };
            let stream = &state.streams[job.stream as usize];
            let message =
                completion_message::message(&stream.completion_head, &slot.job, job.failure.as_deref(), "");
            (stream.lane, message, slot.entry, stream.options.name.clone())
        };
        self.node_set.context().tasks.spawn(async move {
            let node = consumer.node(lane).clone();
            let of = RecordOf { entry, stream: &name, group: &consumer.options.group };
            let recorded = consumer.ask(lane, |commands, to| {
                pack_unreceived_failure(commands, node.keys(), of, (&message, RECORD_TTL), to);
            });
            let _ = recorded.await;
        });
    }
}
