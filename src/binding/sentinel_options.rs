//! JavaScript's options about sentinels, made into the engine's.

use std::sync::Arc;

use napi::Result;
use napi_derive::napi;

use crate::engine::options::bus::NodeOptions;
use crate::engine::options::sentinel::SentinelOptions;
use crate::redis_io::cluster::slot_map::Address;
use crate::redis_io::options::{Endpoint, LinkOptions, ReplicationRole};

use super::batch::duration;
use super::cluster_options::{NativeAddress, NativeTranslation};
use super::tls_options::NativeTlsOptions;

/// Sentinels that know the endpoint of a node.
#[napi(object)]
pub struct NativeSentinelOptions {
    /// Addresses of the sentinels.
    pub addresses: Vec<NativeAddress>,
    /// Name of the node at the sentinels.
    pub name: String,
    /// Connects to a replica.
    pub is_replica: bool,
    /// For AUTH.
    pub username: Option<String>,
    /// For AUTH.
    pub password: Option<String>,
    /// Options of TLS, if they use it.
    pub tls: Option<NativeTlsOptions>,
    /// Maximum time until a reply of a sentinel, in ms.
    pub command_timeout: Option<f64>,
    /// Addresses to translate.
    pub nat: Vec<NativeTranslation>,
    /// Preferred replicas, `host:port`.
    pub preferred: Option<Vec<String>>,
    /// Asks sentinels that the known ones name as well.
    pub update_sentinels: Option<bool>,
    /// Listens for failovers.
    pub failover_detector: Option<bool>,
    /// Lets the facade answer `RetryAsked` for them.
    pub asks_retry: bool,
}

fn endpoint(address: NativeAddress) -> Endpoint {
    let Address { host, port } = address.into_engine();
    Endpoint::tcp(&host, port)
}

impl NativeSentinelOptions {
    /// Makes `node` one whose server they know.
    pub fn find(self, node: NodeOptions) -> Result<NodeOptions> {
        let addresses = self.addresses.into_iter().map(endpoint).collect();
        let defaults = SentinelOptions::new(addresses, self.name);
        let link = LinkOptions {
            username: self.username,
            password: self.password,
            tls: self.tls.map(|tls| tls.into_engine("sentinelTLS")).transpose()?,
            connect_timeout: node.link.connect_timeout,
            command_timeout: self.command_timeout.and_then(duration).or(node.link.connect_timeout),
            ..LinkOptions::clone(&defaults.link)
        };
        Ok(node.behind(SentinelOptions {
            role: if self.is_replica { ReplicationRole::Replica } else { ReplicationRole::Primary },
            link: Arc::new(link),
            nat: self.nat.into_iter().map(|one| (endpoint(one.from).to_string(), endpoint(one.to))).collect(),
            preferred: self.preferred.unwrap_or_default(),
            learns: self.update_sentinels.unwrap_or(defaults.learns),
            watches: self.failover_detector.unwrap_or(defaults.watches),
            asks_retry: self.asks_retry,
            ..defaults
        }))
    }
}
