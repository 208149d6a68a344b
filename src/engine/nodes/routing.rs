//! Routes from names to nodes. Every process of a fleet must compute the same node. Pure.

use crc::{CRC_16_ARC, Crc};

use crate::engine::options::bus::StaticRoute;
use crate::redis_io::world::map::HashMap;

/// Hash of routes.
const HASH: Crc<u16> = Crc::<u16>::new(&CRC_16_ARC);

/// Table of routes to the nodes of a bus.
#[derive(Debug)]
pub struct RouteTable {
    nodes: usize,
    statics: HashMap<u16, usize>,
}

impl RouteTable {
    /// A table with a node for each list of static routes. The last node with a static route wins.
    pub fn new<'a>(static_routes: impl IntoIterator<Item = &'a [StaticRoute]>) -> Self {
        let (mut nodes, mut statics) = (0, HashMap::default());
        for routes in static_routes {
            let hashes = routes.iter().map(|route| match route {
                StaticRoute::Name(name) => hash(name),
                StaticRoute::Hash(hash) => *hash,
            });
            statics.extend(hashes.map(|hash| (hash, nodes)));
            nodes += 1;
        }
        Self { nodes, statics }
    }

    /// Index of the node that a route leads to.
    pub fn node(&self, route: &str) -> usize {
        if self.nodes <= 1 {
            return 0;
        }
        let hash = hash(route);
        self.statics.get(&hash).copied().unwrap_or(usize::from(hash) % self.nodes)
    }
}

/// CRC-16/ARC over UTF-8.
pub fn hash(route: &str) -> u16 {
    HASH.checksum(route.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_fleet() {
        let vectors = [
            ("", 0),
            ("a", 59_585),
            ("123456789", 47_933),
            ("worldConcat", 39_363),
            ("IdentityService", 14_468),
            ("a\u{e7}\u{e3}o", 62_631),
            ("\u{65e5}\u{672c}\u{8a9e}", 37_575),
            ("\u{1f600}", 20_073),
            ("V1StGXR8_Z5jdHi6", 1_905),
        ];
        for (route, expected) in vectors {
            assert_eq!(hash(route), expected, "{route}");
        }
    }

    #[test]
    fn static_routes_go_before_the_hash_and_the_later_node_wins() {
        let (name, number) = (StaticRoute::Name("a".to_owned()), StaticRoute::Hash(0));
        let routes = RouteTable::new([&[name.clone(), number][..], &[], &[name][..]]);
        assert_eq!(routes.node("a"), 2);
        assert_eq!(routes.node(""), 0);
        assert_eq!(routes.node("IdentityService"), 14_468 % 3);
    }

    #[test]
    fn one_node_has_everything() {
        assert_eq!(RouteTable::new([&[][..]]).node("anything"), 0);
    }
}
