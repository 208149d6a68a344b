//! Restores the mark on the last reply of a request whose replies come from several nodes.
//!
//! The packer of a request marks its last command. Nodes of a Cluster reply in any order. So this sink counts
//! replies, and moves the mark to the reply that comes last.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::redis_io::command::{Commands, ReplyTag};
use crate::redis_io::error::RedisError;
use crate::redis_io::link::ReplySink;
use crate::redis_io::locked::Locked;
use crate::redis_io::resp::Reply;
use crate::redis_io::world::map::HashMap;

use crate::engine::protocol::reply_tag::{LAST, ReplyKind};

/// A sink in front of the reply router.
pub struct ReplyCounter {
    sink: Arc<dyn ReplySink>,
    /// Number of missing replies by request or batch, for those with more than one. A lock, since commands leave on
    /// the host's thread and replies come on the engine's.
    missing: Mutex<HashMap<(bool, u64), u32>>,
}

impl ReplyCounter {
    /// A counter that passes replies on to `sink`.
    pub fn new(sink: Arc<dyn ReplySink>) -> Arc<Self> {
        Arc::new(Self { sink, missing: Mutex::default() })
    }

    /// Counts commands that will be sent. All commands of one request must come in one call.
    pub fn expect(&self, commands: &Commands) {
        if commands.len() < 2 {
            return;
        }
        let mut missing = self.missing();
        for ticket in commands.tags() {
            *missing.entry(who(ticket)).or_default() += 1;
        }
    }

    fn missing(&self) -> MutexGuard<'_, HashMap<(bool, u64), u32>> {
        self.missing.locked()
    }

    /// Returns true if this is the last reply of its request or batch.
    fn is_last(&self, ticket: ReplyTag) -> bool {
        let mut missing = self.missing();
        let Some(count) = missing.get_mut(&who(ticket)) else { return true };
        *count -= 1;
        let is_last = *count == 0;
        if is_last {
            missing.remove(&who(ticket));
        }
        is_last
    }
}

/// Key of the receiver of a reply: a consumer with a batch, or a request.
fn who(ticket: ReplyTag) -> (bool, u64) {
    (ReplyKind::settlement_step(ticket).is_some(), ticket.id)
}

impl ReplySink for ReplyCounter {
    fn reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        let index = ticket.index & !LAST | if self.is_last(ticket) { LAST } else { 0 };
        self.sink.reply(ReplyTag { index, ..ticket }, outcome);
    }

    fn burst_end(&self) {
        self.sink.burst_end();
    }
}

#[cfg(test)]
mod tests {
    use crate::redis_io::command::Destination;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(u32, bool)>>);

    impl ReplySink for Seen {
        fn reply(&self, ticket: ReplyTag, _outcome: Result<Reply<'_>, RedisError>) {
            self.0.locked().push((ticket.index & !LAST, ticket.index & LAST != 0));
        }
    }

    fn ticket(kind: ReplyKind, id: u64, index: u32) -> ReplyTag {
        ReplyTag { kind: kind as u8, index, id }
    }

    fn reply_counter(tickets: &[ReplyTag], answers: &[ReplyTag]) -> Vec<(u32, bool)> {
        let seen = Arc::new(Seen::default());
        let reply_counter = ReplyCounter::new(seen.clone());
        let mut commands = Commands::default();
        for &ticket in tickets {
            commands.begin("GET", 1).end(Destination::Sink(ticket));
        }
        reply_counter.expect(&commands);
        for &ticket in answers {
            reply_counter.reply(ticket, Ok(Reply::Nil));
        }
        assert!(reply_counter.missing().is_empty());
        let seen = seen.0.locked();
        seen.clone()
    }

    #[test]
    fn the_reply_that_comes_last_is_the_last_one() {
        let (first, last) = (ticket(ReplyKind::Bytes, 7, 0), ticket(ReplyKind::Part, 7, 1 | LAST));
        assert_eq!(reply_counter(&[first, last], &[last, first]), [(1, false), (0, true)]);
        assert_eq!(reply_counter(&[first, last], &[first, last]), [(0, false), (1, true)]);
    }

    #[test]
    fn requests_and_batches_of_the_same_number_are_distinct() {
        let (request, batch) =
            (ticket(ReplyKind::Part, 7, 1 | LAST), ticket(ReplyKind::Published, 7, 2 | LAST));
        assert_eq!(reply_counter(&[request, batch], &[batch, request]), [(2, true), (1, true)]);
    }

    #[test]
    fn a_single_reply_is_the_last() {
        let only = ticket(ReplyKind::Text, 7, LAST);
        assert_eq!(reply_counter(&[only], &[only]), [(0, true)]);
    }
}
