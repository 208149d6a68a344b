//! Outcome record of a failure whose entry is dead-lettered. The entry is then acknowledged as after a success, so
//! the record is needed to distinguish the two.

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Value;

use crate::engine::consumer::Consumer;
use crate::engine::host::PendingJob;
use crate::engine::protocol::completion_commands::{ChannelHead, pack_completion};
use crate::engine::protocol::completion_message;
use crate::engine::protocol::job_error::JobError;
use crate::engine::protocol::outcome_record::{self, FAILURE_RECORD_TTL, RecordOf, RecordPrecedence};

/// Error code of a job that reached the retry limit without an outcome.
pub const EXHAUSTED: &str = "EXHAUSTED";

impl Consumer {
    /// Records the failure of an entry that is about to be dead-lettered. Without an `error`, and without a record of
    /// an earlier failure, the completion is published too.
    pub(crate) async fn record_failure(
        &self,
        stream: usize,
        lane: usize,
        found: &PendingJob,
        error: Option<&str>,
    ) -> Result<(), RedisError> {
        if found.producer.is_empty() {
            return Ok(());
        }
        let (name, head, channel_head, completions) = {
            let stream = &self.lock().streams[stream];
            let heads = (stream.completion_head.clone(), stream.channel_head.clone());
            (stream.options.name.clone(), heads.0, heads.1, stream.completions)
        };
        let exhausted;
        let text = match error {
            Some(error) => error,
            None => {
                exhausted = exhausted_json(found.deliveries);
                &exhausted
            }
        };
        let message = completion_message::message(&head, &found.job, Some(text), "");
        let of = RecordOf { entry: found.id, stream: &name, group: &self.options.group };
        let node = self.node(lane).clone();
        let keep = if error.is_some() { RecordPrecedence::Last } else { RecordPrecedence::First };
        let recorded = self.ask(lane, |commands, to| {
            outcome_record::pack_record(commands, node.keys(), of, (&message, FAILURE_RECORD_TTL), keep, to);
        });
        let is_first = match recorded.await {
            Ok(reply) => !matches!(reply, Value::Nil),
            // A user without the right to write records can still have dead letters.
            Err(error) if error.kind == RedisErrorKind::Reply && !error.is_passing() => true,
            Err(error) => return Err(error),
        };
        if error.is_none() && is_first {
            let publish = self.node_set.nodes()[completions].shared().call(|commands, to| {
                let head = ChannelHead::Ordinary(&channel_head);
                pack_completion(commands, (head, &found.producer), &message, to);
            });
            publish.await?;
        }
        Ok(())
    }
}

fn exhausted_json(deliveries: u64) -> String {
    JobError::new(EXHAUSTED, &format!("The job was given up after {deliveries} deliveries")).to_json()
}
