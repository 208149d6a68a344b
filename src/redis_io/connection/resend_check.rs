//! Search for the entries of sends without a reply, before they are sent again. Pure.
//!
//! A connection executes its commands in order, so entries without a confirmation are behind the last confirmed one. An
//! entry of a bus has the id of its producer, so equal fields there are those of the send.

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::request_queue::RequestQueue;
use crate::redis_io::connection::sent_streams::SentStreams;
use crate::redis_io::resp::{Reply, Token, Value};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashMap;

/// Number of entries of a page.
const PAGE: u64 = 250;
/// Maximum number of pages of a stream.
const MOST_PAGES: usize = 40;

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

/// Search in one stream.
#[derive(Debug)]
struct StreamSearch {
    key: Vec<u8>,
    /// First id that an entry can have, and the last one that is not known yet.
    from: EntryId,
    to: Option<EntryId>,
    /// Fields of each wanted entry, as in its command.
    wanted: Vec<Vec<u8>>,
    /// The entries by their fields.
    equals: HashMap<Vec<u8>, EqualEntries>,
    /// Number of entries that were not found.
    missing: usize,
    pages: usize,
    is_over: bool,
}

/// Entries with the same fields, of a job that was sent several times.
#[derive(Debug, Default)]
struct EqualEntries {
    count: usize,
    /// Ids of those that were found, the last id first.
    found: Vec<EntryId>,
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
    sends: Vec<UncertainSend>,
    streams: Vec<StreamSearch>,
    /// Number of replies that do not belong to a stream.
    ahead: usize,
}

impl ResendCheck {
    /// Search for the sends in `queue` that were written to the client `previous`. `None` if there are none.
    pub(crate) fn new(
        queue: &RequestQueue,
        sent: &SentStreams,
        previous: Option<ClientIdentity>,
    ) -> Option<Self> {
        let mut check = Self { previous, ..Self::default() };
        let mut unit: Option<UncertainSend> = None;
        queue.each_uncertain(|position, meta, bytes| {
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
                unit.entries.push(check.want(key, fields, from));
            }
        });
        check.add(unit.take());
        (!check.sends.is_empty()).then_some(check)
    }

    fn add(&mut self, unit: Option<UncertainSend>) {
        self.sends.extend(unit.filter(|unit| !unit.entries.is_empty()));
    }

    fn want(&mut self, key: &[u8], fields: &[u8], from: EntryId) -> (usize, usize) {
        let known = self.streams.iter().position(|stream| stream.key == key);
        let number = known.unwrap_or_else(|| {
            self.streams.push(StreamSearch::new(key, from));
            self.streams.len() - 1
        });
        let stream = &mut self.streams[number];
        stream.equals.entry(fields.to_vec()).or_default().count += 1;
        stream.missing += 1;
        stream.wanted.push(fields.to_vec());
        (number, stream.wanted.len() - 1)
    }

    /// Packs the next queries. None are left if the search is over.
    pub(crate) fn pack(&mut self) -> Commands {
        let mut commands = Commands::default();
        let previous = self.previous.take();
        self.ahead = usize::from(previous.is_some());
        if let Some(previous) = previous {
            previous.pack_end(&mut commands);
        }
        for stream in self.streams.iter().filter(|stream| !stream.is_over) {
            stream.pack(&mut commands);
        }
        commands
    }

    /// Takes the replies to the queries. A refusal ends the search in that stream.
    pub(crate) fn read(&mut self, replies: Vec<Value>) {
        let open = self.streams.iter_mut().filter(|stream| !stream.is_over);
        for (stream, reply) in open.zip(replies.into_iter().skip(self.ahead)) {
            stream.read(&reply);
        }
    }

    /// Returns the sends whose entries were found.
    pub(crate) fn found(mut self) -> Vec<FoundSend> {
        let mut ids: Vec<Vec<Option<EntryId>>> = self.streams.iter_mut().map(StreamSearch::assign).collect();
        let streams = &self.streams;
        let found = self.sends.into_iter().filter_map(|send| {
            let entry = |(stream, entry): (usize, usize)| {
                Some((streams[stream].key.clone(), ids[stream][entry].take()?))
            };
            let entries: Option<Vec<_>> = send.entries.into_iter().map(entry).collect();
            Some(FoundSend { position: send.position, length: send.length, entries: entries? })
        });
        found.collect()
    }
}

impl StreamSearch {
    fn new(key: &[u8], from: EntryId) -> Self {
        Self {
            key: key.to_vec(),
            from,
            to: None,
            wanted: Vec::new(),
            equals: HashMap::default(),
            missing: 0,
            pages: 0,
            is_over: false,
        }
    }

    /// Packs a page, the latest entries first.
    fn pack(&self, commands: &mut Commands) {
        let to = self.to.map_or_else(|| "+".to_owned(), |id| id.to_string());
        commands.begin("XREVRANGE", 6).key(&self.key).arg(to.as_bytes());
        commands.arg(self.from.to_string().as_bytes()).arg(b"COUNT").arg_number(PAGE);
        commands.end(Destination::Nowhere);
    }

    fn read(&mut self, page: &Value) {
        self.pages += 1;
        self.is_over = self.pages >= MOST_PAGES;
        let Value::Array(entries) = page else {
            self.is_over = true;
            return;
        };
        for entry in entries {
            let Some((id, fields)) = read_entry(entry) else { continue };
            self.to = Some(id.predecessor());
            if let Some(equals) = self.equals.get_mut(&fields)
                && equals.found.len() < equals.count
            {
                equals.found.push(id);
                self.missing -= 1;
            }
        }
        let is_beyond = self.to.is_none_or(|to| to < self.from);
        self.is_over |= self.missing == 0 || is_beyond || (entries.len() as u64) < PAGE;
    }

    /// Returns the id of each wanted entry, in their order. Of equal ones the first was written first.
    fn assign(&mut self) -> Vec<Option<EntryId>> {
        let wanted = std::mem::take(&mut self.wanted);
        wanted.iter().map(|fields| self.equals.get_mut(fields)?.found.pop()).collect()
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

/// Returns the id and the fields of an entry, as a command packs them.
fn read_entry(entry: &Value) -> Option<(EntryId, Vec<u8>)> {
    let Value::Array(parts) = entry else { return None };
    let [Value::Bulk(id), Value::Array(fields)] = parts.as_slice() else { return None };
    let mut packed = Commands::default();
    for field in fields {
        packed.arg(field.bytes()?);
    }
    Some((EntryId::parse(id)?, packed.bytes))
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
        sent.begin(5);
        sent.add(b"a", b"9-1");
        ResendCheck::new(queue, &sent, ClientIdentity::read(CLIENT))
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
    fn pages_go_back_until_all_entries_are_found_or_the_limit_is_reached() {
        let queue = written(|commands| add(commands, "a", "1"));
        let page = |first: u64| (0..PAGE).map(|at| entry(&format!("{}-0", first - at), "other")).collect();
        let mut found = check(&queue).expect("a send");
        found.pack();
        found.read(vec![Value::Integer(0), Value::Array(page(9_000))]);
        assert!(text(&found.pack()).contains("$25 8750-18446744073709551615 $3 9-2 "));
        found.read(vec![Value::Array(vec![entry("8000-0", "1")])]);
        assert_eq!((found.pack().len(), found.found().len()), (0, 1));
        let mut missing = check(&queue).expect("a send");
        let mut pages = 0;
        while !missing.pack().is_empty() {
            let ahead = if pages == 0 { vec![Value::Integer(0)] } else { vec![] };
            pages += 1;
            missing.read([ahead, vec![Value::Array(page(100_000 - PAGE * pages as u64))]].concat());
        }
        assert_eq!((pages, missing.found().len()), (MOST_PAGES, 0));
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
