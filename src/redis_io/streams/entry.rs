//! Reads the replies of XREADGROUP without building them up in memory.

use std::fmt;
use std::sync::Arc;

use crate::redis_io::resp::{Cursor, Token, Value};
use crate::redis_io::streams::carried_payload::CarriedPayload;

/// Field of the channel on which the producer waits for the completion.
pub const REPLY: &[u8] = b"rep";
/// Value of that field for the sharded channel of the producer. Without the field it is the ordinary one.
pub const SHARDED: &[u8] = b"shard";

/// Largest time that Redis can still add to its clock and JavaScript can still represent.
const LONGEST_RECORD: u64 = (1 << 53) - 1;

/// The id of a stream entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since the epoch, by the server's clock.
    pub time: u64,
    /// Number of the entry within its millisecond.
    pub sequence: u64,
}

impl EntryId {
    /// Reads `time-sequence`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let at = text.iter().position(|byte| *byte == b'-')?;
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
        Some(Self { time: number(&text[..at])?, sequence: number(&text[at + 1..])? })
    }
}

impl EntryId {
    /// The first id behind this one; none behind the last.
    pub fn successor(self) -> Option<Self> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self { time: self.time.checked_add(1)?, sequence: 0 }),
        }
    }

    /// Returns the last id before this one; the first id for itself.
    pub fn predecessor(self) -> Self {
        match (self.sequence.checked_sub(1), self.time.checked_sub(1)) {
            (Some(sequence), _) => Self { sequence, ..self },
            (None, Some(time)) => Self { time, sequence: u64::MAX },
            (None, None) => self,
        }
    }

    /// Returns the first id that many ms before this one; itself for none.
    pub fn earlier(self, ms: u64) -> Self {
        match ms {
            0 => self,
            _ => Self { time: self.time.saturating_sub(ms), sequence: 0 },
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.time, self.sequence)
    }
}

/// One entry, as far as the bus cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its id.
    pub id: EntryId,
    /// True if the fields are present. An entry that was deleted while pending comes without.
    pub deleted: bool,
    /// The `prd` field: id of the producer. The last one counts.
    pub producer: Option<&'a [u8]>,
    /// The `job` field: the job's id. The last one counts.
    pub job: Option<&'a [u8]>,
    /// The `rec` field: time for which the outcome record is kept, in ms. 0 writes no record.
    pub record: u64,
    /// The `rep` field: true if the completion belongs on the sharded channel of the producer.
    pub is_sharded: bool,
    /// The `hdr` field: the headers of the subscribers to `hfxbus:send`, as JSON.
    pub headers: Option<&'a str>,
    /// The `val:…`, `ret` and `own` fields: the payload that the entry carries.
    pub carried: Option<Arc<CarriedPayload>>,
}

/// An entry in a reply that was built up, as far as the bus cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedEntry {
    /// Its id.
    pub id: EntryId,
    /// The `prd` field; empty without one.
    pub producer: String,
    /// The `job` field; none if there is none.
    pub job: Option<String>,
    /// The `rec` field, as in [`Entry`].
    pub record: u64,
    /// The `rep` field, as in [`Entry`].
    pub is_sharded: bool,
    /// The `hdr` field, as in [`Entry`].
    pub headers: Option<String>,
    /// The payload that the entry carries, as in [`Entry`].
    pub carried: Option<Arc<CarriedPayload>>,
}

impl OwnedEntry {
    /// Reads `[id, [name, value, …]]`; `None` if it is something else, or no job of this bus.
    pub fn read(value: &Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [Value::Bulk(id), Value::Array(fields)] = parts.as_slice() else { return None };
        let mut entry = Self { id: EntryId::parse(id)?, ..Self::default() };
        let mut carried = None;
        for pair in fields.chunks_exact(2) {
            let [Value::Bulk(name), Value::Bulk(value)] = pair else { return None };
            match name.as_slice() {
                b"prd" => entry.producer = String::from_utf8(value.clone()).ok()?,
                b"job" => entry.job = Some(String::from_utf8(value.clone()).ok()?),
                b"rec" => entry.record = read_record_time(value),
                REPLY => entry.is_sharded = value == SHARDED,
                b"hdr" => entry.headers = String::from_utf8(value.clone()).ok(),
                _ => CarriedPayload::note(&mut carried, name, value),
            }
        }
        entry.carried = CarriedPayload::finish(carried);
        Some(entry)
    }

    /// Size of its texts and values, in bytes.
    pub fn size(&self) -> usize {
        let texts = [Some(&self.producer), self.job.as_ref(), self.headers.as_ref()];
        let carried = self.carried.as_ref().map_or(0, |carried| carried.size());
        texts.into_iter().flatten().map(String::len).sum::<usize>() + carried
    }
}

/// Item that [`read_streams`] reports.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Key of a stream, and the number of its entries that follow.
    Stream(&'a [u8], usize),
    /// An entry of that stream.
    Entry(Entry<'a>),
}

/// The reply has not the shape that XREADGROUP replies have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedEntry;

/// Walks the reply of an XREADGROUP.
pub fn read_streams<'a>(mut reply: Cursor<'a>, mut each: impl FnMut(Item<'a>)) -> Result<(), MalformedEntry> {
    for _ in 0..reply.len() {
        expect_array(&mut reply, Some(2))?;
        let key = expect_bulk(&mut reply)?;
        let entries = expect_array(&mut reply, None)?;
        each(Item::Stream(key, entries));
        for _ in 0..entries {
            each(Item::Entry(read_entry(&mut reply)?));
        }
    }
    Ok(())
}

fn read_entry<'a>(reply: &mut Cursor<'a>) -> Result<Entry<'a>, MalformedEntry> {
    expect_array(reply, Some(2))?;
    let id = EntryId::parse(expect_bulk(reply)?).ok_or(MalformedEntry)?;
    let (producer, job, headers, carried) = Default::default();
    let mut entry =
        Entry { id, deleted: false, producer, job, record: 0, is_sharded: false, headers, carried };
    match reply.token() {
        Some(Token::Array(words)) => read_fields(reply, words, &mut entry)?,
        Some(Token::Nil | Token::NilArray) => entry.deleted = true,
        _ => return Err(MalformedEntry),
    }
    Ok(entry)
}

fn read_fields<'a>(
    reply: &mut Cursor<'a>,
    words: usize,
    entry: &mut Entry<'a>,
) -> Result<(), MalformedEntry> {
    let mut carried = None;
    for _ in 0..words / 2 {
        let name = expect_bulk(reply)?;
        let value = expect_bulk(reply)?;
        match name {
            b"prd" => entry.producer = Some(value),
            b"job" => entry.job = Some(value),
            b"rec" => entry.record = read_record_time(value),
            REPLY => entry.is_sharded = value == SHARDED,
            // The job runs without headers that are not UTF-8.
            b"hdr" => entry.headers = std::str::from_utf8(value).ok(),
            _ => CarriedPayload::note(&mut carried, name, value),
        }
    }
    entry.carried = CarriedPayload::finish(carried);
    Ok(())
}

/// An invalid time asks for no record.
fn read_record_time(text: &[u8]) -> u64 {
    let time = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    time.unwrap_or(0).min(LONGEST_RECORD)
}

fn expect_array(reply: &mut Cursor<'_>, length: Option<usize>) -> Result<usize, MalformedEntry> {
    match reply.token() {
        Some(Token::Array(found)) if length.is_none_or(|length| length == found) => Ok(found),
        _ => Err(MalformedEntry),
    }
}

fn expect_bulk<'a>(reply: &mut Cursor<'a>) -> Result<&'a [u8], MalformedEntry> {
    match reply.token() {
        Some(Token::Bulk(bytes)) => Ok(bytes),
        _ => Err(MalformedEntry),
    }
}
