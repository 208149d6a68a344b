//! Names of the streams of partitions. Every process of a fleet must compute the same ones. Pure.
//!
//! On one server partition 5 of `orders` is the stream `orders#5`. Elsewhere digits in braces follow, by which
//! consecutive partitions lead to different nodes:
//!
//! - on a Cluster the digits are the hash tag of the key. The slots of the partitions divide the Cluster evenly, for any
//!   count of partitions, and begin at a slot of the stream's own, so that partitions 0 of several streams are apart;
//! - on several nodes the route of the whole name goes round the nodes, for any count of nodes that divides 840.

use std::fmt::Write;
use std::sync::OnceLock;

use crate::engine::nodes::node_set::NodeSet;
use crate::engine::nodes::routing;
use crate::redis_io::key_slot::{SLOTS, slot_of};

/// Number of bits of a slot.
const SLOT_BITS: u32 = SLOTS.trailing_zeros();
/// Number that all counts of nodes up to 8 divide, as do 10, 12, 14, 15 and 20.
const ROUND: u16 = 840;

/// Arrangement of the servers, as far as names depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionSpread {
    /// One server.
    Alone,
    /// The slots of a Cluster.
    Slots,
    /// Several nodes, by route.
    Routes,
}

impl PartitionSpread {
    /// The arrangement of a bus.
    pub fn of(node_set: &NodeSet) -> Self {
        match node_set.nodes() {
            [node] if node.topology().is_none() => Self::Alone,
            [_] => Self::Slots,
            _ => Self::Routes,
        }
    }

    /// Returns the name of the stream of a partition.
    pub fn name(self, stream: &str, partition: u32) -> String {
        let mut name = format!("{stream}#{partition}");
        match self {
            Self::Alone => {}
            Self::Slots => {
                let _ = write!(name, "{{{}}}", tags()[usize::from(slot_for(stream, partition))]);
            }
            Self::Routes => push_route_digits(&mut name, stream, partition),
        }
        name
    }

    /// Returns the names of the streams of all partitions.
    pub fn names(self, stream: &str, count: u32) -> Vec<String> {
        (0..count).map(|partition| self.name(stream, partition)).collect()
    }
}

/// Slot of a partition: the digits of its number in base 2, reversed, divide the slots in halves, quarters and so on.
fn slot_for(stream: &str, partition: u32) -> u16 {
    let reversed = partition.reverse_bits() >> (u32::BITS - SLOT_BITS);
    (slot_of(stream.as_bytes()) + reversed as u16) % SLOTS
}

/// The smallest whole number for each slot whose decimal digits have this slot. The largest one is 109,757.
fn tags() -> &'static [u32] {
    static TAGS: OnceLock<Vec<u32>> = OnceLock::new();
    TAGS.get_or_init(|| {
        let (mut tags, mut missing) = (vec![u32::MAX; usize::from(SLOTS)], SLOTS);
        let (mut digits, mut number) = (String::new(), 0);
        while missing > 0 {
            digits.clear();
            let _ = write!(digits, "{number}");
            let tag = &mut tags[usize::from(slot_of(digits.as_bytes()))];
            if *tag == u32::MAX {
                (*tag, missing) = (number, missing - 1);
            }
            number += 1;
        }
        tags
    })
}

/// Adds the first digits by which the route goes round the nodes.
fn push_route_digits(name: &mut String, stream: &str, partition: u32) {
    let wanted = (u32::from(routing::hash(stream)) + partition) % u32::from(ROUND);
    let length = name.len();
    for number in 0.. {
        name.truncate(length);
        let _ = write!(name, "{{{number}}}");
        if u32::from(routing::hash(name) % ROUND) == wanted {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::nodes::routing::RouteTable;
    use crate::redis_io::keys::Keys;

    /// Share of the busiest of `nodes`, as a multiple of the fair share.
    fn busiest(partitions: u32, nodes: usize, node: impl Fn(u32) -> usize) -> f64 {
        let mut counts = vec![0_u32; nodes];
        (0..partitions).for_each(|partition| counts[node(partition)] += 1);
        f64::from(*counts.iter().max().expect("has nodes")) * nodes as f64 / f64::from(partitions)
    }

    #[test]
    fn every_slot_has_digits() {
        for slot in 0..SLOTS {
            assert_eq!(slot_of(tags()[usize::from(slot)].to_string().as_bytes()), slot);
        }
    }

    #[test]
    fn partitions_have_distinct_slots() {
        let mut slots: Vec<u16> = (0..1_024).map(|partition| slot_for("orders", partition)).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), 1_024);
    }

    #[test]
    fn the_busiest_node_of_a_cluster_has_little_more_than_its_share() {
        let keys = Keys::new("hfxbus");
        for stream in ["orders", "invoices", "a", "worldConcat"] {
            for nodes in [2, 3, 4, 5, 6, 9, 12] {
                let node = |partition| {
                    let key = keys.stream(&PartitionSpread::Slots.name(stream, partition));
                    usize::from(slot_of(key.as_bytes())) * nodes / usize::from(SLOTS)
                };
                let most = busiest(64, nodes, node);
                assert!(most <= 1.25, "{stream}: {most} at {nodes} nodes");
            }
        }
    }

    #[test]
    fn the_busiest_of_several_nodes_has_little_more_than_its_share() {
        for stream in ["orders", "invoices", "a", "worldConcat"] {
            for nodes in [2, 3, 4, 5, 6, 7, 8, 10, 12] {
                let routes = RouteTable::new(vec![&[][..]; nodes]);
                let most = busiest(64, nodes, |partition| {
                    routes.node(&PartitionSpread::Routes.name(stream, partition))
                });
                assert!(most <= 1.13, "{stream}: {most} at {nodes} nodes");
            }
        }
    }

    #[test]
    fn names_are_those_of_the_fleet() {
        let names = [PartitionSpread::Alone, PartitionSpread::Slots, PartitionSpread::Routes]
            .map(|spread| [0, 5].map(|partition| spread.name("orders", partition)));
        assert_eq!(names[0], ["orders#0", "orders#5"]);
        assert_eq!(names[1], ["orders#0{1835}", "orders#5{5206}"], "see docs/scale.md");
        assert_eq!(names[2], ["orders#0{1438}", "orders#5{8989}"], "see docs/scale.md");
    }
}
