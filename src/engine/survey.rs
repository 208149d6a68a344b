//! Which streams a search for entries to claim is worth while: one write tells of all of them how many entries they have
//! pending, and mostly that is none.

use std::time::Instant;

use tokio::sync::oneshot;

use crate::redis_io::codec::Value;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::streams::{pack_pending_summary, pack_time};

use super::consumer::Consumer;
use super::consumer_state::{ConsumerState, Phase};
use super::server_clock::read_time;

/// In one of so many rounds a stream is inspected, whether it has something pending or not; another round for each, so
/// that rounds are alike.
const INSPECTED_EVERY: usize = 5;

/// A stream that is to be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Search {
    pub(super) stream: usize,
    /// Whether the stream itself is looked at, too.
    pub(super) inspects: bool,
}

/// A reply that is to come.
type Answer = oneshot::Receiver<Result<Value, RedisError>>;

/// What was asked of the servers.
#[derive(Default)]
struct Questions {
    /// What there is to search without asking.
    known: Vec<Search>,
    pending: Vec<(usize, Answer)>,
    clocks: Vec<(usize, Answer)>,
    asked: Option<Instant>,
}

impl Consumer {
    /// The streams that the next round is to search, beginning with another one each time.
    pub(super) async fn survey(&self) -> Vec<Search> {
        let (round, streams) = {
            let mut state = self.lock();
            state.claim_rounds = state.claim_rounds.wrapping_add(1);
            (state.claim_rounds, state.streams.len().max(1))
        };
        let Questions { known: mut searches, pending, clocks, asked } = self.ask_of_streams(round);
        for (stream, answer) in pending {
            // What cannot be told is searched, which says why if that fails as well.
            if answer.await.ok().and_then(|reply| count_of(&reply.ok()?)) != Some(0) {
                searches.push(Search { stream, inspects: false });
            }
        }
        for (lane, answer) in clocks {
            let told = answer.await.ok().and_then(|reply| read_time(&reply.ok()?));
            if let Some((told, asked)) = told.zip(asked) {
                let clock = &mut self.lock().lanes[lane].clock;
                // Whoever searches looks again, and heeds what the clock has gained.
                clock.look(told, asked, Instant::now(), self.options.claim_deadline);
            }
        }
        searches.sort_by_key(|search| (search.stream + streams - round % streams) % streams);
        searches
    }

    /// Asks each node in one write.
    fn ask_of_streams(&self, round: usize) -> Questions {
        let mut questions = Questions::default();
        let mut writes: Vec<(usize, Commands)> = Vec::new();
        {
            let state = self.lock();
            if state.phase != Phase::Playing {
                return questions;
            }
            for stream in 0..state.streams.len() {
                self.ask_of_stream(&state, stream, round, &mut questions, &mut writes);
            }
        }
        questions.asked = Some(Instant::now());
        for (node, mut commands) in writes {
            self.bus.nodes()[node].shared().submit(&mut commands);
        }
        questions
    }

    fn ask_of_stream(
        &self,
        state: &ConsumerState,
        at: usize,
        round: usize,
        questions: &mut Questions,
        writes: &mut Vec<(usize, Commands)>,
    ) {
        let stream = &state.streams[at];
        let inspects = (round + at).is_multiple_of(INSPECTED_EVERY);
        if !stream.active {
            return;
        }
        if inspects || stream.claim_from.is_some() {
            return questions.known.push(Search { stream: at, inspects });
        }
        let known = writes.iter().position(|(node, _)| *node == stream.node);
        let write = known.unwrap_or_else(|| {
            writes.push((stream.node, Commands::default()));
            writes.len() - 1
        });
        let commands = &mut writes[write].1;
        let (sender, answer) = oneshot::channel();
        pack_pending_summary(commands, &stream.key, &self.group, Destination::Task(sender));
        questions.pending.push((at, answer));
        if !questions.clocks.iter().any(|(lane, _)| *lane == stream.lane) {
            let (sender, answer) = oneshot::channel();
            pack_time(commands, &stream.key, Destination::Task(sender));
            questions.clocks.push((stream.lane, answer));
        }
    }
}

/// How many entries are pending, as XPENDING tells.
fn count_of(reply: &Value) -> Option<i64> {
    match reply {
        Value::Array(parts) => match parts.first() {
            Some(Value::Integer(count)) => Some(*count),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_what_is_pending_comes_first() {
        let reply = Value::Array(vec![Value::Integer(7), Value::Nil, Value::Nil, Value::Nil]);
        assert_eq!(count_of(&reply), Some(7));
        assert_eq!(count_of(&Value::Array(Vec::new())), None);
        assert_eq!(count_of(&Value::Nil), None);
    }
}
