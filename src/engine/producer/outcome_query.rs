//! Queries to Redis about waits whose completions can have been missed, and their outcomes.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{pack_entry, pack_groups, pack_pending_entry};
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};
use crate::redis_io::world::map::{HashBuilder, HashMap};

use crate::engine::nodes::node_set::NodeSet;

use crate::engine::producer::Producer;
use crate::engine::producer::completion_wait::OutcomeCheck;
use crate::engine::producer::outcome::{EntryObservation, JobOutcome};
use crate::engine::protocol::group_info::GroupInfo;
use crate::engine::protocol::outcome_record::{
    RecordOf, pack_record_read, pack_unreceived_failure_read, read_record,
};
use crate::engine::protocol::retention_mark::RetentionMark;

/// Maximum time of the replies.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Outcomes of a wait, by group.
pub(crate) type GroupOutcomes<'a> = Result<Vec<GroupOutcome<'a>>, RedisError>;

/// Outcome of a wait for one group.
pub(crate) struct GroupOutcome<'a> {
    pub(crate) group: &'a str,
    /// True if there is such a group.
    pub(crate) exists: bool,
    /// True if the group has the entry, or gets it later.
    pub(crate) is_expected: bool,
    pub(crate) outcome: JobOutcome,
}

pub(crate) type PendingReply = oneshot::Receiver<Result<Value, RedisError>>;

impl Producer {
    /// Outcomes of waits, group by group. The positions of the groups are queried first. An entry before the
    /// position that is not pending afterwards was acknowledged. That holds for the replies of one server: another one
    /// can lack the delivery, so replies before and after a change of servers are no answer.
    ///
    /// Records and marks are queried last, since they are written before an entry is acknowledged or removed. In a Cluster they
    /// are on other servers, so only the replies before them keep the order.
    pub(crate) async fn ask<'a>(
        &self,
        checks: &'a [OutcomeCheck],
    ) -> Vec<(&'a OutcomeCheck, GroupOutcomes<'a>)> {
        let servers = self.node_set.server_changes();
        let mut query = OutcomeQuery::new(&self.node_set, QUERY_TIMEOUT);
        let mut positions = HashMap::default();
        for check in checks {
            let node = check.plan.node(&self.node_set, &check.job);
            let key = check.plan.key(node);
            positions
                .entry((node, key))
                .or_insert_with(|| query.ask(node, |commands, to| pack_groups(commands, key, to)));
        }
        query.submit();
        let mut groups = HashMap::with_capacity_and_hasher(positions.len(), HashBuilder::default());
        for (place, answer) in positions {
            groups.insert(place, query.answer(answer).await.map(|reply| group_positions(&reply)));
        }
        let mut query = OutcomeQuery::new(&self.node_set, QUERY_TIMEOUT);
        let entry_queries: Vec<EntryQuery<'a>> =
            checks.iter().map(|check| self.entry_query(check, &mut query)).collect();
        query.submit();
        let mut entries = Vec::with_capacity(entry_queries.len());
        for entry_query in entry_queries {
            entries.push(entry_query.answers(&query).await);
        }
        let mut query = OutcomeQuery::new(&self.node_set, QUERY_TIMEOUT);
        let mut marks: HashMap<(usize, &str), PendingReply> = HashMap::default();
        let mut wait_queries = Vec::with_capacity(entries.len());
        for entry in entries {
            let (keys, stream) = (self.node_set.nodes()[entry.node].keys(), entry.check.plan.stream.as_str());
            marks.entry((entry.node, stream)).or_insert_with(|| {
                query.ask(entry.node, |commands, to| RetentionMark::pack_read(commands, keys, stream, to))
            });
            wait_queries.push(self.wait_query(entry, &mut query));
        }
        query.submit();
        let mut retired = HashMap::with_capacity_and_hasher(marks.len(), HashBuilder::default());
        for (place, answer) in marks {
            // Without the right to read marks, an entry that is gone was not retired.
            retired.insert(place, query.answer(answer).await.ok().as_ref().and_then(RetentionMark::read));
        }
        let mut answers = Vec::with_capacity(checks.len());
        for wait_query in wait_queries {
            let (check, node) = (wait_query.entry.check, wait_query.entry.node);
            let known = match &groups[&(node, check.plan.key(node))] {
                // There is no such stream. The outcome decides that.
                Err(error) if error.reply_code() == Some("ERR") => Ok(None),
                Err(error) => Err(error.clone()),
                Ok(groups) => Ok(Some(groups)),
            };
            let mark = retired.get(&(node, check.plan.stream.as_str())).copied().flatten();
            answers.push((check, wait_query.outcomes(&query, known, mark).await));
        }
        if self.node_set.server_changes() != servers {
            answers.iter_mut().for_each(|(_, outcomes)| *outcomes = Err(RedisError::closed()));
        }
        answers
    }

    fn entry_query<'a>(&self, check: &'a OutcomeCheck, query: &mut OutcomeQuery<'_>) -> EntryQuery<'a> {
        let OutcomeCheck { wait, job, plan, entry, .. } = check;
        let node = plan.node(&self.node_set, job);
        let key = plan.key(node);
        let missing: Vec<&str> = {
            let state = self.lock();
            let missing = plan.groups.iter().filter(|group| state.completions.is_missing(*wait, group));
            missing.map(String::as_str).collect()
        };
        let is_there = query.ask(node, |commands, to| pack_entry(commands, key, *entry, to));
        let ask_about = |group: &'a str| {
            let name = self.node_set.keys().group(group);
            let pending =
                query.ask(node, |commands, to| pack_pending_entry(commands, key, &name, *entry, to));
            (group, name, pending)
        };
        EntryQuery { check, node, is_there, groups: missing.into_iter().map(ask_about).collect() }
    }

    fn wait_query<'a>(&self, entry: EntryAnswers<'a>, query: &mut OutcomeQuery<'_>) -> WaitQuery<'a> {
        let keys = self.node_set.nodes()[entry.node].keys();
        let ask_about = |(group, ..): &(&'a str, String, Result<bool, RedisError>)| {
            let of = RecordOf { entry: entry.check.entry, stream: &entry.check.plan.stream, group };
            let record = query.ask(entry.node, |commands, to| pack_record_read(commands, keys, of, to));
            let unreceived_failure =
                query.ask(entry.node, |commands, to| pack_unreceived_failure_read(commands, keys, of, to));
            RecordQuery { record, unreceived_failure }
        };
        let records = entry.groups.iter().map(ask_about).collect();
        WaitQuery { entry, records }
    }
}

/// Returns true if the reply of XRANGE has the entry of a job. A new primary that lacks an entry can give its id to another job.
fn has_job(reply: &Value, job: &str) -> bool {
    let Value::Array(found) = reply else { return false };
    found.first().is_some_and(|entry| {
        let known = OwnedEntry::read(entry).and_then(|entry| entry.job);
        known.is_none_or(|known| known == job)
    })
}

/// Last delivered entry of each group, from the reply of XINFO GROUPS. Names that are not UTF-8 belong to no bus.
fn group_positions(reply: &Value) -> HashMap<String, EntryId> {
    let named = |(name, group): (&[u8], GroupInfo)| {
        let name = std::str::from_utf8(name).ok()?;
        Some((name.to_owned(), group.delivered))
    };
    GroupInfo::read_all(reply).filter_map(named).collect()
}

/// Queries about the entry of a wait, and for each group about its pending entry.
struct EntryQuery<'a> {
    check: &'a OutcomeCheck,
    node: usize,
    is_there: PendingReply,
    /// Groups, with and without the prefix.
    groups: Vec<(&'a str, String, PendingReply)>,
}

/// Replies to an [`EntryQuery`].
struct EntryAnswers<'a> {
    check: &'a OutcomeCheck,
    node: usize,
    is_there: Result<bool, RedisError>,
    /// Groups, with true for a pending entry.
    groups: Vec<(&'a str, String, Result<bool, RedisError>)>,
}

impl<'a> EntryQuery<'a> {
    async fn answers(self, query: &OutcomeQuery<'_>) -> EntryAnswers<'a> {
        let Self { check, node, is_there, groups } = self;
        let is_there = query.answer(is_there).await.map(|reply| has_job(&reply, &check.job));
        let mut answered = Vec::with_capacity(groups.len());
        for (group, name, pending) in groups {
            let is_pending = match query.answer(pending).await {
                Ok(rows) => Ok(matches!(rows, Value::Array(rows) if !rows.is_empty())),
                Err(error) if error.reply_code() == Some("NOGROUP") => Ok(false),
                Err(error) => Err(error),
            };
            answered.push((group, name, is_pending));
        }
        EntryAnswers { check, node, is_there, groups: answered }
    }
}

/// What is known of the entry of a wait, and queries about the records of its groups.
struct WaitQuery<'a> {
    entry: EntryAnswers<'a>,
    records: Vec<RecordQuery>,
}

struct RecordQuery {
    record: PendingReply,
    unreceived_failure: PendingReply,
}

impl<'a> WaitQuery<'a> {
    /// `known` has the positions of the groups. `None` if there is no such stream. `mark` says which entries retention
    /// has removed.
    async fn outcomes(
        self,
        query: &OutcomeQuery<'_>,
        known: Result<Option<&HashMap<String, EntryId>>, RedisError>,
        mark: Option<RetentionMark>,
    ) -> GroupOutcomes<'a> {
        let EntryAnswers { check, is_there, groups, .. } = self.entry;
        let OutcomeCheck { job, plan, entry, recorded, unknown_groups, servers, .. } = check;
        let is_there = is_there?;
        // An entry that a new primary lacks was not removed by retention, whatever the mark covers there.
        let is_same_server = query.node_set.server_changes() == *servers;
        let is_retired = !is_there && is_same_server && mark.is_some_and(|mark| mark.covers(*entry));
        let known = known?;
        let mut outcomes = Vec::with_capacity(groups.len());
        for ((group, name, is_pending), records) in groups.into_iter().zip(self.records) {
            let (is_pending, RecordQuery { record, unreceived_failure }) = (is_pending?, records);
            let of = RecordOf { entry: *entry, stream: &plan.stream, group };
            let record = match query.answer(record).await {
                Ok(reply) => read_record(&reply, job, of),
                // A producer without records needs no right to read them.
                Err(error) if error.kind == RedisErrorKind::Reply && !recorded => None,
                Err(error) => return Err(error),
            };
            let unreceived_failure = match query.answer(unreceived_failure).await {
                Ok(reply) => read_record(&reply, job, of).and_then(|end| end.error),
                Err(error) if error.kind == RedisErrorKind::Reply => None,
                Err(error) => return Err(error),
            };
            let delivered = known.and_then(|groups| groups.get(&name)).map(|last| last >= entry);
            let can_be_later = unknown_groups.iter().any(|unknown| unknown == group);
            let facts = EntryObservation {
                delivered,
                can_be_later,
                is_there,
                is_retired,
                is_pending,
                record,
                unreceived_failure,
            };
            outcomes.push(GroupOutcome {
                group,
                exists: delivered.is_some(),
                is_expected: is_pending || delivered == Some(false),
                outcome: facts.outcome(),
            });
        }
        Ok(outcomes)
    }
}

/// Commands that leave in one write to each node, with one deadline for all replies.
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

    /// Submits to nodes with a ready connection only, so that queries do not pile up.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_io::resp::Reply;

    #[test]
    fn an_entry_of_another_job_with_the_same_id_is_not_the_one_that_was_sent() {
        let reply = |bytes: &[u8]| Value::from(Reply::new(bytes).expect("complete"));
        let found = reply(b"*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$3\r\njob\r\n$1\r\nJ\r\n");
        assert!(has_job(&found, "J") && !has_job(&found, "K"));
        assert!(!has_job(&reply(b"*0\r\n"), "J"), "it is gone");
    }
}
