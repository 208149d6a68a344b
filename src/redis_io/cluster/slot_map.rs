//! Map from slots to the nodes of a Cluster. Pure.

use std::collections::BTreeSet;

use crate::redis_io::resp::Value;
use crate::redis_io::world::map::HashMap;

pub use crate::redis_io::address::Address;
pub use crate::redis_io::key_slot::{SLOTS, slot_of};

/// Index of a slot without an owner.
const NO_OWNER: u16 = u16::MAX;

/// A primary with its replicas, which have the same keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Takes reads and writes.
    pub primary: Address,
    /// Take reads.
    pub replicas: Vec<Address>,
}

/// All slots of a Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMap {
    shards: Vec<Shard>,
    /// The index of each slot's shard.
    slots: Vec<u16>,
}

impl SlotMap {
    /// Reads the reply to CLUSTER SLOTS. A node without a host has the host of `asked`. `nat` maps the address that a
    /// node announces to the one that is reachable from here. Returns `None` if the reply has no slots.
    pub fn read(reply: &Value, asked: &Address, nat: &HashMap<Address, Address>) -> Option<Self> {
        let Value::Array(ranges) = reply else { return None };
        let mut map = Self { shards: Vec::new(), slots: vec![NO_OWNER; usize::from(SLOTS)] };
        for range in ranges {
            let Value::Array(parts) = range else { return None };
            let [Value::Integer(first), Value::Integer(last), nodes @ ..] = parts.as_slice() else {
                return None;
            };
            let mut nodes = nodes.iter().filter_map(|node| read_address(node, asked));
            let mut nodes = nodes.by_ref().map(|node| nat.get(&node).cloned().unwrap_or(node));
            let shard = Shard { primary: nodes.next()?, replicas: nodes.collect() };
            let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
            let index = map.index_of(shard);
            map.slots.get_mut(first..last.checked_add(1)?)?.fill(index);
        }
        (!map.shards.is_empty()).then_some(map)
    }

    fn index_of(&mut self, shard: Shard) -> u16 {
        let known = self.shards.iter().position(|known| *known == shard).unwrap_or_else(|| {
            self.shards.push(shard);
            self.shards.len() - 1
        });
        known as u16
    }

    /// Returns the primary and replicas of a slot.
    pub fn shard(&self, slot: u16) -> Option<&Shard> {
        self.shards.get(usize::from(*self.slots.get(usize::from(slot))?))
    }

    /// Notes a new owner of a slot before the next refresh.
    pub fn note_moved(&mut self, slot: u16, to: &Address) {
        let known = self.shards.iter().find(|shard| shard.primary == *to).cloned();
        let index = self.index_of(known.unwrap_or(Shard { primary: to.clone(), replicas: Vec::new() }));
        if let Some(owner) = self.slots.get_mut(usize::from(slot)) {
            *owner = index;
        }
    }

    /// Returns true if each slot has the same primary in another map.
    pub fn has_owners_of(&self, other: &Self) -> bool {
        let owner = |map: &Self, slot: u16| map.shard(slot).map(|shard| shard.primary.clone());
        (0..SLOTS).all(|slot| owner(self, slot) == owner(other, slot))
    }

    /// The primaries, in no order.
    pub fn primaries(&self) -> impl Iterator<Item = &Address> {
        self.shards.iter().map(|shard| &shard.primary)
    }

    /// Returns true if a node is a replica and not a primary.
    pub fn is_replica(&self, address: &Address) -> bool {
        self.shards.iter().any(|shard| shard.replicas.contains(address))
            && !self.primaries().any(|primary| primary == address)
    }

    /// Every node, once.
    pub fn nodes(&self) -> BTreeSet<&Address> {
        self.shards.iter().flat_map(|shard| shard.replicas.iter().chain([&shard.primary])).collect()
    }
}

/// Reads `[host, port, …]`. An empty host means the node that was asked. `?` means an unknown host.
fn read_address(node: &Value, asked: &Address) -> Option<Address> {
    let Value::Array(parts) = node else { return None };
    let [host, Value::Integer(port), ..] = parts.as_slice() else { return None };
    let host = match host {
        Value::Bulk(host) if !host.is_empty() && host != b"?" => String::from_utf8(host.clone()).ok()?,
        Value::Bulk(_) | Value::Nil => asked.host.clone(),
        _ => return None,
    };
    Some(Address { host, port: u16::try_from(*port).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address { host: "h".to_owned(), port }
    }

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::Bulk(host.into()), Value::Integer(port), Value::Bulk(b"id".to_vec())])
    }

    fn range(first: i64, last: i64, nodes: &[Value]) -> Value {
        Value::Array([&[Value::Integer(first), Value::Integer(last)], nodes].concat())
    }

    fn read(ranges: Vec<Value>) -> Option<SlotMap> {
        SlotMap::read(&Value::Array(ranges), &address(1), &HashMap::default())
    }

    #[test]
    fn slots_are_those_that_redis_counts() {
        assert_eq!(slot_of(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b""), 0);
    }

    #[test]
    fn of_a_key_with_a_tag_the_tag_counts() {
        assert_eq!(slot_of(b"a{foo}b"), slot_of(b"foo"));
        assert_eq!(slot_of(b"{foo}{bar}"), slot_of(b"foo"));
        assert_eq!(slot_of(b"a{b{foo}"), slot_of(b"b{foo"));
        assert_ne!(slot_of(b"{}foo"), slot_of(b"foo"));
        assert_ne!(slot_of(b"{foo"), slot_of(b"foo"));
    }

    #[test]
    fn ranges_say_who_has_a_slot() {
        let one = range(0, 8_191, &[node("h", 1), node("h", 2)]);
        let map = read(vec![one, range(8_192, 16_383, &[node("h", 3)])]).expect("a map");
        assert_eq!(map.shard(8_191), Some(&Shard { primary: address(1), replicas: vec![address(2)] }));
        assert_eq!(map.shard(8_192).map(|shard| &shard.primary), Some(&address(3)));
        assert!(map.is_replica(&address(2)) && !map.is_replica(&address(1)));
        assert_eq!(map.nodes().len(), 3);
    }

    #[test]
    fn slots_that_nobody_has_are_nobodys() {
        let map = read(vec![range(0, 1, &[node("h", 1)])]).expect("a map");
        assert_eq!(map.shard(2), None);
        assert_eq!(map.shard(u16::MAX), None);
    }

    #[test]
    fn a_node_without_a_name_has_that_of_who_was_asked() {
        for host in ["", "?"] {
            let map = read(vec![range(0, 16_383, &[node(host, 7)])]).expect("a map");
            assert_eq!(map.shard(0).map(|shard| &shard.primary), Some(&address(7)));
        }
    }

    #[test]
    fn addresses_are_translated() {
        let nat = [(address(1), Address { host: "outside".to_owned(), port: 9 })].into_iter().collect();
        let reply = Value::Array(vec![range(0, 16_383, &[node("h", 1)])]);
        let map = SlotMap::read(&reply, &address(5), &nat).expect("a map");
        assert_eq!(map.primaries().map(ToString::to_string).collect::<Vec<_>>(), ["outside:9"]);
    }

    #[test]
    fn a_slot_that_moved_is_elsewhere_at_once() {
        let mut map = read(vec![range(0, 16_383, &[node("h", 1)])]).expect("a map");
        map.note_moved(5, &address(9));
        assert_eq!(map.shard(5).map(|shard| &shard.primary), Some(&address(9)));
        assert_eq!(map.shard(6).map(|shard| &shard.primary), Some(&address(1)));
        map.note_moved(6, &address(9));
        assert_eq!(map.shards.len(), 2);
    }

    #[test]
    fn replies_that_tell_nothing_are_no_map() {
        for ranges in [
            vec![],
            vec![Value::Nil],
            vec![range(0, 16_384, &[node("h", 1)])],
            vec![range(6, 4, &[node("h", 1)])],
            vec![range(-1, 4, &[node("h", 1)])],
            vec![range(0, 4, &[])],
            vec![range(0, 4, &[node("h", 70_000)])],
        ] {
            assert_eq!(read(ranges.clone()), None, "{ranges:?}");
        }
    }
}
