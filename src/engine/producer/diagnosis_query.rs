//! Queries about jobs that are not finished in time, and the diagnoses that follow from the replies.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{pack_consumers, pack_entry, pack_groups, pack_pending_entry};
use crate::redis_io::world::map::{HashBuilder, HashMap};

use crate::engine::host::RequestId;
use crate::engine::producer::Producer;
use crate::engine::producer::completion_wait::WaitSnapshot;
use crate::engine::producer::diagnosis::{ConsumerDescription, Diagnosis, GroupDiagnosis, GroupFindings};
use crate::engine::producer::outcome_query::{OutcomeQuery, PendingReply};
use crate::engine::protocol::consumer_info::ConsumerInfo;
use crate::engine::protocol::group_info::GroupInfo;
use crate::engine::protocol::outcome_record::{RecordOf, pack_record_read, read_record};
use crate::engine::protocol::pending_entries::read_rows;
use crate::engine::protocol::retention_mark::RetentionMark;

/// Maximum number of queries in a second, for any number of jobs.
const MOST: usize = 6_000;
/// Divisor of the node's queue limit: these queries can take one command of this many.
const SHARE: usize = 4;

/// A stream on a node.
type QueriedStream<'a> = (usize, &'a str);

/// Queries about a stream.
struct StreamQuery {
    groups: PendingReply,
    /// By the name of the group, with its prefix.
    members: HashMap<String, PendingReply>,
}

/// Facts about a stream.
struct StreamFacts {
    node: Arc<str>,
    /// By the name with its prefix. `None` if there is no such stream.
    groups: Option<Vec<(String, GroupInfo)>>,
    members: HashMap<String, Vec<ConsumerDescription>>,
}

/// Queries about an entry: its presence, the mark of retention, and for each group its pending entry and its record.
struct EntryQuery {
    is_there: PendingReply,
    mark: PendingReply,
    groups: HashMap<String, (PendingReply, PendingReply)>,
}

impl Producer {
    /// Diagnoses as JSON, by request. All queries leave in one write to each node, those about groups first. An
    /// entry before the group's position that is not pending afterwards was acknowledged, or the group is younger. There are none
    /// if a server took the place of another one meanwhile, since the replies of two servers say nothing together.
    pub(crate) async fn examine(
        &self,
        cases: &[(RequestId, WaitSnapshot)],
        patience: Duration,
    ) -> Vec<(RequestId, String)> {
        let servers = self.node_set.server_changes();
        let mut query = OutcomeQuery::new(&self.node_set, patience);
        let asked = &cases[..self.affordable(cases)];
        let mut streams: HashMap<QueriedStream<'_>, StreamQuery> = HashMap::default();
        for (_, case) in asked {
            self.ask_of_stream(case, &mut streams, &mut query);
        }
        let entries: Vec<_> = asked.iter().map(|(_, case)| self.ask_of_entry(case, &mut query)).collect();
        query.submit();
        let mut known = HashMap::with_capacity_and_hasher(streams.len(), HashBuilder::default());
        for (place, of_stream) in streams {
            known.insert(place, self.known(place, of_stream, &query).await);
        }
        let mut diagnoses = Vec::with_capacity(cases.len());
        let entries = entries.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        for ((request, case), entry) in cases.iter().zip(entries) {
            let found = match known.get(&self.place(case)) {
                Some(Some(known)) => self.diagnose_wait(case, known, entry, &query).await,
                _ => None,
            };
            diagnoses.extend(found.map(|text| (*request, text)));
        }
        if self.node_set.server_changes() != servers {
            diagnoses.clear();
        }
        diagnoses
    }

    /// Number of waits that the budget allows to query. The diagnosis of the others uses the groups alone.
    fn affordable(&self, cases: &[(RequestId, WaitSnapshot)]) -> usize {
        let shares = self.node_set.nodes().iter().map(|node| node.queue().commands / SHARE);
        let most = shares.min().unwrap_or(0).min(MOST);
        let costs = cases.iter().map(|(_, case)| 3 + 3 * case.plan.groups.len());
        self.lock().examinations.spend(Instant::now(), most, costs)
    }

    fn place<'a>(&self, case: &'a WaitSnapshot) -> QueriedStream<'a> {
        let node = case.plan.node(&self.node_set, &case.job);
        (node, case.plan.key(node))
    }

    fn ask_of_stream<'a>(
        &self,
        case: &'a WaitSnapshot,
        streams: &mut HashMap<QueriedStream<'a>, StreamQuery>,
        query: &mut OutcomeQuery<'_>,
    ) {
        let (node, key) = self.place(case);
        let of_stream = streams.entry((node, key)).or_insert_with(|| {
            let groups = query.ask(node, |commands, to| pack_groups(commands, key, to));
            StreamQuery { groups, members: HashMap::default() }
        });
        for group in case.open() {
            let name = self.node_set.keys().group(group);
            of_stream.members.entry(name).or_insert_with_key(|name| {
                query.ask(node, |commands, to| pack_consumers(commands, key, name, to))
            });
        }
    }

    fn ask_of_entry(&self, case: &WaitSnapshot, query: &mut OutcomeQuery<'_>) -> EntryQuery {
        let (node, key) = self.place(case);
        let keys = self.node_set.nodes()[node].keys();
        let is_there = query.ask(node, |commands, to| pack_entry(commands, key, case.entry, to));
        let stream = &case.plan.stream;
        let mark = query.ask(node, |commands, to| RetentionMark::pack_read(commands, keys, stream, to));
        let ask_about = |group: &str| {
            let name = self.node_set.keys().group(group);
            let of = RecordOf { entry: case.entry, stream: &case.plan.stream, group };
            let pending =
                query.ask(node, |commands, to| pack_pending_entry(commands, key, &name, case.entry, to));
            let record = query.ask(node, |commands, to| pack_record_read(commands, keys, of, to));
            (group.to_owned(), (pending, record))
        };
        EntryQuery { is_there, mark, groups: case.open().map(ask_about).collect() }
    }

    /// Facts about a stream. `None` if the reply is missing.
    async fn known(
        &self,
        (node, key): QueriedStream<'_>,
        of: StreamQuery,
        query: &OutcomeQuery<'_>,
    ) -> Option<StreamFacts> {
        let groups = match query.answer(of.groups).await {
            Ok(reply) => Some(read_groups(&reply)),
            Err(error) if error.reply_code() == Some("ERR") => None,
            Err(_) => return None,
        };
        let mut members = HashMap::default();
        for (name, answer) in of.members {
            // Without the right, or without the group, the diagnosis has fewer facts.
            if let Ok(reply) = query.answer(answer).await {
                members.insert(name, read_members(&reply));
            }
        }
        Some(StreamFacts { node: self.server_of(node, key)?, groups, members })
    }

    /// Address of the server that has a key.
    fn server_of(&self, node: usize, key: &str) -> Option<Arc<str>> {
        let node = &self.node_set.nodes()[node];
        let of_slot = node.topology().and_then(|topology| topology.node_of(node.slot(key)?));
        match of_slot {
            Some(address) => Some(address.to_string().into()),
            None => Some(node.shared().current()?.node()),
        }
    }

    async fn diagnose_wait(
        &self,
        case: &WaitSnapshot,
        known: &StreamFacts,
        of: Option<EntryQuery>,
        query: &OutcomeQuery<'_>,
    ) -> Option<String> {
        let (mut is_there, mut of_groups) = (None, HashMap::default());
        if let Some(EntryQuery { is_there: answer, mark, groups }) = of {
            let is_in_stream = is_some(query.answer(answer).await.ok()?);
            let mark = unless_missing(query.answer(mark).await)?.as_ref().and_then(RetentionMark::read);
            // An entry that retention removed was acknowledged, as one that was delivered and is not pending.
            is_there = Some(is_in_stream || mark.is_some_and(|mark| mark.covers(case.entry)));
            of_groups = groups;
        }
        let mut groups = Vec::with_capacity(case.plan.groups.len());
        for group in &case.plan.groups {
            let received = case.arrivals.iter().find(|arrival| arrival.group == *group);
            let received_error = received.map(|arrival| arrival.error.clone());
            if received_error == Some(None) {
                groups.push(GroupDiagnosis::completed(group));
                continue;
            }
            let name = self.node_set.keys().group(group);
            let of_stream = known.groups.iter().flatten();
            let mut findings = GroupFindings {
                group: of_stream.clone().find(|known| known.0 == name).map(|known| &known.1),
                members: known.members.get(&name).map(Vec::as_slice),
                is_there,
                known_error: received_error,
                pending: None,
            };
            if let Some((pending, record)) = of_groups.remove(group) {
                let rows = unless_missing(query.answer(pending).await)?;
                findings.pending = rows.as_ref().and_then(read_rows).and_then(|mut rows| rows.pop());
                let of = RecordOf { entry: case.entry, stream: &case.plan.stream, group };
                let record = unless_missing(query.answer(record).await)?;
                let recorded = record.and_then(|reply| read_record(&reply, &case.job, of));
                findings.known_error = findings.known_error.or(recorded.map(|end| end.error));
            }
            groups.push(GroupDiagnosis::found(group, case.entry, findings)?);
        }
        let begin = self.node_set.keys().group("");
        let others = known.groups.iter().flatten().filter_map(|(name, _)| name.strip_prefix(&begin));
        serde_json::to_string(&Diagnosis {
            stream: &case.plan.stream,
            node: &known.node,
            entry: case.entry.to_string(),
            exists: known.groups.is_some(),
            others: others.collect(),
            groups,
        })
        .ok()
    }
}

impl WaitSnapshot {
    /// Groups that have not completed the job without an error.
    fn open(&self) -> impl Iterator<Item = &str> {
        let is_done = |group: &&String| {
            self.arrivals.iter().any(|arrival| arrival.group == **group && arrival.error.is_none())
        };
        self.plan.groups.iter().filter(move |group| !is_done(group)).map(String::as_str)
    }
}

/// The groups in a reply of XINFO GROUPS.
fn read_groups(reply: &Value) -> Vec<(String, GroupInfo)> {
    GroupInfo::read_all(reply).map(|(name, group)| (text(name), group)).collect()
}

/// The consumers in a reply of XINFO CONSUMERS.
fn read_members(reply: &Value) -> Vec<ConsumerDescription> {
    let described =
        |ConsumerInfo { name, idle, .. }| Some(ConsumerDescription { name: text(name), idle: idle? });
    ConsumerInfo::read_all(reply).filter_map(described).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Unwraps a reply: `Some(None)` for an error reply, `None` without a reply, which allows no conclusion.
fn unless_missing(answer: Result<Value, RedisError>) -> Option<Option<Value>> {
    match answer {
        Ok(reply) => Some(Some(reply)),
        // The group does not exist, or this user has no right to the command.
        Err(error) if error.kind == RedisErrorKind::Reply => Some(None),
        Err(_) => None,
    }
}

fn is_some(entries: Value) -> bool {
    matches!(entries, Value::Array(found) if !found.is_empty())
}
