//! JavaScript's options, made into the engine's. The facade has checked types and ranges; what is missing here
//! takes the engine's default.

use std::time::Duration;

use napi::Result;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::engine::options::{
    BusOptions, ConsumerOptions, EjectOptions, NodeOptions, ReadFrom, Route, StaticRoute, StreamOptions,
};
use crate::engine::retry_policy::{Growth, RetryPolicy};
use crate::redis_io::options::{
    ClusterOptions, Endpoint, InvalidUrl, LinkOptions, QueueLimit, ScaleReads, TlsOptions,
};
use crate::redis_io::slot_map::Address;
use crate::redis_io::tls::{self, InvalidTls};

use super::batch::{LONGEST, duration};
use super::error::invalid;
use super::sentinel_options::NativeSentinelOptions;

/// TLS.
#[napi(object)]
#[derive(Default)]
pub struct NativeTlsOptions {
    /// Authorities, PEM.
    pub ca: Option<Vec<Uint8Array>>,
    /// The client's certificate chain, PEM.
    pub cert: Option<Uint8Array>,
    /// The client's key, PEM.
    pub key: Option<Uint8Array>,
    /// The name the server's certificate must have.
    pub servername: Option<String>,
    /// Whether a server that cannot prove its name is refused.
    pub reject_unauthorized: Option<bool>,
}

/// Where something listens.
#[napi(object)]
pub struct NativeAddress {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u32,
}

/// Under which other address a server is reached from here.
#[napi(object)]
pub struct NativeTranslation {
    /// The one it has for itself.
    pub from: NativeAddress,
    /// The one to use.
    pub to: NativeAddress,
}

/// A Cluster; how each of its nodes is reached is said by the other options. Times in ms, negative for never.
#[napi(object)]
pub struct NativeClusterOptions {
    /// Nodes that are asked first who the others are.
    pub startup: Vec<NativeAddress>,
    /// Addresses to translate.
    pub nat: Vec<NativeTranslation>,
    /// Where payloads are read: 0 primaries, 1 replicas, 2 either.
    pub reads: Option<u32>,
    /// How often a command follows from one node to another.
    pub max_redirections: Option<u32>,
    /// How long a command waits that another node is to take.
    pub moved_delay: Option<f64>,
    /// How long a command waits whose node is gone.
    pub failover_delay: Option<f64>,
    /// How long a command waits while the Cluster is down.
    pub cluster_down_delay: Option<f64>,
    /// How long a command waits for a slot between two nodes.
    pub try_again_delay: Option<f64>,
    /// How long asking one node for the slots may take.
    pub refresh_timeout: Option<f64>,
    /// How often the slots are asked for.
    pub refresh_interval: Option<f64>,
}

/// A bus.
#[napi(object)]
pub struct NativeBusOptions {
    /// In front of every key and channel.
    pub key_prefix: String,
    /// Its nodes, in the order in which routes count them.
    pub nodes: Vec<NativeNodeOptions>,
    /// When nodes leave the ring, if they do.
    pub eject: Option<NativeEjectOptions>,
}

/// When a node leaves the ring. Times in ms.
#[napi(object)]
pub struct NativeEjectOptions {
    /// After so many failures in a row.
    pub failures: Option<u32>,
    /// How long an answer may take.
    pub timeout: Option<f64>,
    /// How long it is out at least.
    pub probe_interval: Option<f64>,
}

/// A node. Times in ms, negative where they are to be without end.
#[napi(object)]
#[derive(Default)]
pub struct NativeNodeOptions {
    /// In front of every key on this node, and of the bus' prefix.
    pub node_prefix: Option<String>,
    /// Routes that are on this node whatever their hash says.
    pub static_routes: Option<Vec<String>>,
    /// The same, by hash.
    pub static_hashes: Option<Vec<u32>>,
    /// If it is a Cluster: its nodes, instead of the place of one.
    pub cluster: Option<NativeClusterOptions>,
    /// Who knows where it is, instead of its place.
    pub sentinel: Option<NativeSentinelOptions>,
    /// `redis://`, `rediss://` or `unix://`.
    pub url: Option<String>,
    /// Name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u32>,
    /// 4, 6, or 0 for either.
    pub family: Option<u32>,
    /// A unix socket; goes before host and port.
    pub path: Option<String>,
    /// For AUTH.
    pub username: Option<String>,
    /// For AUTH.
    pub password: Option<String>,
    /// For SELECT.
    pub db: Option<u32>,
    /// For CLIENT SETNAME.
    pub connection_name: Option<String>,
    /// TLS, if it is spoken.
    pub tls: Option<NativeTlsOptions>,
    /// How long connecting may take.
    pub connect_timeout: Option<f64>,
    /// How long a reply may take.
    pub command_timeout: Option<f64>,
    /// How long the server may be silent.
    pub socket_timeout: Option<f64>,
    /// Idle time before TCP keep-alive probes.
    pub keep_alive: Option<f64>,
    /// TCP_NODELAY.
    pub no_delay: Option<bool>,
    /// Whether the first command opens the connection.
    pub lazy_connect: Option<bool>,
    /// READONLY after connecting.
    pub read_only: Option<bool>,
    /// Whether commands wait for the connection.
    pub enable_offline_queue: Option<bool>,
    /// How many commands may wait; negative is without end.
    pub max_queued_commands: Option<f64>,
    /// How many bytes of them.
    pub max_queued_bytes: Option<f64>,
    /// Whether the server is asked whether it is ready.
    pub enable_ready_check: Option<bool>,
    /// The longest time between two such questions.
    pub max_loading_retry_time: Option<f64>,
    /// After so many failed reconnections what is queued fails; negative never.
    pub max_retries_per_request: Option<f64>,
    /// Whether subscriptions are made again.
    pub auto_resubscribe: Option<bool>,
    /// Whether what has no reply is sent again.
    pub auto_resend_unfulfilled_commands: Option<bool>,
    /// Whether the facade answers `RetryAsked`.
    pub asks_retry: Option<bool>,
    /// Whether the facade answers `ReconnectAsked`.
    pub asks_reconnect: Option<bool>,
}

/// A consumer.
#[napi(object)]
pub struct NativeConsumerOptions {
    /// The group.
    pub group: String,
    /// The consumer's name.
    pub id: String,
    /// Whether the name was made up for it.
    pub fresh_id: bool,
    /// The most jobs in flight; 0 is no limit.
    pub concurrency: Option<u32>,
    /// How long one read may wait; 0 and negative are without end.
    pub block_timeout: Option<f64>,
    /// The route of the node it reads from; without one, from every node.
    pub route: Option<String>,
    /// How often it looks for entries that nobody is at; negative never.
    pub claim_interval: Option<f64>,
    /// How long an entry may be idle.
    pub claim_deadline: Option<f64>,
    /// How many pending entries are looked at in one step.
    pub claim_page_size: Option<u32>,
    /// How often an entry is delivered at the most; negative without end.
    pub retry_limit: Option<f64>,
    /// When a rejected job is due again.
    pub retry_policy: Option<NativeRetryPolicy>,
    /// The stream of the dead letters.
    pub dead_letter: Option<String>,
}

/// When a rejected job is due again. Times in ms.
#[napi(object)]
pub struct NativeRetryPolicy {
    /// Whether the wait doubles with each delivery.
    pub exponential: bool,
    /// The wait after the first delivery.
    pub delay: f64,
    /// The longest wait; negative without end.
    pub max: f64,
    /// Which part of a wait is left to chance, from 0 to 1.
    pub jitter: f64,
}

/// A stream of a consumer.
#[napi(object)]
pub struct NativeStreamOptions {
    /// The stream.
    pub name: String,
    /// `>` or where in the history to start.
    pub read_from: String,
    /// Where a new group starts.
    pub from_id: String,
    /// Whether an existing group is set back there.
    pub set_id: bool,
    /// How long a job may run; negative is without end.
    pub deadline: f64,
}

impl NativeBusOptions {
    /// The engine's options.
    pub fn into_engine(self) -> Result<BusOptions> {
        let nodes: Result<Vec<NodeOptions>> =
            self.nodes.into_iter().map(NativeNodeOptions::into_engine).collect();
        let eject = self.eject.map(NativeEjectOptions::into_engine);
        Ok(BusOptions { key_prefix: self.key_prefix, nodes: nodes?, eject })
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
        let mut link = LinkOptions {
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
        };
        if let Some(url) = &self.url {
            link.apply_url(url)
                .map_err(|InvalidUrl(reason)| invalid(format!("url cannot be used: {reason}")))?;
        }
        Ok(link)
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

/// A number of the facade: negative is "any number".
fn most(number: f64) -> usize {
    if number < 0.0 { usize::MAX } else { number as usize }
}

impl NativeClusterOptions {
    fn into_engine(self, link: LinkOptions) -> ClusterOptions {
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

impl NativeTlsOptions {
    /// The engine's options, if they can work; `option` is what they are called.
    pub(super) fn into_engine(self, option: &str) -> Result<TlsOptions> {
        let options = TlsOptions {
            ca: self.ca.unwrap_or_default().iter().map(|pem| pem.to_vec()).collect(),
            cert: self.cert.map(|pem| pem.to_vec()),
            key: self.key.map(|pem| pem.to_vec()),
            servername: self.servername,
            reject_unauthorized: self.reject_unauthorized.unwrap_or(true),
        };
        tls::check(&options)
            .map_err(|InvalidTls { option: part, reason }| invalid(format!("{option}.{part} {reason}")))?;
        Ok(options)
    }
}

impl NativeConsumerOptions {
    /// The engine's options.
    pub fn into_engine(self) -> ConsumerOptions {
        let defaults = ConsumerOptions::default();
        ConsumerOptions {
            group: self.group,
            id: self.id,
            fresh_id: self.fresh_id,
            concurrency: match self.concurrency {
                Some(0) => u32::MAX,
                Some(concurrency) => concurrency,
                None => defaults.concurrency,
            },
            block_timeout: match self.block_timeout {
                Some(ms) => duration(ms).filter(|wait| !wait.is_zero()),
                None => defaults.block_timeout,
            },
            route: into_route(self.route),
            claim_interval: self.claim_interval.and_then(duration).filter(|time| !time.is_zero()),
            claim_deadline: self
                .claim_deadline
                .map_or(defaults.claim_deadline, |ms| duration(ms).unwrap_or(LONGEST)),
            claim_page_size: self.claim_page_size.map_or(defaults.claim_page_size, |size| size as usize),
            retry_limit: self
                .retry_limit
                .map_or(defaults.retry_limit, |most| if most < 0.0 { u64::MAX } else { most as u64 }),
            retry_policy: self.retry_policy.map(NativeRetryPolicy::into_engine),
            dead_letter: self.dead_letter,
        }
    }
}

impl NativeRetryPolicy {
    fn into_engine(self) -> RetryPolicy {
        RetryPolicy {
            growth: if self.exponential { Growth::Exponential } else { Growth::Fixed },
            delay: duration(self.delay).unwrap_or_default(),
            max: duration(self.max).unwrap_or(LONGEST),
            jitter: self.jitter,
        }
    }
}

/// A route, or none for all nodes.
pub fn into_route(route: Option<String>) -> Route {
    route.map_or(Route::Distributed, Route::Name)
}

impl NativeStreamOptions {
    /// The engine's options.
    pub fn into_engine(self) -> StreamOptions {
        StreamOptions {
            name: self.name,
            read_from: match self.read_from.as_str() {
                ">" => ReadFrom::New,
                id => ReadFrom::History(id.to_owned()),
            },
            from_id: self.from_id,
            set_id: self.set_id,
            deadline: duration(self.deadline),
        }
    }
}
