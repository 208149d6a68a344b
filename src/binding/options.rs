//! Conversion of JavaScript's options. The facade has checked types and ranges. Missing options take the engine's
//! default.

use std::time::Duration;

use napi::Result;
use napi_derive::napi;

use crate::engine::options::bus::{BusOptions, EjectOptions, NodeOptions, StaticRoute};
use crate::engine::options::retention::RetentionOptions;
use crate::redis_io::options::{Endpoint, LinkOptions, QueueLimit};

use super::batch::duration;
use super::cluster_options::NativeClusterOptions;
use super::sentinel_options::NativeSentinelOptions;
use super::tls_options::NativeTlsOptions;

/// A bus.
#[napi(object)]
pub struct NativeBusOptions {
    /// Prefix of every key and channel.
    pub key_prefix: String,
    /// Nodes, in the order in which routes count them.
    pub nodes: Vec<NativeNodeOptions>,
    /// Rule for the ejection of nodes, if there is one.
    pub eject: Option<NativeEjectOptions>,
    /// Minimum time that an entry stays after every group has acknowledged it, in ms. Without it all entries stay.
    pub retain_for: Option<f64>,
}

/// Rule for the ejection of a node. Times in ms.
#[napi(object)]
pub struct NativeEjectOptions {
    /// Number of failures in a row that eject the node.
    pub failures: Option<u32>,
    /// Maximum time until a reply.
    pub timeout: Option<f64>,
    /// Minimum time until readmission.
    pub probe_interval: Option<f64>,
}

/// A node. Times in ms, negative for no limit.
#[napi(object)]
#[derive(Default)]
pub struct NativeNodeOptions {
    /// Prefix of every key on this node, in front of the prefix of the bus.
    pub node_prefix: Option<String>,
    /// Routes of this node that ignore their hash.
    pub static_routes: Option<Vec<String>>,
    /// The same, by the hash of the route.
    pub static_hashes: Option<Vec<u32>>,
    /// Options of a Cluster, instead of one endpoint.
    pub cluster: Option<NativeClusterOptions>,
    /// Sentinels that know the endpoint, instead of the endpoint itself.
    pub sentinel: Option<NativeSentinelOptions>,
    /// Name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u32>,
    /// 4, 6, or 0 for either.
    pub family: Option<u32>,
    /// Path of a unix socket, which wins over host and port.
    pub path: Option<String>,
    /// For AUTH.
    pub username: Option<String>,
    /// For AUTH.
    pub password: Option<String>,
    /// For SELECT.
    pub db: Option<u32>,
    /// For CLIENT SETNAME.
    pub connection_name: Option<String>,
    /// Options of TLS, if it is used.
    pub tls: Option<NativeTlsOptions>,
    /// Maximum time of one connection attempt, in ms.
    pub connect_timeout: Option<f64>,
    /// Maximum time until a reply, in ms.
    pub command_timeout: Option<f64>,
    /// Maximum silence of the server, in ms.
    pub socket_timeout: Option<f64>,
    /// Idle time before TCP keep-alive probes.
    pub keep_alive: Option<f64>,
    /// TCP_NODELAY.
    pub no_delay: Option<bool>,
    /// Opens the connection at the first command.
    pub lazy_connect: Option<bool>,
    /// READONLY after connecting.
    pub read_only: Option<bool>,
    /// Queues commands until the connection is ready.
    pub enable_offline_queue: Option<bool>,
    /// Maximum number of waiting commands. Negative has no limit.
    pub max_queued_commands: Option<f64>,
    /// Maximum size of waiting commands, in bytes.
    pub max_queued_bytes: Option<f64>,
    /// Sends INFO until the server is ready.
    pub enable_ready_check: Option<bool>,
    /// Maximum time between two INFO, in ms.
    pub max_loading_retry_time: Option<f64>,
    /// Number of failed reconnections after which queued commands fail. Negative never fails them.
    pub max_retries_per_request: Option<f64>,
    /// Subscribes again after a reconnection.
    pub auto_resubscribe: Option<bool>,
    /// Sends commands without a reply again.
    pub auto_resend_unfulfilled_commands: Option<bool>,
    /// Lets the facade answer `RetryAsked`.
    pub asks_retry: Option<bool>,
    /// Lets the facade answer `ReconnectAsked`.
    pub asks_reconnect: Option<bool>,
}

impl NativeBusOptions {
    /// The engine's options.
    pub fn into_engine(self) -> Result<BusOptions> {
        let nodes: Result<Vec<NodeOptions>> =
            self.nodes.into_iter().map(NativeNodeOptions::into_engine).collect();
        let eject = self.eject.map(NativeEjectOptions::into_engine);
        let retention = self.retain_for.and_then(duration).map(|keep| RetentionOptions { keep });
        Ok(BusOptions { key_prefix: self.key_prefix, nodes: nodes?, eject, retention })
    }
}

impl NativeEjectOptions {
    fn into_engine(self) -> EjectOptions {
        let defaults = EjectOptions::default();
        let time = |ms: Option<f64>, default: Duration| ms.and_then(duration).unwrap_or(default);
        EjectOptions {
            failures: self.failures.unwrap_or(defaults.failures),
            timeout: time(self.timeout, defaults.timeout),
            probe_interval: time(self.probe_interval, defaults.probe_interval),
        }
    }
}

impl NativeNodeOptions {
    fn into_engine(mut self) -> Result<NodeOptions> {
        let defaults = NodeOptions::default();
        let names = self.static_routes.take().unwrap_or_default().into_iter().map(StaticRoute::Name);
        let hashes = self.static_hashes.take().unwrap_or_default().into_iter();
        let hashes = hashes.filter_map(|hash| u16::try_from(hash).ok()).map(StaticRoute::Hash);
        let (cluster, sentinel) = (self.cluster.take(), self.sentinel.take());
        let options = NodeOptions {
            static_routes: names.chain(hashes).collect(),
            key_prefix: self.node_prefix.take().unwrap_or_default(),
            socket_timeout: self.socket_timeout.map_or(defaults.socket_timeout, duration),
            asks_retry: self.asks_retry.unwrap_or(defaults.asks_retry),
            asks_reconnect: self.asks_reconnect.unwrap_or(defaults.asks_reconnect),
            link: self.into_link()?,
            cluster: None,
            has_sharded_completions: cluster
                .as_ref()
                .and_then(|cluster| cluster.has_sharded_completions)
                .unwrap_or(defaults.has_sharded_completions),
            sentinels: None,
        };
        let cluster = cluster.map(|cluster| cluster.into_engine(options.link.clone()));
        let options = NodeOptions { cluster, ..options };
        Ok(match sentinel {
            Some(sentinel) => sentinel.find(options)?,
            None => options,
        })
    }

    fn into_link(self) -> Result<LinkOptions> {
        let defaults = LinkOptions::default();
        Ok(LinkOptions {
            endpoint: self.endpoint(&defaults.endpoint),
            tls: self.tls.map(|tls| tls.into_engine("tls")).transpose()?,
            username: self.username,
            password: self.password,
            db: self.db.unwrap_or(defaults.db),
            connection_name: self.connection_name,
            read_only: self.read_only.unwrap_or(defaults.read_only),
            role: defaults.role,
            connect_timeout: self.connect_timeout.map_or(defaults.connect_timeout, duration),
            command_timeout: self.command_timeout.map_or(defaults.command_timeout, duration),
            silence: defaults.silence,
            checks_sends: defaults.checks_sends,
            keep_alive: self.keep_alive.map_or(defaults.keep_alive, duration).filter(|idle| !idle.is_zero()),
            no_delay: self.no_delay.unwrap_or(defaults.no_delay),
            offline_queue: self.enable_offline_queue.unwrap_or(defaults.offline_queue),
            queue: QueueLimit {
                commands: self.max_queued_commands.map_or(defaults.queue.commands, most),
                bytes: self.max_queued_bytes.map_or(defaults.queue.bytes, most),
            },
            ready_check: self.enable_ready_check.unwrap_or(defaults.ready_check),
            max_loading_retry_time: self
                .max_loading_retry_time
                .map_or(defaults.max_loading_retry_time, |ms| duration(ms).unwrap_or(Duration::MAX)),
            max_retries_per_request: self
                .max_retries_per_request
                .map_or(defaults.max_retries_per_request, |most| (most >= 0.0).then_some(most as u32)),
            resend: self.auto_resend_unfulfilled_commands.unwrap_or(defaults.resend),
            resubscribe: self.auto_resubscribe.unwrap_or(defaults.resubscribe),
            lazy: self.lazy_connect.unwrap_or(defaults.lazy),
        })
    }

    fn endpoint(&self, default: &Endpoint) -> Endpoint {
        if let Some(path) = &self.path {
            return Endpoint::Unix(path.clone());
        }
        let Endpoint::Tcp { host, port, family } = default else { return default.clone() };
        Endpoint::Tcp {
            host: self.host.clone().unwrap_or_else(|| host.clone()),
            port: self.port.map_or(*port, |port| port as u16),
            family: self.family.map_or(*family, |family| family as u8),
        }
    }
}

/// Converts a limit from the facade. Negative has no limit.
fn most(number: f64) -> usize {
    if number < 0.0 { usize::MAX } else { number as usize }
}
