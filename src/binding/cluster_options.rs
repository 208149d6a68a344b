//! JavaScript's options of a Cluster, made into the engine's.

use std::time::Duration;

use napi_derive::napi;

use crate::redis_io::cluster::slot_map::Address;
use crate::redis_io::options::{ClusterOptions, LinkOptions, ScaleReads};

use super::batch::duration;

/// Address of a node or sentinel.
#[napi(object)]
pub struct NativeAddress {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u32,
}

/// Translation of the address of a server.
#[napi(object)]
pub struct NativeTranslation {
    /// Address that the server announces.
    pub from: NativeAddress,
    /// Address that is reachable from here.
    pub to: NativeAddress,
}

/// A Cluster. Other options describe the connections to its nodes. Times in ms, negative for never.
#[napi(object)]
pub struct NativeClusterOptions {
    /// Nodes for the first request for the slots.
    pub startup: Vec<NativeAddress>,
    /// Addresses to translate.
    pub nat: Vec<NativeTranslation>,
    /// Nodes that payloads are read from: 0 primaries, 1 replicas, 2 either.
    pub reads: Option<u32>,
    /// Maximum number of redirects of a command.
    pub max_redirections: Option<u32>,
    /// Delay of a command after MOVED, in ms.
    pub moved_delay: Option<f64>,
    /// Delay of a command whose node is gone, in ms.
    pub failover_delay: Option<f64>,
    /// Delay of a command while the Cluster is down, in ms.
    pub cluster_down_delay: Option<f64>,
    /// Delay of a command for a slot that migrates between two nodes, in ms.
    pub try_again_delay: Option<f64>,
    /// Maximum time of one request for the slots to one node, in ms.
    pub refresh_timeout: Option<f64>,
    /// Interval of the refresh of the slots, in ms.
    pub refresh_interval: Option<f64>,
    /// True if producers wait for completions on sharded channels.
    pub has_sharded_completions: Option<bool>,
}

impl NativeClusterOptions {
    pub(super) fn into_engine(self, link: LinkOptions) -> ClusterOptions {
        let defaults = ClusterOptions::default();
        let time = |ms: Option<f64>, default: Duration| ms.and_then(duration).unwrap_or(default);
        ClusterOptions {
            startup: self.startup.into_iter().map(NativeAddress::into_engine).collect(),
            link: LinkOptions { db: 0, ..link },
            nat: self.nat.into_iter().map(|one| (one.from.into_engine(), one.to.into_engine())).collect(),
            reads: match self.reads {
                Some(1) => ScaleReads::Replicas,
                Some(2) => ScaleReads::All,
                _ => defaults.reads,
            },
            max_redirections: self
                .max_redirections
                .map_or(defaults.max_redirections, |most| most.min(255) as u8),
            moved_delay: time(self.moved_delay, defaults.moved_delay),
            failover_delay: time(self.failover_delay, defaults.failover_delay),
            cluster_down_delay: time(self.cluster_down_delay, defaults.cluster_down_delay),
            try_again_delay: time(self.try_again_delay, defaults.try_again_delay),
            refresh_timeout: time(self.refresh_timeout, defaults.refresh_timeout),
            refresh_interval: self.refresh_interval.map_or(defaults.refresh_interval, duration),
        }
    }
}

impl NativeAddress {
    pub(super) fn into_engine(self) -> Address {
        Address { host: self.host, port: self.port as u16 }
    }
}
