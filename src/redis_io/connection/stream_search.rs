//! Search for sent entries in one stream, page by page, the latest entries first. Pure.
//!
//! A page has as many entries as fit into a number of bytes, by the sizes of the page before it.

use std::hash::{DefaultHasher, Hasher};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashMap;

/// Maximum number of entries of the first page of a stream, whose sizes are unknown.
const FIRST_PAGE: u64 = 4;
/// Maximum number of entries of a page.
const MOST_IN_PAGE: u64 = 1_000;
/// Maximum growth from page to page.
const GROWTH: u64 = 8;
/// Bytes that a page aims at.
const PAGE_BYTES: u64 = 256 << 10;
/// Number of entries of a stream after which the search ends.
pub(super) const MOST_ENTRIES: u64 = 10_000;

/// Hash of the fields of an entry, so wide that different entries have different ones.
pub(super) type Fingerprint = u128;

/// Hashes the fields of an entry as they are in its command.
pub(super) fn fingerprint(fields: &[u8]) -> Fingerprint {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(fields);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Search in one stream.
#[derive(Debug)]
pub(super) struct StreamSearch {
    pub(super) key: Vec<u8>,
    /// First id that an entry can have, and the last one that is not known yet.
    from: EntryId,
    to: Option<EntryId>,
    /// Entry that ends the search, if it is in the stream: the wanted ones are behind it.
    last: Option<EntryId>,
    /// Each wanted entry, in the order of the commands.
    wanted: Vec<Fingerprint>,
    equals: HashMap<Fingerprint, EqualEntries>,
    /// Bytes of the wanted entries.
    wanted_bytes: u64,
    /// Number of entries that were not found.
    missing: usize,
    /// Number of entries of the next page. `None` before the first one.
    count: Option<u64>,
    /// Mean size of the entries of the last page, in bytes.
    size: Option<u64>,
    /// Number of entries that were read.
    seen: u64,
    pub(super) is_over: bool,
}

/// Entries with the same fields, of a job that was sent several times.
#[derive(Debug, Default)]
struct EqualEntries {
    count: usize,
    /// Ids of those that were found, the last id first.
    found: Vec<EntryId>,
}

impl StreamSearch {
    pub(super) fn new(key: &[u8], from: EntryId, last: Option<EntryId>) -> Self {
        Self {
            key: key.to_vec(),
            from,
            to: None,
            last,
            wanted: Vec::new(),
            equals: HashMap::default(),
            wanted_bytes: 0,
            missing: 0,
            count: None,
            size: None,
            seen: 0,
            is_over: false,
        }
    }

    /// Adds an entry, and returns its number.
    pub(super) fn want(&mut self, fields: &[u8]) -> usize {
        let fingerprint = fingerprint(fields);
        self.equals.entry(fingerprint).or_default().count += 1;
        self.wanted_bytes += fields.len() as u64;
        self.missing += 1;
        self.wanted.push(fingerprint);
        self.wanted.len() - 1
    }

    /// Number of bytes that the next page is expected to have. Of a page that is smaller by `shift` bits, there are fewer.
    pub(super) fn expected(&self, shift: u32) -> u64 {
        self.next_count(shift).saturating_mul(self.mean_size())
    }

    /// Packs the query for a page. After failed searches pages are smaller by `shift` bits.
    pub(super) fn pack(&mut self, shift: u32, commands: &mut Commands) {
        let count = self.next_count(shift);
        self.count = Some(count);
        let to = self.to.map_or_else(|| "+".to_owned(), |id| id.to_string());
        commands.begin("XREVRANGE", 6).key(&self.key).arg(to.as_bytes());
        commands.arg(self.from.to_string().as_bytes()).arg(b"COUNT").arg_number(count);
        commands.end(Destination::Nowhere);
    }

    /// Takes a page, and returns its size in bytes. A refusal ends the search.
    pub(super) fn read(&mut self, page: &Value) -> u64 {
        let Value::Array(entries) = page else {
            self.is_over = true;
            return 0;
        };
        let mut bytes = 0;
        for entry in entries {
            let Some((id, fields)) = read_entry(entry) else { continue };
            if self.last == Some(id) {
                self.is_over = true;
                return bytes;
            }
            self.to = Some(id.predecessor());
            bytes += fields.len() as u64;
            if let Some(equals) = self.equals.get_mut(&fingerprint(&fields))
                && equals.found.len() < equals.count
            {
                equals.found.push(id);
                self.missing -= 1;
            }
        }
        let count = entries.len() as u64;
        self.seen += count;
        self.size = bytes.checked_div(count);
        let is_beyond = self.to.is_none_or(|to| to < self.from);
        let is_last = self.count.is_some_and(|asked| count < asked);
        self.is_over = self.missing == 0 || is_beyond || is_last || self.seen >= MOST_ENTRIES;
        bytes
    }

    /// Returns the id of each wanted entry, in their order. Of equal ones the first was written first.
    pub(super) fn assign(&mut self) -> Vec<Option<EntryId>> {
        let wanted = std::mem::take(&mut self.wanted);
        wanted.iter().map(|fields| self.equals.get_mut(fields)?.found.pop()).collect()
    }

    fn next_count(&self, shift: u32) -> u64 {
        let most = match self.count {
            Some(count) => count.saturating_mul(GROWTH).min(MOST_IN_PAGE),
            None => FIRST_PAGE >> shift.min(63),
        };
        let fitting = (PAGE_BYTES >> shift.min(63)) / self.mean_size();
        fitting.min(most).min(MOST_ENTRIES - self.seen.min(MOST_ENTRIES)).max(1)
    }

    /// Mean size of the entries of the last page, or else of the wanted ones.
    fn mean_size(&self) -> u64 {
        self.size.unwrap_or(self.wanted_bytes / self.wanted.len().max(1) as u64).max(1)
    }
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

    /// A search for one small entry.
    fn search() -> StreamSearch {
        let mut search = StreamSearch::new(b"a", EntryId { time: 9, sequence: 2 }, None);
        search.want(b"$1\r\n1\r\n");
        search
    }

    /// Packs a page, and returns its number of entries.
    fn pack(search: &mut StreamSearch, shift: u32) -> u64 {
        let mut commands = Commands::default();
        search.pack(shift, &mut commands);
        let text = String::from_utf8(commands.bytes).expect("text");
        text.rsplit("\r\n").nth(1).expect("a count").parse().expect("a number")
    }

    /// A page of other entries of `size` bytes, the first of which is at `time`.
    fn page(count: u64, time: u64, size: usize) -> Value {
        let bulk = |text: String| Value::Bulk(text.into_bytes());
        let entry = |at| {
            Value::Array(vec![bulk(format!("{}-0", time - at)), Value::Array(vec![bulk("x".repeat(size))])])
        };
        Value::Array((0..count).map(entry).collect())
    }

    #[test]
    fn pages_of_small_entries_grow_until_the_limit_of_entries() {
        let (mut search, mut counts, mut time) = (search(), Vec::new(), 100_000);
        while !search.is_over {
            let count = pack(&mut search, 0);
            search.read(&page(count, time, 50));
            time -= count;
            counts.push(count);
        }
        assert_eq!(counts[..5], [4, 32, 256, 1_000, 1_000]);
        assert_eq!((counts.iter().sum::<u64>(), search.assign()), (MOST_ENTRIES, vec![None]));
    }

    #[test]
    fn pages_of_large_entries_are_small() {
        let mut search = search();
        let count = pack(&mut search, 0);
        search.read(&page(count, 1_000, 100_000));
        assert_eq!((count, pack(&mut search, 0)), (4, 2));
        search.read(&page(2, 900, 1_000_000));
        assert_eq!((pack(&mut search, 0), pack(&mut search, 4)), (1, 1));
    }

    #[test]
    fn the_last_confirmed_entry_ends_the_search() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let entry = |id, job| Value::Array(vec![bulk(id), Value::Array(vec![bulk(job)])]);
        for (last, found) in [("20-0", None), ("21-0", Some(EntryId { time: 10, sequence: 0 }))] {
            let mut search = StreamSearch { last: EntryId::parse(last.as_bytes()), ..search() };
            search.read(&Value::Array(vec![entry("30-0", "2"), entry("20-0", "3"), entry("10-0", "1")]));
            assert_eq!((search.is_over, search.assign()), (true, vec![found]));
        }
    }

    #[test]
    fn after_failures_pages_are_smaller() {
        assert_eq!([0, 2, 90].map(|shift| pack(&mut search(), shift)), [4, 1, 1]);
    }

    #[test]
    fn different_fields_have_different_fingerprints() {
        assert_eq!(fingerprint(b"a"), fingerprint(b"a"));
        assert_ne!(fingerprint(b"a"), fingerprint(b"b"));
        assert_ne!(fingerprint(b"a") >> 64, fingerprint(b"a") & u128::from(u64::MAX));
    }
}
