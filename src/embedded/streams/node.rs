//! A run of neighbouring entries of a stream.

use crate::redis_io::streams::entry::EntryId;

use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::streams::listpack::{self, number_len, text_len};

/// Maximum number of entries of a node, deleted ones included. The default of Redis.
pub const MOST_ENTRIES: usize = 100;
/// Maximum length of a node's listpack, in bytes. The default of Redis.
const MOST_BYTES: usize = 4096;
/// Memory of an entry besides its fields.
const ENTRY_OVERHEAD: usize = 64;
/// Memory of a node besides its entries, and of each name besides its text.
const OVERHEAD: usize = 128;
const NAME_OVERHEAD: usize = 16;

/// One entry.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Its id.
    pub id: EntryId,
    /// Its fields, encoded as they are replied, so that a read copies them and no more.
    fields: Box<[u8]>,
}

/// Entries that Redis would keep in one listpack.
#[derive(Clone, Debug)]
pub struct EntryNode {
    /// The id that the node began with; others are kept as differences from it.
    master: EntryId,
    /// The names of the fields that the node began with; entries with the same do not repeat them.
    names: Vec<Box<[u8]>>,
    /// Entries in order.
    pub entries: Vec<StoredEntry>,
    /// Number of deleted entries.
    pub deleted: usize,
    /// Length of the listpack.
    packed: usize,
}

impl StoredEntry {
    /// An entry of these names and values, by turns.
    pub fn new(id: EntryId, fields: &[&[u8]]) -> Self {
        let mut reply = ReplyBuffer::default();
        reply.array(fields.len());
        for field in fields {
            reply.bulk(field);
        }
        Self { id, fields: reply.into_bytes().into_boxed_slice() }
    }

    /// Replies id and fields.
    pub fn write(&self, reply: &mut ReplyBuffer) {
        reply.array(2);
        reply.id(self.id);
        reply.raw(&self.fields);
    }

    /// Replies the fields alone.
    pub fn write_fields(&self, reply: &mut ReplyBuffer) {
        reply.raw(&self.fields);
    }

    /// Memory of the entry, in bytes.
    pub fn size(&self) -> usize {
        self.fields.len() + ENTRY_OVERHEAD
    }
}

impl EntryNode {
    /// A node for an entry that is about to be appended.
    pub fn new(master: EntryId, fields: &[&[u8]]) -> Self {
        let names: Vec<Box<[u8]>> = fields.iter().step_by(2).map(|&name| name.into()).collect();
        let packed_names: usize = names.iter().map(|name| text_len(name)).sum();
        // Its counts of entries, deleted entries and names, the names, and a terminator.
        let packed = listpack::EMPTY + 2 + 2 + number_len(names.len() as i64) + packed_names + 2;
        Self { master, names, entries: Vec::new(), deleted: 0, packed }
    }

    /// Returns true if an entry of these names and values does not fit.
    pub fn is_full(&self, fields: &[&[u8]]) -> bool {
        let length: usize = fields.iter().map(|field| field.len()).sum();
        self.packed + length >= MOST_BYTES || self.entries.len() + self.deleted >= MOST_ENTRIES
    }

    /// Appends an entry.
    pub fn push(&mut self, id: EntryId, fields: &[&[u8]]) {
        self.packed += self.packed_len(id, fields);
        self.entries.push(StoredEntry::new(id, fields));
    }

    fn packed_len(&self, id: EntryId, fields: &[&[u8]]) -> usize {
        let count = (fields.len() / 2) as i64;
        let time = id.time.wrapping_sub(self.master.time) as i64;
        let sequence = id.sequence.wrapping_sub(self.master.sequence) as i64;
        let values: usize = fields.iter().skip(1).step_by(2).map(|value| text_len(value)).sum();
        let head = 2 + number_len(time) + number_len(sequence) + values;
        if self.has_names(fields) {
            return head + number_len(count + 3);
        }
        let names: usize = fields.iter().step_by(2).map(|name| text_len(name)).sum();
        head + number_len(count) + names + number_len(count * 2 + 4)
    }

    fn has_names(&self, fields: &[&[u8]]) -> bool {
        self.names.len() * 2 == fields.len()
            && self.names.iter().zip(fields.iter().step_by(2)).all(|(one, other)| **one == **other)
    }

    /// Memory of the node besides its entries, in bytes.
    pub fn size(&self) -> usize {
        OVERHEAD + self.names.iter().map(|name| name.len() + NAME_OVERHEAD).sum::<usize>()
    }

    /// The first and the last id.
    pub fn edges(&self) -> Option<(EntryId, EntryId)> {
        Some((self.entries.first()?.id, self.entries.last()?.id))
    }

    /// Returns the entries between two ids, both included.
    pub fn between(&self, from: EntryId, to: EntryId) -> &[StoredEntry] {
        let start = self.entries.partition_point(|entry| entry.id < from);
        let end = self.entries.partition_point(|entry| entry.id <= to);
        self.entries.get(start..end).unwrap_or_default()
    }

    /// Removes an entry.
    pub fn remove(&mut self, id: EntryId) -> Option<StoredEntry> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.deleted += 1;
        Some(self.entries.remove(at))
    }

    /// Removes the first `count` entries.
    pub fn shorten(&mut self, count: usize) -> impl Iterator<Item = StoredEntry> + '_ {
        self.deleted += count;
        self.entries.drain(..count)
    }
}
