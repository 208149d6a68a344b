//! Replies of an inspection, collected one by one.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::command::{Destination, ReplyCollector};
use crate::redis_io::error::RedisError;
use crate::redis_io::locked::Locked;
use crate::redis_io::resp::{Reply, Token, Value};

use crate::engine::consumer::state::trim_detector::Received;
use crate::engine::protocol::group_info::GroupInfo;
use crate::engine::protocol::group_members::GroupMembers;
use crate::engine::protocol::stream_info::StreamInfo;

/// Collected replies of one inspection.
#[derive(Debug, Default)]
pub(crate) struct InspectionReplies {
    /// Streams with pending entries, or without a readable count.
    pub(crate) pending: Vec<usize>,
    /// Consumers of groups, with the index of the stream.
    pub(crate) members: Vec<(usize, GroupMembers)>,
    /// Groups and streams that were inspected.
    pub(crate) inspections: Vec<GroupInspection>,
    /// Clocks that were read: lane, time of the reply, and the reply of TIME.
    pub(crate) clocks: Vec<(usize, Instant, Result<Value, RedisError>)>,
}

/// Inspected group and its stream. An unreadable reply counts as no information.
#[derive(Debug)]
pub(crate) struct GroupInspection {
    /// Index of the stream.
    pub(crate) stream: usize,
    /// Entries received before the query was sent.
    pub(crate) received: Received,
    /// The group.
    pub(crate) group: Result<Option<GroupInfo>, RedisError>,
    /// The stream.
    pub(crate) extent: Result<Option<StreamInfo>, RedisError>,
}

impl GroupInspection {
    /// Returns true unless the group reports that nothing is pending.
    pub(crate) fn may_be_pending(&self) -> bool {
        !matches!(&self.group, Ok(Some(group)) if group.pending == 0)
    }
}

/// Collector of many replies for one waiting task. The replies are sent when the last destination is dropped, after
/// its reply.
#[derive(Debug)]
pub(crate) struct InspectionCollector {
    /// A lock, since a command can be refused on another thread than the engine's.
    findings: Mutex<InspectionReplies>,
    collected: Option<oneshot::Sender<InspectionReplies>>,
    /// The name of the group.
    group: String,
    /// This consumer's id.
    consumer: String,
    /// Minimum idle time of a consumer to be collected.
    idle: Option<Duration>,
}

/// Subject of a query; the remainder of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum InspectionQuery {
    Pending = 0,
    GroupInfo = 1,
    StreamInfo = 2,
    Clock = 3,
    GroupMembers = 4,
    Idle = 5,
}

const QUERIES: [InspectionQuery; 6] = [
    InspectionQuery::Pending,
    InspectionQuery::GroupInfo,
    InspectionQuery::StreamInfo,
    InspectionQuery::Clock,
    InspectionQuery::GroupMembers,
    InspectionQuery::Idle,
];

impl InspectionCollector {
    /// Creates a collector for a group, and the receiver of its replies.
    pub(crate) fn begin(
        group: &str,
        consumer: &str,
        idle: Option<Duration>,
    ) -> (Arc<Self>, oneshot::Receiver<InspectionReplies>) {
        let (sender, collected) = oneshot::channel();
        let (findings, collected_by) = (Mutex::default(), Some(sender));
        (
            Arc::new(Self {
                findings,
                collected: collected_by,
                group: group.to_owned(),
                consumer: consumer.to_owned(),
                idle,
            }),
            collected,
        )
    }

    /// Destination of the count of pending entries of a stream.
    pub(crate) fn pending(self: &Arc<Self>, stream: usize) -> Destination {
        self.destination(InspectionQuery::Pending, stream)
    }

    /// Destinations of the groups of a stream, and of the stream itself.
    pub(crate) fn inspect(self: &Arc<Self>, stream: usize, received: Received) -> [Destination; 2] {
        let inspection = GroupInspection { stream, received, group: Ok(None), extent: Ok(None) };
        let mut findings = self.findings();
        findings.inspections.push(inspection);
        let at = findings.inspections.len() - 1;
        [InspectionQuery::GroupInfo, InspectionQuery::StreamInfo].map(|query| self.destination(query, at))
    }

    /// Destination of the consumers of a stream's group. With `idle`, idle ones are collected.
    pub(crate) fn members(self: &Arc<Self>, stream: usize, idle: bool) -> Destination {
        self.destination(if idle { InspectionQuery::Idle } else { InspectionQuery::GroupMembers }, stream)
    }

    /// Destination of the time of a lane's server.
    pub(crate) fn clock(self: &Arc<Self>, lane: usize) -> Destination {
        self.destination(InspectionQuery::Clock, lane)
    }

    fn destination(self: &Arc<Self>, query: InspectionQuery, at: usize) -> Destination {
        Destination::ReplyCollector(self.clone(), (at * QUERIES.len()) as u32 + query as u32)
    }

    fn findings(&self) -> MutexGuard<'_, InspectionReplies> {
        self.findings.locked()
    }
}

impl ReplyCollector for InspectionCollector {
    fn reply(&self, number: u32, outcome: Result<Reply<'_>, RedisError>) {
        let at = number as usize / QUERIES.len();
        let mut findings = self.findings();
        match QUERIES[number as usize % QUERIES.len()] {
            InspectionQuery::Pending if outcome.as_ref().is_ok_and(is_none) => {}
            InspectionQuery::Pending => findings.pending.push(at),
            InspectionQuery::GroupInfo => {
                let group = outcome.map(|reply| GroupInfo::find(&reply, &self.group));
                findings.inspections[at].group = group;
            }
            InspectionQuery::StreamInfo => {
                findings.inspections[at].extent = outcome.map(|reply| StreamInfo::read(&reply))
            }
            query @ (InspectionQuery::GroupMembers | InspectionQuery::Idle) => {
                let limit = self.idle.filter(|_| query == InspectionQuery::Idle);
                let members =
                    outcome.ok().and_then(|reply| GroupMembers::read(&reply, &self.consumer, limit));
                findings.members.extend(members.map(|members| (at, members)));
            }
            InspectionQuery::Clock => findings.clocks.push((at, Instant::now(), outcome.map(Value::from))),
        }
    }
}

impl Drop for InspectionCollector {
    fn drop(&mut self) {
        let findings = std::mem::take(&mut *self.findings());
        if let Some(collected) = self.collected.take() {
            // The receiver is gone if its wait was given up.
            let _ = collected.send(findings);
        }
    }
}

/// Returns true if a reply of XPENDING says that nothing is pending.
fn is_none(reply: &Reply<'_>) -> bool {
    match reply {
        Reply::Array(parts) => parts.clone().token() == Some(Token::Integer(0)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_io::streams::entry::EntryId;

    fn tell(destination: Destination, reply: &[u8]) {
        let Destination::ReplyCollector(tally, number) = destination else { panic!("not collected") };
        tally.reply(number, Ok(Reply::new(reply).expect("complete")));
    }

    #[test]
    fn a_stream_is_left_out_only_if_nothing_is_pending() {
        let (collector, mut collected) = InspectionCollector::begin("g", "me", None);
        tell(collector.pending(0), b"*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
        tell(collector.pending(1), b"*4\r\n:7\r\n$3\r\n1-0\r\n$3\r\n7-0\r\n*0\r\n");
        tell(collector.pending(2), b"*0\r\n");
        tell(collector.pending(3), b"$-1\r\n");
        let Destination::ReplyCollector(tally, number) = collector.pending(4) else {
            panic!("not collected")
        };
        tally.reply(number, Err(RedisError::closed()));
        assert!(collected.try_recv().is_err(), "there may be more to come");
        drop((collector, tally));
        assert_eq!(collected.try_recv().expect("everything is there").pending, [1, 2, 3, 4]);
    }

    #[test]
    fn replies_are_matched_with_their_queries_in_any_order() {
        let (collector, mut collected) = InspectionCollector::begin("g", "me", None);
        let [_, [group, extent]] = [6, 8].map(|stream| collector.inspect(stream, Received::default()));
        let Destination::ReplyCollector(tally, number) = extent else { panic!("not collected") };
        tally.reply(number, Err(RedisError::closed()));
        tell(collector.clock(3), b":3\r\n");
        tell(collector.members(5, false), b"*1\r\n*2\r\n$4\r\nname\r\n$2\r\nme\r\n");
        tell(collector.members(6, true), b"$-1\r\n");
        tell(
            group,
            b"*1\r\n*8\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:0\r\n\
            $17\r\nlast-delivered-id\r\n$3\r\n0-0\r\n",
        );
        drop((collector, tally));
        let findings = collected.try_recv().expect("everything is there");
        let [(5, members)] = findings.members.as_slice() else { panic!("one") };
        assert!(members.has_only_own());
        let [other, inspection] = findings.inspections.as_slice() else { panic!("two") };
        assert_eq!((other.stream, &other.group, &other.extent), (6, &Ok(None), &Ok(None)));
        let delivered = EntryId::default();
        let group = GroupInfo { delivered, read: None, consumers: 1, pending: 0, lag: None };
        assert_eq!((inspection.stream, &inspection.group), (8, &Ok(Some(group))));
        assert_eq!(inspection.extent, Err(RedisError::closed()));
        assert!(other.may_be_pending() && !inspection.may_be_pending());
        assert!(matches!(findings.clocks.as_slice(), [(3, _, Ok(Value::Integer(3)))]));
    }
}
