//! Options of the connections of a process.

use std::time::Duration;

use hfxbus::engine::options::bus::NodeOptions;
use hfxbus::engine::options::sentinel::SentinelOptions;
use hfxbus::redis_io::cluster::slot_map::Address;
use hfxbus::redis_io::options::{ClusterOptions, Endpoint, LinkOptions};

use crate::scenario::{Arrangement, Process, Scenario};
use crate::topologies::sentinel::NAME;

/// Host of all servers.
const HOST: &str = "127.0.0.1";

/// Nodes of the bus of a process.
pub fn nodes(scenario: &Scenario, process: &Process) -> Vec<NodeOptions> {
    let socket_timeout = process.socket_timeout.map(Duration::from_millis);
    let options = |port| NodeOptions { link: link(port, process), socket_timeout, ..NodeOptions::default() };
    match scenario.arrangement {
        Arrangement::Standalone => (0..scenario.nodes).map(|node| options(Scenario::port(node))).collect(),
        Arrangement::Cluster(primaries) => {
            let startup =
                (0..primaries).map(|node| Address { host: HOST.to_owned(), port: Scenario::port(node) });
            let link = link(Scenario::port(0), process);
            let cluster = ClusterOptions { startup: startup.collect(), link, ..ClusterOptions::default() };
            vec![NodeOptions { cluster: Some(cluster), socket_timeout, ..NodeOptions::default() }]
        }
        Arrangement::Sentinel => {
            let sentinels = (2..scenario.servers()).map(|node| endpoint(Scenario::port(node)));
            let sentinels = SentinelOptions::new(sentinels.collect(), NAME.to_owned());
            vec![options(Scenario::port(0)).behind(sentinels)]
        }
    }
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint::Tcp { host: HOST.to_owned(), port, family: 4 }
}

fn link(port: u16, process: &Process) -> LinkOptions {
    LinkOptions {
        endpoint: endpoint(port),
        resend: process.resends,
        command_timeout: process.command_timeout.map(Duration::from_millis),
        max_retries_per_request: Some(20),
        ..LinkOptions::default()
    }
}
