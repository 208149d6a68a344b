//! The keys with their values, their expiry and their memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::embedded::key::Key;
use crate::embedded::protocol::command_error::{CommandError, WRONG_TYPE};
use crate::embedded::streams::stream::Stream;
use crate::redis_io::world::map::HashMap;

/// Memory of a key besides its name and value: a place in each of the maps.
const OVERHEAD: usize = 144;

/// Value of a key.
#[derive(Clone, Debug)]
pub enum StoredValue {
    /// A string of bytes.
    Text(Vec<u8>),
    /// A stream.
    Stream(Box<Stream>),
}

impl StoredValue {
    /// Name of the type in Redis.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Stream(_) => "stream",
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Stream(stream) => stream.size(),
        }
    }
}

#[derive(Debug)]
struct Slot {
    /// Grows with every key that is made, so that SCAN can go by it.
    serial: u64,
    expires_at: Option<u64>,
    value: StoredValue,
}

/// All keys. Expired keys are removed before any access, see [`Keyspace::expire_due`].
#[derive(Debug, Default)]
pub struct Keyspace {
    slots: HashMap<Key, Slot>,
    /// Keys in the order in which they were made.
    order: BTreeMap<u64, Key>,
    /// Serials by the time at which they expire.
    expiries: BTreeSet<(u64, u64)>,
    serials: u64,
    used: usize,
    /// Number of expired keys so far.
    pub expired: u64,
}

impl Keyspace {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Number of keys with an expiry.
    pub fn expiring(&self) -> usize {
        self.expiries.len()
    }

    /// Memory of the keys, as far as it is counted, in bytes.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Returns true if a key exists.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.slots.contains_key(key)
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&StoredValue> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    /// The string of a key.
    pub fn text(&self, key: &[u8]) -> Result<Option<&[u8]>, CommandError> {
        match self.get(key) {
            None => Ok(None),
            Some(StoredValue::Text(text)) => Ok(Some(text)),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    /// The stream of a key.
    pub fn stream(&self, key: &[u8]) -> Result<Option<&Stream>, CommandError> {
        match self.get(key) {
            None => Ok(None),
            Some(StoredValue::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    /// Changes a stream, if it is there.
    pub fn change_stream<T>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Stream) -> T,
    ) -> Result<Option<T>, CommandError> {
        let Some(slot) = self.slots.get_mut(key) else { return Ok(None) };
        let StoredValue::Stream(stream) = &mut slot.value else { return Err(WRONG_TYPE) };
        let before = stream.size();
        let result = change(stream);
        self.used = self.used - before + stream.size();
        Ok(Some(result))
    }

    /// Puts something under a key, instead of what was there. The key expires as before, unless it is new.
    pub fn put(&mut self, key: &[u8], value: StoredValue) {
        self.used += value.size();
        if let Some(slot) = self.slots.get_mut(key) {
            self.used -= slot.value.size();
            slot.value = value;
            return;
        }
        let serial = self.serials;
        self.serials += 1;
        let key = Key::from(key);
        self.used += key.len() + OVERHEAD;
        self.order.insert(serial, key.clone());
        self.slots.insert(key, Slot { serial, expires_at: None, value });
    }

    /// Removes a key. Returns what it held.
    pub fn remove(&mut self, key: &[u8]) -> Option<StoredValue> {
        let (key, slot) = self.slots.remove_entry(key)?;
        self.order.remove(&slot.serial);
        if let Some(at) = slot.expires_at {
            self.expiries.remove(&(at, slot.serial));
        }
        self.used -= slot.value.size() + key.len() + OVERHEAD;
        Some(slot.value)
    }

    /// Removes everything. Returns the keys that were there.
    pub fn clear(&mut self) -> Vec<Key> {
        let keys = std::mem::take(&mut self.order).into_values().collect();
        let (serials, expired) = (self.serials, self.expired);
        *self = Self { serials, expired, ..Self::default() };
        keys
    }

    /// Until when a key is there, if it expires.
    pub fn expires_at(&self, key: &[u8]) -> Option<u64> {
        self.slots.get(key)?.expires_at
    }

    /// Says until when a key is there. Returns whether it is.
    pub fn set_expiry(&mut self, key: &[u8], at: Option<u64>) -> bool {
        let Some(slot) = self.slots.get_mut(key) else { return false };
        if let Some(before) = std::mem::replace(&mut slot.expires_at, at) {
            self.expiries.remove(&(before, slot.serial));
        }
        if let Some(at) = at {
            self.expiries.insert((at, slot.serial));
        }
        true
    }

    /// Removes an expired key. Returns `None` if no key has expired.
    pub fn expire_due(&mut self, now: u64) -> Option<Key> {
        let &(at, serial) = self.expiries.first()?;
        if at >= now {
            return None;
        }
        let key = self.order.get(&serial)?.clone();
        self.remove(&key);
        self.expired += 1;
        Some(key)
    }

    /// The keys from a cursor on, with the cursors behind them. A key that is there all the time is met once by who
    /// goes on until there are no more: new ones come last.
    pub fn from(&self, cursor: u64) -> impl Iterator<Item = (u64, &Key, &StoredValue)> {
        self.order
            .range(cursor..)
            .filter_map(|(serial, key)| self.slots.get(key).map(|slot| (serial + 1, key, &slot.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_keyspace_takes_nothing() {
        let mut keys = Keyspace::default();
        for name in ["a", "b", "a"] {
            keys.put(name.as_bytes(), StoredValue::Text(b"text".to_vec()));
        }
        keys.put(b"s", StoredValue::Stream(Box::default()));
        let id = crate::redis_io::streams::entry::EntryId { time: 1, sequence: 1 };
        let _ = keys.change_stream(b"s", |stream| stream.log.append(id, &[b"name", b"value"]));
        assert_eq!(keys.len(), 3);
        assert!(keys.used() > 3 * OVERHEAD);
        for name in ["a", "b", "s"] {
            assert!(keys.remove(name.as_bytes()).is_some());
        }
        assert_eq!((keys.len(), keys.used()), (0, 0));
    }

    #[test]
    fn a_key_is_there_until_its_time_has_passed() {
        let mut keys = Keyspace::default();
        for (name, at) in [("a", 10), ("b", 20), ("c", 30)] {
            keys.put(name.as_bytes(), StoredValue::Text(Vec::new()));
            keys.set_expiry(name.as_bytes(), Some(at));
        }
        keys.set_expiry(b"b", None);
        assert_eq!(keys.expire_due(10), None);
        assert_eq!(keys.expire_due(31).as_deref(), Some(b"a".as_slice()));
        assert_eq!(keys.expire_due(31).as_deref(), Some(b"c".as_slice()));
        assert_eq!((keys.expire_due(31), keys.len(), keys.expired), (None, 1, 2));
    }

    #[test]
    fn a_cursor_meets_each_key_that_stays() {
        let mut keys = Keyspace::default();
        for name in ["a", "b", "c"] {
            keys.put(name.as_bytes(), StoredValue::Text(Vec::new()));
        }
        let (cursor, key, _) = keys.from(0).next().expect("a key");
        assert_eq!(&**key, b"a");
        keys.remove(b"b");
        keys.put(b"d", StoredValue::Text(Vec::new()));
        let rest: Vec<&[u8]> = keys.from(cursor).map(|(_, key, _)| &**key).collect();
        assert_eq!(rest, [b"c", b"d"]);
    }
}
