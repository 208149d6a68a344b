//! What a consumer and a producer have done so far, and how far the groups of a consumer are behind.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::metrics::Totals;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::pack_groups;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::counts::Counts;
use crate::engine::producer::Producer;

/// A consumer at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerStats {
    /// What it has done.
    pub counts: Counts,
    /// Jobs that run, or whose end Redis has not confirmed; released ones are left out.
    pub in_flight: usize,
    /// Entries that were read and wait for a slot.
    pub waiting: usize,
    /// How many more jobs could begin; `None` is any number.
    pub free: Option<usize>,
    /// What passed through the connections that it waits for entries on.
    pub own: Totals,
    /// What passed through those of its bus.
    pub shared: Totals,
}

/// A producer at one time, as far as the engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStats {
    /// Completions that it got, one for each group.
    pub heard: u64,
    /// Jobs whose completions are waited for.
    pub waiting: usize,
    /// What passed through the connections of its bus.
    pub shared: Totals,
}

/// How far the group is with a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many entries it has not been given; `None` where Redis does not know.
    pub lag: Option<u64>,
    /// How many it was given and has not acknowledged; `None` where that could not be asked.
    pub pending: Option<u64>,
}

impl Standing {
    /// From the reply of XINFO GROUPS; nothing is known of a group that is not there.
    fn read(reply: &Value, group: &str) -> Self {
        let Value::Array(groups) = reply else { return Self::default() };
        let is_named = |one: &&Value| one.field("name").and_then(Value::bytes) == Some(group.as_bytes());
        let Some(group) = groups.iter().find(is_named) else { return Self::default() };
        let count = |name| group.field(name).and_then(Value::count);
        Self { lag: count("lag"), pending: count("pending") }
    }

    /// That of both together; what is not known of one is not known.
    fn with(self, other: Self) -> Self {
        let sum = |left: Option<u64>, right: Option<u64>| Some(left? + right?);
        Self { lag: sum(self.lag, other.lag), pending: sum(self.pending, other.pending) }
    }
}

impl Producer {
    /// What it has done.
    pub fn stats(&self) -> ProducerStats {
        let state = self.lock();
        ProducerStats { heard: state.heard, waiting: state.completions.len(), shared: self.node_set.totals() }
    }
}

impl Consumer {
    /// What it has done.
    pub fn stats(&self) -> ConsumerStats {
        let own = self.lanes().iter().map(|lane| lane.blocking.totals()).sum();
        let state = self.lock();
        let concurrency = self.options.concurrency;
        ConsumerStats {
            counts: state.counts,
            in_flight: state.jobs.in_flight(),
            waiting: state.buffered.len(),
            free: (concurrency != u32::MAX).then(|| state.free(concurrency)),
            own,
            shared: self.node_set.totals(),
        }
    }

    /// How far the group is with each stream, by its number. Servers are asked only where there is a connection, and for
    /// `patience` at most.
    pub async fn standings(&self, patience: Duration) -> BTreeMap<u32, Standing> {
        let mut standings: BTreeMap<u32, Standing> = BTreeMap::new();
        let deadline = Instant::now().checked_add(patience);
        for (stream, reply) in self.ask_for_standings() {
            let answer = async { reply?.await.ok()?.ok() };
            let reply = match deadline {
                Some(deadline) => timeout_at(deadline, answer).await.ok().flatten(),
                None => answer.await,
            };
            let standing = reply.map(|reply| Standing::read(&reply, &self.group)).unwrap_or_default();
            standings.entry(stream).and_modify(|known| *known = known.with(standing)).or_insert(standing);
        }
        standings
    }

    /// Asks each node in one write, which is not sent again: who asks does so every few seconds.
    fn ask_for_standings(&self) -> Vec<(u32, Option<Answer>)> {
        let streams: Vec<_> = {
            let state = self.lock();
            state.streams.iter().map(|stream| (stream.number, stream.node, stream.key.clone())).collect()
        };
        let nodes = self.node_set.nodes();
        let is_there: Vec<bool> = nodes
            .iter()
            .map(|node| node.shared().current().is_some_and(|link| link.state() == LinkState::Ready))
            .collect();
        let mut writes: Vec<Commands> = nodes.iter().map(|_| Commands::default()).collect();
        let mut answers = Vec::with_capacity(streams.len());
        for (number, node, key) in streams {
            let answer = is_there[node].then(|| {
                let (sender, receiver) = oneshot::channel();
                pack_groups(&mut writes[node], &key, Destination::Task(sender));
                receiver
            });
            answers.push((number, answer));
        }
        for (node, write) in nodes.iter().zip(&mut writes) {
            write.send_once();
            node.shared().submit(write);
        }
        answers
    }
}

/// A reply that is to come.
type Answer = oneshot::Receiver<Result<Value, RedisError>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_that_of_the_group_and_what_redis_does_not_say_is_not_known() {
        let text = |text: &str| Value::Bulk(text.into());
        let group = |name, lag| {
            Value::Array(vec![text("name"), text(name), text("pending"), Value::Integer(3), text("lag"), lag])
        };
        let reply = Value::Array(vec![group("other", Value::Integer(1)), group("mine", Value::Integer(2))]);
        let known = Standing { lag: Some(2), pending: Some(3) };
        assert_eq!(Standing::read(&reply, "mine"), known);
        assert_eq!(Standing::read(&reply, "none"), Standing::default());
        let vague = Standing::read(&Value::Array(vec![group("mine", Value::Nil)]), "mine");
        assert_eq!(vague, Standing { lag: None, pending: Some(3) });
        assert_eq!(known.with(vague), Standing { lag: None, pending: Some(6) });
    }
}
