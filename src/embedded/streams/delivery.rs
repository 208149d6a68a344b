//! Delivery of entries to readers.

use crate::redis_io::streams::entry::EntryId;

use crate::embedded::chaos::Chaos;
use crate::embedded::key::Key;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::streams::group::{ConsumerGroup, UnacknowledgedEntry};
use crate::embedded::streams::log::Log;
use crate::embedded::streams::stream_id::GREATEST;

/// Replies what is behind an id.
pub fn read_after(log: &Log, after: EntryId, count: usize, reply: &mut ReplyBuffer) {
    let most = if count == 0 { usize::MAX } else { count };
    let open = reply.open();
    let mut written = 0;
    if let Some(from) = after.successor() {
        for entry in log.range(from, GREATEST).take(most) {
            entry.write(reply);
            written += 1;
        }
    }
    reply.close(open, written);
}

/// Returns true if a group has an entry to deliver. Only then a read creates its consumer.
pub fn has_news(log: &Log, group: &ConsumerGroup) -> bool {
    log.length > 0 && log.last_valid_id() > group.last || !group.again.is_empty()
}

/// A consumer's read of one stream.
pub struct ReadCursor<'a> {
    pub log: &'a Log,
    pub group: &'a mut ConsumerGroup,
    pub consumer: Key,
    pub no_ack: bool,
    pub count: usize,
    pub now: u64,
    pub chaos: &'a mut Chaos,
}

impl ReadCursor<'_> {
    fn most(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }

    /// Replies what the group has not read. Returns whether that was something.
    pub fn read_new(&mut self, key: &[u8], reply: &mut ReplyBuffer) -> bool {
        reply.array(2);
        reply.bulk(key);
        let open = reply.open();
        let mut written = self.repeat(reply);
        let log = self.log;
        let from = self.group.last.successor().unwrap_or(GREATEST);
        for entry in log.range(from, GREATEST).take(self.most() - written) {
            self.advance(entry.id);
            entry.write(reply);
            written += 1;
            if self.no_ack {
                continue;
            }
            self.give(entry.id, 1);
            if self.chaos.duplicates() {
                self.group.again.push(entry.id);
            }
        }
        reply.close(open, written);
        written > 0
    }

    /// Replies the entries that chaos delivers once more. Returns their number.
    fn repeat(&mut self, reply: &mut ReplyBuffer) -> usize {
        let most = self.most().min(self.group.again.len());
        let again: Vec<EntryId> = self.group.again.drain(..most).collect();
        let mut written = 0;
        for id in again {
            let Some(entry) = self.log.get(id) else { continue };
            entry.write(reply);
            let deliveries = self.group.pending.get(&id).map_or(1, |pending| pending.deliveries);
            self.give(id, deliveries + 1);
            written += 1;
        }
        written
    }

    /// The group has read up to `id`.
    fn advance(&mut self, id: EntryId) {
        let group = &mut *self.group;
        group.read = match group.read {
            Some(read) if !self.log.has_gaps(id) => Some(read + 1),
            _ if self.log.added > 0 => self.log.rank(id),
            read => read,
        };
        group.last = id;
    }

    fn give(&mut self, id: EntryId, deliveries: u64) {
        let pending =
            UnacknowledgedEntry { consumer: self.consumer.clone(), delivered_at: self.now, deliveries };
        self.group.assign(id, pending);
    }

    /// Replies what is pending for the consumer behind an id.
    pub fn read_again(&mut self, key: &[u8], after: EntryId, reply: &mut ReplyBuffer) {
        reply.array(2);
        reply.bulk(key);
        let mine = self.group.consumers.get(&self.consumer).zip(after.successor());
        let ids: Vec<EntryId> = mine
            .map(|(consumer, from)| consumer.pending.range(from..).copied().take(self.most()).collect())
            .unwrap_or_default();
        reply.array(ids.len());
        for id in ids {
            let Some(entry) = self.log.get(id) else {
                reply.array(2);
                reply.id(id);
                reply.nil_array();
                continue;
            };
            entry.write(reply);
            if let Some(pending) = self.group.pending.get_mut(&id) {
                pending.delivered_at = self.now;
                pending.deliveries += 1;
            }
        }
    }
}
