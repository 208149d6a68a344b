//! A stream with its groups, in the plainest form: maps and loops.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use hfxbus::redis_io::resp::Value;
use hfxbus::redis_io::streams::entry::EntryId;

/// Number of pending entries that XAUTOCLAIM looks at for each that it can claim.
const LOOKED_AT: usize = 10;

pub type Fields = Vec<(String, String)>;

/// An entry without an acknowledgement.
#[derive(Clone)]
struct Pending {
    owner: &'static str,
    delivered_at: u64,
    deliveries: u64,
}

#[derive(Default)]
struct Group {
    last: EntryId,
    pending: BTreeMap<EntryId, Pending>,
}

/// Options of a claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub min_idle: u64,
    pub force: bool,
    pub just_id: bool,
}

#[derive(Default)]
pub struct StreamModel {
    entries: BTreeMap<EntryId, Fields>,
    last: EntryId,
    groups: BTreeMap<&'static str, Group>,
    pub now: u64,
}

pub fn text(text: impl ToString) -> Value {
    Value::Bulk(text.to_string().into_bytes())
}

fn ids<'a>(ids: impl IntoIterator<Item = &'a EntryId>) -> Value {
    Value::Array(ids.into_iter().map(text).collect())
}

impl StreamModel {
    fn entry(&self, id: EntryId) -> Value {
        let fields = self.entries.get(&id).map(|fields| {
            Value::Array(fields.iter().flat_map(|(name, value)| [text(name), text(value)]).collect())
        });
        Value::Array(vec![text(id), fields.unwrap_or(Value::Nil)])
    }

    /// XADD with an id. The reply is an error without a text if the id is too small.
    pub fn add(&mut self, id: EntryId, fields: Fields) -> Value {
        if id <= self.last {
            return Value::Error(String::new());
        }
        self.last = id;
        self.entries.insert(id, fields);
        text(id)
    }

    pub fn delete(&mut self, gone: &[EntryId]) -> Value {
        Value::Integer(gone.iter().filter(|id| self.entries.remove(id).is_some()).count() as i64)
    }

    pub fn trim_to_length(&mut self, length: usize) -> Value {
        let surplus = self.entries.len().saturating_sub(length);
        (0..surplus).for_each(|_| drop(self.entries.pop_first()));
        Value::Integer(surplus as i64)
    }

    pub fn trim_to_id(&mut self, least: EntryId) -> Value {
        let before = self.entries.len();
        self.entries.retain(|id, _| *id >= least);
        Value::Integer((before - self.entries.len()) as i64)
    }

    pub fn create_group(&mut self, group: &'static str, last: EntryId) {
        self.groups.insert(group, Group { last, pending: BTreeMap::new() });
    }

    fn group(&mut self, group: &str) -> &mut Group {
        self.groups.get_mut(group).expect("a group")
    }

    pub fn read_new(&mut self, group: &str, owner: &'static str, count: usize, acknowledges: bool) -> Value {
        let last = self.group(group).last;
        let found: Vec<EntryId> =
            self.entries.range((Excluded(last), Unbounded)).map(|(id, _)| *id).take(count).collect();
        let now = self.now;
        let group = self.group(group);
        for &id in &found {
            group.last = id;
            if !acknowledges {
                group.pending.insert(id, Pending { owner, delivered_at: now, deliveries: 1 });
            }
        }
        if found.is_empty() { Value::Nil } else { self.streams(&found) }
    }

    pub fn read_again(&mut self, group: &str, owner: &str, after: EntryId, count: usize) -> Value {
        let now = self.now;
        let there: Vec<EntryId> = self.entries.keys().copied().collect();
        let mine = self.group(group).pending.range_mut((Excluded(after), Unbounded));
        let mut found = Vec::new();
        for (id, pending) in mine.filter(|(_, pending)| pending.owner == owner).take(count) {
            if there.contains(id) {
                (pending.delivered_at, pending.deliveries) = (now, pending.deliveries + 1);
            }
            found.push(*id);
        }
        self.streams(&found)
    }

    fn streams(&self, found: &[EntryId]) -> Value {
        let entries = found.iter().map(|&id| self.entry(id)).collect();
        Value::Array(vec![Value::Array(vec![text("s"), Value::Array(entries)])])
    }

    pub fn acknowledge(&mut self, group: &str, settled: &[EntryId]) -> Value {
        let pending = &mut self.group(group).pending;
        Value::Integer(settled.iter().filter(|id| pending.remove(id).is_some()).count() as i64)
    }

    /// Claims one entry: true if it was claimed, false if it was removed since it is not in the stream any more.
    fn claim_one(&mut self, group: &str, owner: &'static str, claim: Claim, id: EntryId) -> Option<bool> {
        let (now, is_there) = (self.now, self.entries.contains_key(&id));
        let pending = &mut self.group(group).pending;
        if !is_there {
            return pending.remove(&id).map(|_| false);
        }
        let deliveries = match pending.get(&id) {
            Some(known) if now - known.delivered_at < claim.min_idle => return None,
            Some(known) => known.deliveries,
            None if claim.force => 1,
            None => return None,
        };
        let deliveries = deliveries + u64::from(!claim.just_id);
        pending.insert(id, Pending { owner, delivered_at: now, deliveries });
        Some(true)
    }

    fn claimed(&self, found: &[EntryId], claim: Claim) -> Value {
        if claim.just_id {
            ids(found)
        } else {
            Value::Array(found.iter().map(|&id| self.entry(id)).collect())
        }
    }

    pub fn claim(&mut self, group: &str, owner: &'static str, claim: Claim, wanted: &[EntryId]) -> Value {
        let is_claimed = |id: &&EntryId| self.claim_one(group, owner, claim, **id) == Some(true);
        let found: Vec<EntryId> = wanted.iter().filter(is_claimed).copied().collect();
        self.claimed(&found, claim)
    }

    pub fn autoclaim(
        &mut self,
        group: &str,
        owner: &'static str,
        claim: Claim,
        from: EntryId,
        count: usize,
    ) -> Value {
        let candidates: Vec<EntryId> = self.group(group).pending.range(from..).map(|(id, _)| *id).collect();
        let (mut found, mut gone, mut looked) = (Vec::new(), Vec::new(), 0);
        for &id in candidates.iter().take(count * LOOKED_AT) {
            if found.len() + gone.len() == count {
                break;
            }
            looked += 1;
            match self.claim_one(group, owner, claim, id) {
                Some(true) => found.push(id),
                Some(false) => gone.push(id),
                None => {}
            }
        }
        let next = candidates.get(looked).copied().unwrap_or_default();
        Value::Array(vec![text(next), self.claimed(&found, claim), ids(&gone)])
    }

    /// XPENDING of all entries.
    pub fn pending(&mut self, group: &str) -> Value {
        let now = self.now;
        let rows = self.group(group).pending.iter().map(|(id, pending)| {
            let counts =
                [now - pending.delivered_at, pending.deliveries].map(|count| Value::Integer(count as i64));
            Value::Array([text(id), text(pending.owner)].into_iter().chain(counts).collect())
        });
        Value::Array(rows.collect())
    }

    /// XRANGE of all entries.
    pub fn range(&self) -> Value {
        Value::Array(self.entries.keys().map(|&id| self.entry(id)).collect())
    }
}
