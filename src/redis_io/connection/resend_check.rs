//! Search for the entries of sends without a reply, before they are sent again. Pure.
//!
//! A connection executes its commands in order, so entries without a confirmation are behind the last confirmed one. An
//! entry of a bus has the id of its producer, so equal fields there are those of the send.

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::request_queue::RequestQueue;
use crate::redis_io::connection::sent_streams::SentStreams;
use crate::redis_io::connection::stream_search::StreamSearch;
use crate::redis_io::resp::{Reply, Token, Value};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;
use crate::redis_io::world::map::HashMap;

/// Bytes that the pages of one write are expected to have at most.
const ROUND_BYTES: u64 = 4 << 20;
/// Maximum number of streams of the first write.
const FIRST_STREAMS: usize = 8;
/// Number of bytes after which the search ends.
const MOST_BYTES: u64 = 128 << 20;

/// Client as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientIdentity {
    /// Its number. Another run of the server gives the same numbers again.
    pub(crate) id: String,
    /// Its address and port.
    pub(crate) address: String,
}

impl ClientIdentity {
    /// Reads the reply to CLIENT INFO.
    pub(crate) fn read(info: &str) -> Option<Self> {
        let field = |name: &str| info.split_whitespace().find_map(|field| field.strip_prefix(name));
        Some(Self { id: field("id=")?.to_owned(), address: field("addr=")?.to_owned() })
    }

    /// Packs the end of that client. Both filters must match, so that another run of the server ends no other client.
    fn pack_end(&self, commands: &mut Commands) {
        commands.begin("CLIENT", 6).arg(b"KILL").arg(b"ID").arg(self.id.as_bytes());
        commands.arg(b"ADDR").arg(self.address.as_bytes()).end(Destination::Nowhere);
    }
}

/// A send without a reply: a command, or a transaction.
#[derive(Debug)]
struct UncertainSend {
    /// Position of its first command in the queue, and the number of its commands.
    position: usize,
    length: usize,
    /// Positions of its entries among those of their streams.
    entries: Vec<(usize, usize)>,
}

/// A send whose entry is in its stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FoundSend {
    /// Position of its first command in the queue.
    pub(crate) position: usize,
    /// Number of its commands.
    pub(crate) length: usize,
    /// Keys and ids of its entries.
    pub(crate) entries: Vec<(Vec<u8>, EntryId)>,
}

/// Search for all sends of a connection without a reply.
#[derive(Debug, Default)]
pub(crate) struct ResendCheck {
    /// The connection that they were written to.
    previous: Option<ClientIdentity>,
    /// True if that connection must be ended also without a search.
    is_fenced: bool,
    sends: Vec<UncertainSend>,
    streams: Vec<StreamSearch>,
    /// Numbers of the streams by their keys.
    numbers: HashMap<Vec<u8>, usize>,
    /// Number of replies that do not belong to a stream.
    ahead: usize,
    /// Streams of the last write.
    asked: Vec<usize>,
    /// Maximum number of streams of the next write.
    at_once: usize,
    /// Number of bits by which pages are smaller, after failed searches.
    shift: u32,
    /// Number of bytes that were read.
    bytes: u64,
}

impl ResendCheck {
    /// Search for the sends in `queue` that were written to the client `previous`, after a number of searches that failed.
    /// `None` if there are none, and no command that must not run late.
    pub(crate) fn new(
        queue: &RequestQueue,
        sent: &SentStreams,
        previous: Option<ClientIdentity>,
        failures: u32,
    ) -> Option<Self> {
        let (at_once, shift) = ((FIRST_STREAMS >> failures.min(3)).max(1), 2 * failures);
        let mut check = Self { previous, at_once, shift, ..Self::default() };
        let mut unit: Option<UncertainSend> = None;
        queue.each_uncertain(|position, meta, bytes| {
            check.is_fenced |= meta.is_fenced;
            if !meta.follows {
                check.add(unit.take());
                unit = Some(UncertainSend { position, length: 0, entries: Vec::new() });
            }
            let Some(unit) = &mut unit else { return };
            unit.length += 1;
            if meta.is_send
                && let Some((key, fields)) = entry_of(bytes)
                && let Some(from) = sent.bound(key)
            {
                unit.entries.push(check.want(key, fields, (from, sent.doubtful(key))));
            }
        });
        check.add(unit.take());
        (check.is_fenced || !check.sends.is_empty()).then_some(check)
    }

    fn add(&mut self, unit: Option<UncertainSend>) {
        self.sends.extend(unit.filter(|unit| !unit.entries.is_empty()));
    }

    fn want(
        &mut self,
        key: &[u8],
        fields: &[u8],
        (from, last): (EntryId, Option<EntryId>),
    ) -> (usize, usize) {
        let number = self.numbers.get(key).copied().unwrap_or_else(|| {
            self.numbers.insert(key.to_vec(), self.streams.len());
            self.streams.push(StreamSearch::new(key, from, last));
            self.streams.len() - 1
        });
        (number, self.streams[number].want(fields))
    }

    /// Packs the next queries. None are left if the search is over.
    pub(crate) fn pack(&mut self) -> Commands {
        let mut commands = Commands::default();
        let previous = self.previous.take().filter(|_| !planted("lost client goes on"));
        self.ahead = usize::from(previous.is_some());
        if let Some(previous) = previous {
            previous.pack_end(&mut commands);
        }
        self.asked.clear();
        let mut expected = 0;
        let open = self.streams.iter_mut().enumerate().filter(|(_, stream)| !stream.is_over);
        for (number, stream) in open.take(self.at_once) {
            expected += stream.expected(self.shift);
            if self.bytes >= MOST_BYTES || expected > ROUND_BYTES && !self.asked.is_empty() {
                break;
            }
            stream.pack(self.shift, &mut commands);
            self.asked.push(number);
        }
        commands
    }

    /// Takes the replies to the queries. More streams are asked at once as long as their pages are small.
    pub(crate) fn read(&mut self, replies: Vec<Value>) {
        let pages = self.asked.iter().zip(replies.iter().skip(self.ahead));
        let bytes: u64 = pages.map(|(&number, page)| self.streams[number].read(page)).sum();
        self.bytes += bytes;
        self.at_once = if bytes < ROUND_BYTES { self.at_once * 4 } else { (self.at_once / 4).max(1) };
    }

    /// Returns the sends whose entries were found.
    pub(crate) fn found(mut self) -> Vec<FoundSend> {
        let mut ids: Vec<Vec<Option<EntryId>>> = self.streams.iter_mut().map(StreamSearch::assign).collect();
        let streams = &self.streams;
        if planted("found send is sent again") {
            return Vec::new();
        }
        let found = self.sends.into_iter().filter_map(|send| {
            let entry = |(stream, entry): (usize, usize)| {
                let id = ids[stream][entry].take();
                let id = id.or_else(|| planted("missing send counts as found").then(EntryId::default));
                Some((streams[stream].key.clone(), id?))
            };
            let entries: Option<Vec<_>> = send.entries.into_iter().map(entry).collect();
            Some(FoundSend { position: send.position, length: send.length, entries: entries? })
        });
        found.collect()
    }
}

/// Returns the key and the fields of an XADD with an id of the server's, the fields as they were packed.
fn entry_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let Reply::Array(mut words) = Reply::new(bytes)? else { return None };
    let mut next = || match words.token()? {
        Token::Bulk(word) => Some(word),
        _ => None,
    };
    next()?;
    let key = next()?;
    let mut fields = None;
    while let Some(word) = next() {
        if word == b"*" {
            let start = word.as_ptr() as usize - bytes.as_ptr() as usize + word.len() + 2;
            fields = bytes.get(start..);
            break;
        }
    }
    Some((key, fields?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "id=7 addr=10.0.0.1:5000 laddr=10.0.0.2:6379 fd=8 name= age=1\n";

    fn add(commands: &mut Commands, key: &str, job: &str) {
        commands
            .begin("XADD", 7)
            .key(key.as_bytes())
            .arg(b"*")
            .arg(b"prd")
            .arg(b"P")
            .arg(b"job")
            .arg(job.as_bytes());
        commands.end(Destination::Nowhere);
        commands.mark_send();
    }

    /// A queue of commands that a lost connection has written.
    fn written(pack: impl FnOnce(&mut Commands)) -> RequestQueue {
        let (mut queue, mut commands) = (RequestQueue::default(), Commands::default());
        pack(&mut commands);
        queue.append(&mut commands, None);
        queue.mark_written(queue.unwritten().len());
        assert!(queue.prepare_resend(false).is_empty());
        queue
    }

    fn check(queue: &RequestQueue) -> Option<ResendCheck> {
        let mut sent = SentStreams::default();
        sent.begin(5, tokio::time::Instant::now());
        sent.add(b"a", b"9-1");
        ResendCheck::new(queue, &sent, ClientIdentity::read(CLIENT), 0)
    }

    fn entry(id: &str, job: &str) -> Value {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        Value::Array(vec![bulk(id), Value::Array(["prd", "P", "job", job].map(bulk).to_vec())])
    }

    fn sent(position: usize, length: usize, ids: &[(&str, u64, u64)]) -> FoundSend {
        let entries =
            ids.iter().map(|&(key, time, sequence)| (key.into(), EntryId { time, sequence })).collect();
        FoundSend { position, length, entries }
    }

    fn text(commands: &Commands) -> String {
        String::from_utf8_lossy(&commands.bytes).replace("\r\n", " ")
    }

    #[test]
    fn the_old_client_is_ended_before_the_streams_are_searched_behind_their_last_entries() {
        let queue = written(|commands| {
            add(commands, "a", "1");
            commands.begin("GET", 2).key(b"k").end(Destination::Nowhere);
            add(commands, "b", "2");
        });
        let mut check = check(&queue).expect("two sends");
        let queries = text(&check.pack());
        assert!(
            queries.starts_with("*6 $6 CLIENT $4 KILL $2 ID $1 7 $4 ADDR $13 10.0.0.1:5000 "),
            "{queries}"
        );
        assert!(queries.contains("$1 a $1 + $3 9-2 ") && queries.contains("$1 b $1 + $3 5-0 "), "{queries}");
        check.read(vec![Value::Integer(1), Value::Array(vec![entry("9-2", "1")]), Value::Array(vec![])]);
        assert!(check.pack().is_empty());
        assert_eq!(check.found(), [sent(0, 1, &[("a", 9, 2)])]);
    }

    #[test]
    fn the_old_client_is_ended_before_a_fenced_command_is_sent_again() {
        let queue = written(|commands| {
            commands.begin("GET", 2).key(b"k").end(Destination::Nowhere);
        });
        assert!(check(&queue).is_none(), "a command that can run late");
        let queue = written(|commands| {
            commands.begin("EVAL", 2).key(b"k").mark_fenced().end(Destination::Nowhere);
        });
        let mut check = check(&queue).expect("a fenced command");
        assert_eq!(text(&check.pack()), "*6 $6 CLIENT $4 KILL $2 ID $1 7 $4 ADDR $13 10.0.0.1:5000 ");
        check.read(vec![Value::Integer(1)]);
        assert!(check.pack().is_empty());
        assert_eq!(check.found(), []);
    }

    #[test]
    fn of_equal_sends_the_first_ones_were_executed() {
        let queue = written(|commands| {
            for _ in 0..3 {
                add(commands, "a", "1");
            }
        });
        let mut check = check(&queue).expect("sends");
        check.pack();
        let page = vec![entry("12-0", "1"), entry("11-0", "other"), entry("10-0", "1")];
        check.read(vec![Value::Integer(0), Value::Array(page)]);
        assert_eq!(check.found(), [sent(0, 1, &[("a", 10, 0)]), sent(1, 1, &[("a", 12, 0)])]);
    }

    #[test]
    fn pages_go_back_until_all_entries_are_found() {
        let queue = written(|commands| add(commands, "a", "1"));
        let mut check = check(&queue).expect("a send");
        assert!(text(&check.pack()).contains("$1 a $1 + $3 9-2 $5 COUNT $1 4 "));
        let page = (0..4).map(|at| entry(&format!("{}-0", 9_000 - at), "other")).collect();
        check.read(vec![Value::Integer(0), Value::Array(page)]);
        assert!(text(&check.pack()).contains("$25 8996-18446744073709551615 $3 9-2 $5 COUNT $2 32 "));
        check.read(vec![Value::Array(vec![entry("8000-0", "1")])]);
        assert_eq!((check.pack().len(), check.found().len()), (0, 1));
    }

    #[test]
    fn the_number_of_streams_in_a_write_is_limited_and_grows() {
        let queue = written(|commands| {
            for number in 0..100 {
                add(commands, &number.to_string(), "1");
            }
        });
        let mut check = check(&queue).expect("sends");
        let mut asked = Vec::new();
        loop {
            let queries = check.pack().len() - check.ahead;
            if queries == 0 {
                break;
            }
            let ahead = vec![Value::Integer(1); check.ahead];
            check.read([ahead, vec![Value::Array(vec![entry("9-9", "1")]); queries]].concat());
            asked.push(queries);
        }
        assert_eq!((asked, check.found().len()), (vec![8, 32, 60], 100));
    }

    #[test]
    fn the_search_ends_after_too_many_bytes() {
        let queue = written(|commands| add(commands, "a", "1"));
        let mut check = check(&queue).expect("a send");
        let large = "x".repeat(8 << 20);
        let mut pages = 0;
        while !check.pack().is_empty() {
            let ahead = vec![Value::Integer(1); check.ahead];
            let count = if pages == 0 { 4 } else { 1 };
            let page =
                (0..count).map(|at| entry(&format!("{}-0", 9_000 - 10 * pages - at), &large)).collect();
            check.read([ahead, vec![Value::Array(page)]].concat());
            pages += 1;
        }
        assert_eq!((pages, check.found().len()), (13, 0));
    }

    #[test]
    fn a_transaction_is_found_with_all_of_its_entries() {
        let queue = written(|commands| {
            commands.begin("MULTI", 1).end(Destination::Nowhere);
            add(commands, "a", "1");
            add(commands, "b", "2");
            commands.begin("EXEC", 1).end(Destination::Nowhere);
            commands.bind();
            commands.metas.iter_mut().for_each(|meta| meta.resend = true);
        });
        for (second, expected) in [("2", vec![sent(0, 4, &[("a", 9, 9), ("b", 9, 9)])]), ("3", vec![])] {
            let mut check = check(&queue).expect("a send");
            check.pack();
            let pages = [("1", "a"), (second, "b")].map(|(job, _)| Value::Array(vec![entry("9-9", job)]));
            check.read([vec![Value::Integer(0)], pages.to_vec()].concat());
            assert_eq!(check.found(), expected);
        }
    }

    #[test]
    fn a_refusal_ends_the_search_and_other_commands_need_none() {
        let queue = written(|commands| add(commands, "a", "1"));
        let mut check = check(&queue).expect("a send");
        check.pack();
        let refused = || Value::Error("NOPERM".to_owned());
        check.read(vec![refused(), refused()]);
        assert!(check.pack().is_empty() && check.found().is_empty());
        let queue = written(|commands| commands.begin("GET", 2).key(b"a").end(Destination::Nowhere));
        assert!(self::check(&queue).is_none());
    }
}
