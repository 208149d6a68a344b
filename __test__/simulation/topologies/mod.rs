//! Arrangements of servers: each on its own, a Cluster, or a primary behind sentinels.

pub mod changes;
pub mod cluster;
pub mod sentinel;

use std::sync::Arc;

use cluster::Cluster;
use sentinel::Sentinels;

use crate::scenario::{Arrangement, Scenario};
use crate::world::World;

/// Port that events have for all servers of a Cluster, and for a primary and its replica. A key is on one of them at a time.
pub const PORT: u16 = 7_000;

/// Servers of a run.
#[derive(Clone, Debug)]
pub enum Topology {
    /// Each server has keys of its own.
    Standalone,
    /// Servers that share slots.
    Cluster(Arc<Cluster>),
    /// A primary and a replica.
    Sentinel(Arc<Sentinels>),
}

impl Topology {
    /// Starts the servers of a script.
    pub fn start(scenario: &Scenario, world: &World) -> Self {
        let ports: Vec<u16> = (0..scenario.servers()).map(Scenario::port).collect();
        let topology = match scenario.arrangement {
            Arrangement::Standalone => Self::Standalone,
            Arrangement::Cluster(primaries) => {
                let (primaries, replicas) = ports.split_at(usize::from(primaries));
                let shards: Vec<(u16, u16)> =
                    primaries.iter().copied().zip(replicas.iter().copied()).collect();
                Self::Cluster(Cluster::new(&shards))
            }
            Arrangement::Sentinel => Self::Sentinel(Sentinels::new([ports[0], ports[1]], &ports[2..])),
        };
        for port in ports {
            let server = world.serve(port);
            match &topology {
                Self::Standalone => {}
                Self::Cluster(cluster) => server.set_gate(cluster.gate(port)),
                Self::Sentinel(sentinels) => server.set_gate(sentinels.gate(port)),
            }
        }
        topology
    }

    /// Port of the server that has a key of a node of the bus.
    pub fn holder(&self, node: u16, key: &str) -> u16 {
        match self {
            Self::Standalone => Scenario::port(node),
            Self::Cluster(cluster) => cluster.owner_of(key.as_bytes()),
            Self::Sentinel(sentinels) => sentinels.current(),
        }
    }

    /// Returns true if a server takes writes.
    pub fn is_primary(&self, port: u16) -> bool {
        match self {
            Self::Standalone => true,
            Self::Cluster(cluster) => cluster.primaries().contains(&port),
            Self::Sentinel(sentinels) => sentinels.current() == port,
        }
    }

    /// Port that events have for a server: servers that hold the keys of one node share a port.
    pub fn port_of_events(&self, port: u16) -> u16 {
        match self {
            Self::Standalone => port,
            Self::Cluster(_) | Self::Sentinel(_) => PORT,
        }
    }

    /// Other servers that get a message that is published on a server.
    pub fn listeners(&self, port: u16) -> Vec<u16> {
        match self {
            Self::Cluster(cluster) => cluster.ports().into_iter().filter(|&other| other != port).collect(),
            Self::Standalone | Self::Sentinel(_) => Vec::new(),
        }
    }
}
