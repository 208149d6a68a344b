//! Single entries of a stream: their content, and the acknowledgement of trimmed ones.

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{pack_acknowledge, pack_entry};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::host::{Event, PendingJob};
use crate::engine::protocol::pending_entries::PendingEntry;

impl Consumer {
    pub(crate) fn acknowledge_trimmed(&self, stream: usize, lane: usize, key: &str, gone: &[EntryId]) {
        if gone.is_empty() {
            return;
        }
        let mut commands = Commands::default();
        let ids = gone.iter().copied();
        pack_acknowledge(&mut commands, (key, &self.group), gone.len(), ids, Destination::Nowhere);
        self.shared(lane).submit(&mut commands);
        self.report_trimmed(stream, gone.len() as u64, true);
    }

    /// Fetches entries as they are in the stream; `None` for an entry that is not there any more.
    pub(crate) async fn fetch(
        &self,
        lane: usize,
        key: &str,
        ids: &[EntryId],
    ) -> Result<Vec<Option<Value>>, RedisError> {
        let mut replies = Vec::with_capacity(ids.len());
        {
            let mut commands = Commands::default();
            for &id in ids {
                let (sender, receiver) = oneshot::channel();
                pack_entry(&mut commands, key, id, Destination::Task(sender));
                replies.push(receiver);
            }
            self.shared(lane).submit(&mut commands);
        }
        let mut entries = Vec::with_capacity(ids.len());
        for reply in replies {
            // Every command gets a reply or an error.
            let reply = reply.await.unwrap_or_else(|_| Err(RedisError::closed()))?;
            entries.push(match reply {
                Value::Array(found) => found.into_iter().next(),
                _ => None,
            });
        }
        Ok(entries)
    }

    /// Reports entries that are not in their stream any more: trimmed while `pending`, or before the group read them.
    pub(crate) fn report_trimmed(&self, stream: usize, count: u64, pending: bool) {
        if count == 0 {
            return;
        }
        let (consumer, stream) = {
            let mut state = self.lock();
            state.counts.trimmed += count;
            (self.number, state.streams[stream].number)
        };
        let host = &self.node_set.context().host;
        host.event(Event::Trimmed { consumer, stream, count, pending });
        host.wake();
    }
}

/// Builds the host's view of a pending entry.
pub(crate) fn found_entry(key: &str, pending: PendingEntry, producer: String, job: String) -> PendingJob {
    PendingJob {
        id: pending.id,
        stream: key.to_owned(),
        owner: pending.owner,
        idle: pending.idle,
        deliveries: pending.deliveries,
        producer,
        job,
    }
}
