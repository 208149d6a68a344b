//! What Redis is asked about waits whose completions may have been missed, and what it shows.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{pack_entry, pack_groups, pack_pending_entry};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::nodes::node_set::NodeSet;

use crate::engine::producer::Producer;
use crate::engine::producer::completion_wait::OutcomeCheck;
use crate::engine::producer::outcome::{EntryObservation, JobOutcome, read_groups};
use crate::engine::protocol::outcome_record::{RecordOf, pack_record_read, pack_unheard_read, read_record};

/// How long the answers may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What Redis shows of a wait, by group.
pub(crate) type GroupOutcomes<'a> = Result<Vec<(&'a str, JobOutcome)>, RedisError>;

pub(crate) type PendingReply = oneshot::Receiver<Result<Value, RedisError>>;

impl Producer {
    /// What Redis shows of waits, group by group. Where the groups are is asked first: an entry that they are past
    /// then, and that is not pending afterwards, was acknowledged.
    pub(crate) async fn ask<'a>(
        &self,
        doubts: &'a [OutcomeCheck],
    ) -> Vec<(&'a OutcomeCheck, GroupOutcomes<'a>)> {
        let mut inquiry = OutcomeQuery::new(&self.node_set, PATIENCE);
        let mut positions = HashMap::new();
        for doubt in doubts {
            let node = doubt.plan.node(&self.node_set, &doubt.job);
            let key = doubt.plan.key(node);
            positions
                .entry((node, key))
                .or_insert_with(|| inquiry.ask(node, |commands, to| pack_groups(commands, key, to)));
        }
        inquiry.submit();
        let mut groups = HashMap::with_capacity(positions.len());
        for (place, answer) in positions {
            groups.insert(place, inquiry.answer(answer).await.map(|reply| read_groups(&reply)));
        }
        let mut inquiry = OutcomeQuery::new(&self.node_set, PATIENCE);
        let questions: Vec<WaitQuery<'a>> =
            doubts.iter().map(|doubt| self.question(doubt, &mut inquiry)).collect();
        inquiry.submit();
        let mut answers = Vec::with_capacity(doubts.len());
        for question in questions {
            let doubt = question.doubt;
            let known = match &groups[&(question.node, doubt.plan.key(question.node))] {
                // There is no such stream, which is for what follows to show.
                Err(error) if error.reply_code() == Some("ERR") => Ok(None),
                Err(error) => Err(error.clone()),
                Ok(groups) => Ok(Some(groups)),
            };
            answers.push((doubt, question.verdicts(&inquiry, known).await));
        }
        answers
    }

    fn question<'a>(&self, doubt: &'a OutcomeCheck, inquiry: &mut OutcomeQuery<'_>) -> WaitQuery<'a> {
        let OutcomeCheck { wait, job, plan, entry, .. } = doubt;
        let node = plan.node(&self.node_set, job);
        let (key, keys) = (plan.key(node), self.node_set.nodes()[node].keys());
        let missing: Vec<&str> = {
            let state = self.lock();
            let missing = plan.groups.iter().filter(|group| state.completions.is_missing(*wait, group));
            missing.map(String::as_str).collect()
        };
        let is_there = inquiry.ask(node, |commands, to| pack_entry(commands, key, *entry, to));
        let ask_about = |group: &'a str| {
            let name = self.node_set.keys().group(group);
            let of = RecordOf { entry: *entry, stream: &plan.stream, group };
            let pending =
                inquiry.ask(node, |commands, to| pack_pending_entry(commands, key, &name, *entry, to));
            let record = inquiry.ask(node, |commands, to| pack_record_read(commands, keys, of, to));
            let unheard = inquiry.ask(node, |commands, to| pack_unheard_read(commands, keys, of, to));
            GroupQuery { group, name, pending, record, unheard }
        };
        WaitQuery { doubt, node, is_there, groups: missing.into_iter().map(ask_about).collect() }
    }
}

/// What was asked about a wait.
struct WaitQuery<'a> {
    doubt: &'a OutcomeCheck,
    node: usize,
    is_there: PendingReply,
    groups: Vec<GroupQuery<'a>>,
}

struct GroupQuery<'a> {
    group: &'a str,
    /// With its prefix.
    name: String,
    pending: PendingReply,
    record: PendingReply,
    unheard: PendingReply,
}

impl<'a> WaitQuery<'a> {
    /// `known` is where the groups are; `None` if there is no such stream.
    async fn verdicts(
        self,
        inquiry: &OutcomeQuery<'_>,
        known: Result<Option<&HashMap<String, EntryId>>, RedisError>,
    ) -> Result<Vec<(&'a str, JobOutcome)>, RedisError> {
        let OutcomeCheck { job, plan, entry, recorded, .. } = self.doubt;
        let is_there =
            matches!(inquiry.answer(self.is_there).await?, Value::Array(found) if !found.is_empty());
        let known = known?;
        let mut verdicts = Vec::with_capacity(self.groups.len());
        for GroupQuery { group, name, pending, record, unheard } in self.groups {
            let is_pending = match inquiry.answer(pending).await {
                Ok(rows) => matches!(rows, Value::Array(rows) if !rows.is_empty()),
                Err(error) if error.reply_code() == Some("NOGROUP") => false,
                Err(error) => return Err(error),
            };
            let of = RecordOf { entry: *entry, stream: &plan.stream, group };
            let record = match inquiry.answer(record).await {
                Ok(reply) => read_record(&reply, job, of),
                // Who did not ask for a record need not be allowed to read one.
                Err(error) if error.kind == RedisErrorKind::Reply && !recorded => None,
                Err(error) => return Err(error),
            };
            let unheard = match inquiry.answer(unheard).await {
                Ok(reply) => read_record(&reply, job, of).flatten(),
                Err(error) if error.kind == RedisErrorKind::Reply => None,
                Err(error) => return Err(error),
            };
            let delivered = known.and_then(|groups| groups.get(&name)).map(|last| last >= entry);
            verdicts.push((
                group,
                EntryObservation { delivered, is_there, is_pending, record, unheard }.verdict(),
            ));
        }
        Ok(verdicts)
    }
}

/// Commands that leave in one write to each node, and the time that all answers have.
pub(crate) struct OutcomeQuery<'a> {
    node_set: &'a NodeSet,
    commands: Vec<Commands>,
    deadline: Instant,
}

impl<'a> OutcomeQuery<'a> {
    pub(crate) fn new(node_set: &'a NodeSet, patience: Duration) -> Self {
        let commands = node_set.nodes().iter().map(|_| Commands::default()).collect();
        Self { node_set, commands, deadline: Instant::now() + patience }
    }

    pub(crate) fn ask(&mut self, node: usize, pack: impl FnOnce(&mut Commands, Destination)) -> PendingReply {
        let (sender, answer) = oneshot::channel();
        pack(&mut self.commands[node], Destination::Task(sender));
        answer
    }

    /// To a node whose connection is not there nothing is sent, so that no questions pile up in front of it.
    pub(crate) fn submit(&mut self) {
        for (node, commands) in self.node_set.nodes().iter().zip(&mut self.commands) {
            let link = node.shared().current().filter(|link| link.state() == LinkState::Ready);
            match link {
                Some(_) => node.shared().submit(commands),
                None => *commands = Commands::default(),
            }
        }
    }

    pub(crate) async fn answer(&self, answer: PendingReply) -> Result<Value, RedisError> {
        match timeout_at(self.deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(RedisError::closed()),
        }
    }
}
