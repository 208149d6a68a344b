//! Figures of consumers and producers, and the lag of a consumer's groups.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::metrics::Totals;
use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::pack_groups;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::counts::Counts;
use crate::engine::consumer::state::stream::StreamState;
use crate::engine::producer::Producer;
use crate::engine::producer::outcome_query::PendingReply;
use crate::engine::protocol::group_info::GroupInfo;

/// Figures of a consumer at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerStats {
    /// Totals since its creation.
    pub counts: Counts,
    /// Jobs that run, or whose settlement Redis has not confirmed. Released ones do not count.
    pub in_flight: usize,
    /// Buffered entries that wait for a slot.
    pub waiting: usize,
    /// Number of free slots. `None` is no limit.
    pub free: Option<usize>,
    /// Time until a rate limit without permits has some again.
    pub limited_for: Duration,
    /// Bytes and reconnections of its reader connections.
    pub own: Totals,
    /// Bytes and reconnections of the connections of its bus.
    pub shared: Totals,
}

/// Figures of a producer at one time, without those of the facade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStats {
    /// Completions received, one for each group.
    pub completions_received: u64,
    /// Number of waits for completions.
    pub waiting: usize,
    /// Bytes and reconnections of the connections of its bus.
    pub shared: Totals,
}

/// Lag of the group on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupLag {
    /// Number of entries that were not delivered to it. `None` if Redis does not know.
    pub lag: Option<u64>,
    /// Number of entries that were delivered to it and not acknowledged. `None` without a reply.
    pub pending: Option<u64>,
    /// Number of delayed sends whose entries were not added yet. `None` without a reply.
    pub delayed: Option<u64>,
}

impl GroupLag {
    /// Reads the reply of XINFO GROUPS. All figures of a missing group are `None`.
    fn read(reply: &Value, group: &str) -> Self {
        let found = GroupInfo::read_all(reply).find(|(name, _)| *name == group.as_bytes());
        found.map_or_else(Self::default, |(_, group)| Self {
            lag: group.lag,
            pending: Some(group.pending),
            delayed: None,
        })
    }

    /// Sum of both. A figure that one side does not know is `None`.
    fn with(self, other: Self) -> Self {
        let sum = |left: Option<u64>, right: Option<u64>| Some(left? + right?);
        Self {
            lag: sum(self.lag, other.lag),
            pending: sum(self.pending, other.pending),
            delayed: sum(self.delayed, other.delayed),
        }
    }
}

impl Producer {
    /// Figures at this time.
    pub fn stats(&self) -> ProducerStats {
        let state = self.lock();
        ProducerStats {
            completions_received: state.received,
            waiting: state.completions.len(),
            shared: self.node_set.totals(),
        }
    }
}

impl Consumer {
    /// Figures at this time.
    pub fn stats(&self) -> ConsumerStats {
        let own = self.lanes().iter().map(|lane| lane.blocking.totals()).sum();
        let state = self.lock();
        let concurrency = self.options.concurrency;
        ConsumerStats {
            counts: state.counts,
            in_flight: state.jobs.in_flight(),
            waiting: state.buffered_count(),
            free: (concurrency != u32::MAX).then(|| state.free(concurrency)),
            limited_for: state
                .limits
                .next_opening()
                .map_or(Duration::ZERO, |opens| opens.saturating_duration_since(Instant::now())),
            own,
            shared: self.node_set.totals(),
        }
    }

    /// Lag of the group on each stream, by the number of the stream. Only nodes with a ready connection are queried,
    /// for `patience` at most.
    pub async fn group_lags(&self, patience: Duration) -> BTreeMap<u32, GroupLag> {
        let mut group_lags: BTreeMap<u32, GroupLag> = BTreeMap::new();
        let deadline = Instant::now().checked_add(patience);
        for (stream, groups, delayed) in self.ask_for_group_lags() {
            let reply = answer_until(groups, deadline).await;
            let delayed = match answer_until(delayed, deadline).await {
                Some(Value::Integer(count)) => u64::try_from(count).ok(),
                _ => None,
            };
            let lag = reply.map(|reply| GroupLag::read(&reply, &self.group)).unwrap_or_default();
            let lag = GroupLag { delayed, ..lag };
            group_lags.entry(stream).and_modify(|known| *known = known.with(lag)).or_insert(lag);
        }
        group_lags
    }

    /// Queries each node in one write. The write is not sent again, since callers repeat the query every few
    /// seconds.
    fn ask_for_group_lags(&self) -> Vec<(u32, Option<PendingReply>, Option<PendingReply>)> {
        let streams: Vec<_> = {
            let state = self.lock();
            let place = |stream: &StreamState| {
                let times = self.node_set.schedule_keys(stream.node, &stream.options.name).times;
                (stream.number, stream.node, stream.key.clone(), times)
            };
            state.streams.iter().map(place).collect()
        };
        let nodes = self.node_set.nodes();
        let is_there: Vec<bool> = nodes
            .iter()
            .map(|node| node.shared().current().is_some_and(|link| link.state() == LinkState::Ready))
            .collect();
        let mut writes: Vec<Commands> = nodes.iter().map(|_| Commands::default()).collect();
        let mut answers = Vec::with_capacity(streams.len());
        for (number, node, key, times) in streams {
            let mut ask = |pack: &dyn Fn(&mut Commands, Destination)| {
                let (sender, receiver) = oneshot::channel();
                pack(&mut writes[node], Destination::Task(sender));
                receiver
            };
            let asks = is_there[node];
            let groups = asks.then(|| ask(&|commands, to| pack_groups(commands, &key, to)));
            let pack_count =
                |commands: &mut Commands, to| commands.begin("ZCARD", 2).key(times.as_bytes()).end(to);
            let delayed = asks.then(|| ask(&pack_count));
            answers.push((number, groups, delayed));
        }
        for (node, write) in nodes.iter().zip(&mut writes) {
            write.send_once();
            node.shared().submit(write);
        }
        answers
    }
}

/// Returns a reply, unless it is an error or comes after the deadline.
async fn answer_until(reply: Option<PendingReply>, deadline: Option<Instant>) -> Option<Value> {
    let answer = async { reply?.await.ok()?.ok() };
    match deadline {
        Some(deadline) => timeout_at(deadline, answer).await.ok().flatten(),
        None => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_that_of_the_group_and_what_redis_does_not_say_is_not_known() {
        let text = |text: &str| Value::Bulk(text.into());
        let group = |name, lag| {
            let (count, id) = (Value::Integer(3), text("1-0"));
            let names =
                [text("name"), text("consumers"), text("pending"), text("last-delivered-id"), text("lag")];
            let fields = names.into_iter().zip([text(name), count.clone(), count, id, lag]);
            Value::Array(fields.flat_map(<[Value; 2]>::from).collect())
        };
        let reply = Value::Array(vec![group("other", Value::Integer(1)), group("mine", Value::Integer(2))]);
        let known = GroupLag { lag: Some(2), pending: Some(3), delayed: None };
        assert_eq!(GroupLag::read(&reply, "mine"), known);
        assert_eq!(GroupLag::read(&reply, "none"), GroupLag::default());
        let vague = GroupLag::read(&Value::Array(vec![group("mine", Value::Nil)]), "mine");
        assert_eq!(vague, GroupLag { lag: None, pending: Some(3), delayed: None });
        assert_eq!(known.with(vague), GroupLag { lag: None, pending: Some(6), delayed: None });
    }
}
