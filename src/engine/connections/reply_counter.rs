//! Restores what is promised of a request's replies where they come from several nodes: the last one is the last.
//!
//! Who packs a request marks its last command. The nodes of a Cluster answer in any order, so here replies are
//! counted instead, and the one that comes last gets the mark.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::redis_io::command::{Commands, ReplyTag};
use crate::redis_io::error::RedisError;
use crate::redis_io::link::ReplySink;
use crate::redis_io::resp::Reply;

use crate::engine::protocol::reply_tag::{Kind, LAST};

/// A sink in front of the sink of a bus.
pub struct Gather {
    sink: Arc<dyn ReplySink>,
    /// How many replies are missing, of who waits for more than one. A lock, since commands leave on the host's
    /// thread and replies come on the engine's.
    missing: Mutex<HashMap<(bool, u64), u32>>,
}

impl Gather {
    /// Replies go on to `sink`.
    pub fn new(sink: Arc<dyn ReplySink>) -> Arc<Self> {
        Arc::new(Self { sink, missing: Mutex::default() })
    }

    /// These commands are about to leave. All of one request leave together.
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
        self.missing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether this is the last reply of who waits for it.
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

/// Who waits for a reply: a consumer with a batch, or a request.
fn who(ticket: ReplyTag) -> (bool, u64) {
    (Kind::part(ticket).is_some(), ticket.id)
}

impl ReplySink for Gather {
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
            self.0.lock().unwrap().push((ticket.index & !LAST, ticket.index & LAST != 0));
        }
    }

    fn ticket(kind: Kind, id: u64, index: u32) -> ReplyTag {
        ReplyTag { kind: kind as u8, index, id }
    }

    fn gather(tickets: &[ReplyTag], answers: &[ReplyTag]) -> Vec<(u32, bool)> {
        let seen = Arc::new(Seen::default());
        let gather = Gather::new(seen.clone());
        let mut commands = Commands::default();
        for &ticket in tickets {
            commands.begin("GET", 1).end(Destination::Sink(ticket));
        }
        gather.expect(&commands);
        for &ticket in answers {
            gather.reply(ticket, Ok(Reply::Nil));
        }
        assert!(gather.missing().is_empty());
        let seen = seen.0.lock().unwrap();
        seen.clone()
    }

    #[test]
    fn the_reply_that_comes_last_is_the_last_one() {
        let (first, last) = (ticket(Kind::Bytes, 7, 0), ticket(Kind::Part, 7, 1 | LAST));
        assert_eq!(gather(&[first, last], &[last, first]), [(1, false), (0, true)]);
        assert_eq!(gather(&[first, last], &[first, last]), [(0, false), (1, true)]);
    }

    #[test]
    fn requests_and_batches_of_the_same_number_are_told_apart() {
        let (request, batch) = (ticket(Kind::Part, 7, 1 | LAST), ticket(Kind::Published, 7, 2 | LAST));
        assert_eq!(gather(&[request, batch], &[batch, request]), [(2, true), (1, true)]);
    }

    #[test]
    fn who_waits_for_one_reply_gets_it_as_the_last() {
        let only = ticket(Kind::Text, 7, LAST);
        assert_eq!(gather(&[only], &[only]), [(0, true)]);
    }
}
