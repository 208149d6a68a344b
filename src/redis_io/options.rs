//! How to reach one Redis, with ioredis 4's defaults.

use std::collections::HashMap;
use std::fmt;
use std::ops::{AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::redis_io::address::Address;

/// Where Redis listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// 4 or 6 for that family only, 0 for either.
        family: u8,
    },
    /// A unix socket.
    Unix(String),
}

impl Endpoint {
    /// A host and a port, of either family.
    pub fn tcp(host: &str, port: u16) -> Self {
        Self::Tcp { host: host.to_owned(), port, family: 0 }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(formatter, "{host}:{port}"),
            Self::Unix(path) => formatter.write_str(path),
        }
    }
}

/// What a server is to its replicas, or to its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that takes writes.
    Primary,
    /// One that follows it.
    Replica,
}

impl Role {
    /// As Redis calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "master",
            Self::Replica => "slave",
        }
    }
}

/// How TLS is done.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// Authorities to trust, as PEM; empty trusts the ones Mozilla does, and those of `NODE_EXTRA_CA_CERTS`.
    pub ca: Vec<Vec<u8>>,
    /// The client's certificate chain, as PEM.
    pub cert: Option<Vec<u8>>,
    /// The client's private key, as PEM.
    pub key: Option<Vec<u8>>,
    /// The name the server's certificate must have, if not the host's.
    pub servername: Option<String>,
    /// Whether a server that cannot prove its name is refused.
    pub reject_unauthorized: bool,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { ca: Vec::new(), cert: None, key: None, servername: None, reject_unauthorized: true }
    }
}

impl fmt::Debug for TlsOptions {
    /// Never shows the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsOptions")
            .field("servername", &self.servername)
            .field("reject_unauthorized", &self.reject_unauthorized)
            .finish_non_exhaustive()
    }
}

/// How much may wait on one connection, to be sent or to be answered. What finds nothing before it always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// So many commands.
    pub commands: usize,
    /// So many bytes of them.
    pub bytes: usize,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueExtent {
    /// So many commands.
    pub commands: usize,
    /// So many bytes of them.
    pub bytes: usize,
}

impl AddAssign for QueueExtent {
    fn add_assign(&mut self, more: Self) {
        (self.commands, self.bytes) = (self.commands + more.commands, self.bytes + more.bytes);
    }
}

impl SubAssign for QueueExtent {
    fn sub_assign(&mut self, less: Self) {
        (self.commands, self.bytes) = (self.commands - less.commands, self.bytes - less.bytes);
    }
}

impl Sub<QueueExtent> for QueueLimit {
    type Output = Self;

    /// How much more may wait.
    fn sub(self, waiting: QueueExtent) -> Self {
        Self {
            commands: self.commands.saturating_sub(waiting.commands),
            bytes: self.bytes.saturating_sub(waiting.bytes),
        }
    }
}

impl Default for QueueLimit {
    fn default() -> Self {
        Self { commands: 1_000_000, bytes: 512 * 1_024 * 1_024 }
    }
}

/// How to reach one Redis and what to do when that fails.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkOptions {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// TLS, if it is spoken.
    pub tls: Option<TlsOptions>,
    /// For AUTH.
    pub username: Option<String>,
    /// For AUTH.
    pub password: Option<String>,
    /// For SELECT.
    pub db: u32,
    /// For CLIENT SETNAME.
    pub connection_name: Option<String>,
    /// READONLY after connecting, for replicas of a cluster.
    pub read_only: bool,
    /// The role that the server must have; any, if there is none.
    pub role: Option<Role>,
    /// How long connecting may take.
    pub connect_timeout: Option<Duration>,
    /// How long a reply may take; blocking reads are exempt.
    pub command_timeout: Option<Duration>,
    /// How long the server may say nothing while it has something to answer, or to push, before the connection is
    /// made anew; `None` is for ever.
    pub silence: Option<Duration>,
    /// TCP keep-alive: idle time before the first probe; `None` is off.
    pub keep_alive: Option<Duration>,
    /// TCP_NODELAY.
    pub no_delay: bool,
    /// Whether commands wait for the connection; otherwise they are refused until it is ready.
    pub offline_queue: bool,
    /// How much may wait; what goes beyond is refused.
    pub queue: QueueLimit,
    /// Whether INFO is asked until the server has loaded its data.
    pub ready_check: bool,
    /// The longest time between two such INFO.
    pub max_loading_retry_time: Duration,
    /// After so many failed reconnections what is queued fails; `None` never.
    pub max_retries_per_request: Option<u32>,
    /// Whether what has no reply is sent again after a reconnection.
    pub resend: bool,
    /// Whether subscriptions are made again after a reconnection.
    pub resubscribe: bool,
    /// Whether connecting waits for the first command.
    pub lazy: bool,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp { host: "localhost".to_owned(), port: 6_379, family: 4 },
            tls: None,
            username: None,
            password: None,
            db: 0,
            connection_name: None,
            read_only: false,
            role: None,
            connect_timeout: Some(Duration::from_millis(10_000)),
            command_timeout: None,
            silence: None,
            keep_alive: None,
            no_delay: true,
            offline_queue: true,
            queue: QueueLimit::default(),
            ready_check: true,
            max_loading_retry_time: Duration::from_millis(10_000),
            max_retries_per_request: Some(20),
            resend: true,
            resubscribe: true,
            lazy: false,
        }
    }
}

impl fmt::Debug for LinkOptions {
    /// Never shows the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LinkOptions")
            .field("endpoint", &self.endpoint)
            .field("tls", &self.tls.is_some())
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

/// Which nodes of a Cluster payloads are read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleReads {
    /// Primaries, which have what was written last.
    #[default]
    Primaries,
    /// Replicas, where there are any.
    Replicas,
    /// Either.
    All,
}

/// How to reach a Cluster, with ioredis 4's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterOptions {
    /// Nodes that are asked first who the others are.
    pub startup: Vec<Address>,
    /// How to reach each of them, but for the endpoint; `offline_queue` and `lazy` are about the Cluster as a whole.
    pub link: LinkOptions,
    /// Under which address a node is reached from here, by the one it has for itself.
    pub nat: HashMap<Address, Address>,
    /// Where payloads are read.
    pub reads: ScaleReads,
    /// How often a command follows from one node to another before it fails.
    pub max_redirections: u8,
    /// How long a command waits that another node is to take.
    pub moved_delay: Duration,
    /// How long a command waits whose node is gone.
    pub failover_delay: Duration,
    /// How long a command waits while the Cluster is down.
    pub cluster_down_delay: Duration,
    /// How long a command waits for a slot that is between two nodes.
    pub try_again_delay: Duration,
    /// How long asking one node for the slots may take.
    pub refresh_timeout: Duration,
    /// How often the slots are asked for when nothing has happened; `None` never.
    pub refresh_interval: Option<Duration>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            startup: Vec::new(),
            link: LinkOptions::default(),
            nat: HashMap::new(),
            reads: ScaleReads::default(),
            max_redirections: 16,
            moved_delay: Duration::ZERO,
            failover_delay: Duration::from_millis(100),
            cluster_down_delay: Duration::from_millis(100),
            try_again_delay: Duration::from_millis(100),
            refresh_timeout: Duration::from_millis(1_000),
            refresh_interval: Some(Duration::from_millis(5_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debugging_shows_no_secret() {
        let options = LinkOptions {
            password: Some("s3cret".to_owned()),
            tls: Some(TlsOptions { key: Some(b"s3cret".to_vec()), ..TlsOptions::default() }),
            ..LinkOptions::default()
        };
        assert!(!format!("{options:?} {:?}", options.tls).contains("s3cret"));
    }
}
