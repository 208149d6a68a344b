//! Slots of keys, and the map from slots to nodes.

use std::collections::HashMap;

use hfxbus::redis_io::address::Address;
use hfxbus::redis_io::cluster::slot_map::SlotMap;
use hfxbus::redis_io::key_slot::{SLOTS, slot_of};
use hfxbus::redis_io::resp::Value;
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;

/// CRC-16/XMODEM, bit by bit.
fn hash(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |hash: u16, &byte| {
        (0..8).fold(hash ^ u16::from(byte) << 8, |hash, _| {
            if hash & 0x8000 == 0 { hash << 1 } else { hash << 1 ^ 0x1021 }
        })
    })
}

/// The part of a key that Redis hashes.
fn hashed(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    match key[open + 1..].iter().position(|&byte| byte == b'}') {
        Some(length @ 1..) => &key[open + 1..open + 1 + length],
        _ => key,
    }
}

fn address(port: u16) -> Address {
    Address { host: "h".to_owned(), port }
}

fn range((first, last, port): (u16, u16, u16)) -> Value {
    let node = [Value::Bulk(b"h".to_vec()), Value::Integer(i64::from(port))];
    Value::Array(vec![
        Value::Integer(i64::from(first)),
        Value::Integer(i64::from(last)),
        Value::Array(node.to_vec()),
    ])
}

fn slots() -> impl Strategy<Value = (u16, u16, u16)> {
    (0..SLOTS, 0..SLOTS, 1..9_u16).prop_map(|(one, other, port)| (one.min(other), one.max(other), port))
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_slot_is_the_hash_of_the_tag(key in vec(prop_oneof![Just(b'{'), Just(b'}'), any::<u8>()], 0..24)) {
        prop_assert_eq!(slot_of(&key), hash(hashed(&key)) % SLOTS);
    }

    #[test]
    fn the_last_range_or_redirect_decides_about_a_slot(
        ranges in vec(slots(), 1..6),
        moved in vec((0..SLOTS, 1..20_u16), 0..6),
    ) {
        let reply = Value::Array(ranges.iter().copied().map(range).collect());
        let mut map = SlotMap::read(&reply, &address(1), &HashMap::default()).expect("a map");
        let mut owners = vec![None; usize::from(SLOTS)];
        for (first, last, port) in ranges {
            owners[usize::from(first)..=usize::from(last)].fill(Some(port));
        }
        for (slot, port) in moved {
            map.note_moved(slot, &address(port));
            owners[usize::from(slot)] = Some(port);
        }
        for (slot, owner) in (0..).zip(owners) {
            prop_assert_eq!(map.shard(slot).map(|shard| shard.primary.port), owner);
        }
    }
}
