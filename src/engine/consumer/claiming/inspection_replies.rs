//! What a survey of a consumer's streams brings to light, reply by reply.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::redis_io::command::{Destination, ReplyCollector};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::{Reply, Token, Value};

use crate::engine::consumer::state::trim_detector::Received;
use crate::engine::protocol::group_members::Members;
use crate::engine::protocol::stream_info::{GroupInfo, StreamInfo};

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The streams that have something pending, or do not say that they have not.
    pub(crate) pending: Vec<usize>,
    /// The consumers in the groups of some of the streams, where the reply could be read.
    pub(crate) members: Vec<(usize, Members)>,
    /// How the group stands to some of the streams.
    pub(crate) stocks: Vec<Stocktaking>,
    /// By lane: when the server told the time, and what it told.
    pub(crate) clocks: Vec<(usize, Instant, Result<Value, RedisError>)>,
}

/// How a group stands to its stream, as it was asked for. What cannot be read tells nothing.
#[derive(Debug)]
pub(crate) struct Stocktaking {
    /// Index of the stream.
    pub(crate) stream: usize,
    /// What had been received when it was asked.
    pub(crate) received: Received,
    /// The group.
    pub(crate) group: Result<Option<GroupInfo>, RedisError>,
    /// The stream.
    pub(crate) extent: Result<Option<StreamInfo>, RedisError>,
}

impl Stocktaking {
    /// Whether the group has something pending, or does not say that it has not.
    pub(crate) fn may_be_pending(&self) -> bool {
        !matches!(&self.group, Ok(Some(group)) if group.pending == 0)
    }
}

/// Collects the answers to many questions, which mostly say that there is nothing: one task waits for all of them. They
/// are handed over with the last of the destinations, which goes when its reply has come.
#[derive(Debug)]
pub(crate) struct Collection {
    /// A lock, since whoever refuses a command may do so on another thread than the engine's.
    findings: Mutex<Findings>,
    collected: Option<oneshot::Sender<Findings>>,
    /// The name of the group.
    group: String,
    /// This consumer's id.
    consumer: String,
    /// For how long others must have been idle to be found.
    idle: Option<Duration>,
}

/// What a question is about; the remainder of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Question {
    Pending = 0,
    GroupInfo = 1,
    StreamInfo = 2,
    Clock = 3,
    Members = 4,
    Idle = 5,
}

const QUESTIONS: [Question; 6] = [
    Question::Pending,
    Question::GroupInfo,
    Question::StreamInfo,
    Question::Clock,
    Question::Members,
    Question::Idle,
];

impl Collection {
    /// A collection of what there is to know about a group, and where the findings come out.
    pub(crate) fn begin(
        group: &str,
        consumer: &str,
        idle: Option<Duration>,
    ) -> (Arc<Self>, oneshot::Receiver<Findings>) {
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

    /// Where the number of entries goes that a stream has pending.
    pub(crate) fn pending(self: &Arc<Self>, stream: usize) -> Destination {
        self.destination(Question::Pending, stream)
    }

    /// Where the groups of a stream go, and the stream itself if that is asked for.
    pub(crate) fn stock(self: &Arc<Self>, stream: usize, received: Received) -> [Destination; 2] {
        let stock = Stocktaking { stream, received, group: Ok(None), extent: Ok(None) };
        let mut findings = self.findings();
        findings.stocks.push(stock);
        let at = findings.stocks.len() - 1;
        [Question::GroupInfo, Question::StreamInfo].map(|question| self.destination(question, at))
    }

    /// Where the consumers of a stream's group go; `idle` if idle ones are looked for.
    pub(crate) fn members(self: &Arc<Self>, stream: usize, idle: bool) -> Destination {
        self.destination(if idle { Question::Idle } else { Question::Members }, stream)
    }

    /// Where the time goes that the server of a lane tells.
    pub(crate) fn clock(self: &Arc<Self>, lane: usize) -> Destination {
        self.destination(Question::Clock, lane)
    }

    fn destination(self: &Arc<Self>, question: Question, at: usize) -> Destination {
        Destination::ReplyCollector(self.clone(), (at * QUESTIONS.len()) as u32 + question as u32)
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ReplyCollector for Collection {
    fn reply(&self, number: u32, outcome: Result<Reply<'_>, RedisError>) {
        let at = number as usize / QUESTIONS.len();
        let mut findings = self.findings();
        match QUESTIONS[number as usize % QUESTIONS.len()] {
            Question::Pending if outcome.as_ref().is_ok_and(is_none) => {}
            Question::Pending => findings.pending.push(at),
            Question::GroupInfo => {
                let group = outcome.map(|reply| GroupInfo::read(&reply, &self.group));
                findings.stocks[at].group = group;
            }
            Question::StreamInfo => {
                findings.stocks[at].extent = outcome.map(|reply| StreamInfo::read(&reply))
            }
            question @ (Question::Members | Question::Idle) => {
                let limit = self.idle.filter(|_| question == Question::Idle);
                let members = outcome.ok().and_then(|reply| Members::read(&reply, &self.consumer, limit));
                findings.members.extend(members.map(|members| (at, members)));
            }
            Question::Clock => findings.clocks.push((at, Instant::now(), outcome.map(Value::from))),
        }
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        let findings = std::mem::take(&mut *self.findings());
        if let Some(collected) = self.collected.take() {
            // Who asked may not wait any more.
            let _ = collected.send(findings);
        }
    }
}

/// Whether nothing is pending, as XPENDING tells.
fn is_none(reply: &Reply<'_>) -> bool {
    match reply {
        Reply::Array(parts) => parts.clone().token() == Some(Token::Integer(0)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::connections::client::closed;
    use crate::redis_io::streams::entry::EntryId;

    fn tell(destination: Destination, reply: &[u8]) {
        let Destination::ReplyCollector(tally, number) = destination else { panic!("not collected") };
        tally.reply(number, Ok(Reply::new(reply).expect("complete")));
    }

    #[test]
    fn a_stream_is_left_out_only_if_it_says_that_nothing_is_pending() {
        let (collection, mut collected) = Collection::begin("g", "me", None);
        tell(collection.pending(0), b"*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
        tell(collection.pending(1), b"*4\r\n:7\r\n$3\r\n1-0\r\n$3\r\n7-0\r\n*0\r\n");
        tell(collection.pending(2), b"*0\r\n");
        tell(collection.pending(3), b"$-1\r\n");
        let Destination::ReplyCollector(tally, number) = collection.pending(4) else {
            panic!("not collected")
        };
        tally.reply(number, Err(closed()));
        assert!(collected.try_recv().is_err(), "there may be more to come");
        drop((collection, tally));
        assert_eq!(collected.try_recv().expect("everything is there").pending, [1, 2, 3, 4]);
    }

    #[test]
    fn answers_are_put_where_they_belong_in_any_order() {
        let (collection, mut collected) = Collection::begin("g", "me", None);
        let [_, [group, extent]] = [6, 8].map(|stream| collection.stock(stream, Received::default()));
        let Destination::ReplyCollector(tally, number) = extent else { panic!("not collected") };
        tally.reply(number, Err(closed()));
        tell(collection.clock(3), b":3\r\n");
        tell(collection.members(5, false), b"*1\r\n*2\r\n$4\r\nname\r\n$2\r\nme\r\n");
        tell(collection.members(6, true), b"$-1\r\n");
        tell(
            group,
            b"*1\r\n*8\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:0\r\n\
            $17\r\nlast-delivered-id\r\n$3\r\n0-0\r\n",
        );
        drop((collection, tally));
        let findings = collected.try_recv().expect("everything is there");
        let [(5, members)] = findings.members.as_slice() else { panic!("one") };
        assert!(members.has_only_own());
        let [other, stock] = findings.stocks.as_slice() else { panic!("two") };
        assert_eq!((other.stream, &other.group, &other.extent), (6, &Ok(None), &Ok(None)));
        let group = GroupInfo { delivered: EntryId::default(), read: None, consumers: 1, pending: 0 };
        assert_eq!((stock.stream, &stock.group), (8, &Ok(Some(group))));
        assert_eq!(stock.extent, Err(closed()));
        assert!(other.may_be_pending() && !stock.may_be_pending());
        assert!(matches!(findings.clocks.as_slice(), [(3, _, Ok(Value::Integer(3)))]));
    }
}
