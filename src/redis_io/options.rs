//! Options of connections, with the defaults of ioredis 4.

use std::fmt;
use std::ops::{AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::redis_io::address::Address;
use crate::redis_io::world::map::HashMap;

/// Endpoint on which Redis listens.
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

/// Role of a server in replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicationRole {
    /// The one that takes writes.
    Primary,
    /// One that follows it.
    Replica,
}

impl ReplicationRole {
    /// As Redis calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "master",
            Self::Replica => "slave",
        }
    }
}

/// Options of TLS.
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
    /// Refuses a server that cannot prove its name.
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

/// Limit of the commands on one connection that wait for the socket or a reply. A command with nothing before it always
/// fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// Number of commands.
    pub commands: usize,
    /// Size of the commands, in bytes.
    pub bytes: usize,
}

/// Number and size of waiting commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueExtent {
    /// So many commands.
    pub commands: usize,
    /// So many bytes of them.
    pub bytes: usize,
}

impl QueueLimit {
    /// Returns the lower ones of two limits.
    pub fn min(self, other: Self) -> Self {
        Self { commands: self.commands.min(other.commands), bytes: self.bytes.min(other.bytes) }
    }
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

    /// Returns the free part of the limit.
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

/// Options of a connection to one Redis, and of its failures.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkOptions {
    /// Endpoint of the server.
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
    /// Role that the server must have. `None` accepts any.
    pub role: Option<ReplicationRole>,
    /// Maximum time of one connection attempt.
    pub connect_timeout: Option<Duration>,
    /// Maximum time until a reply. Blocking reads are exempt.
    pub command_timeout: Option<Duration>,
    /// Maximum silence of a server that owes a reply or a push, before the connection is made anew. `None` has no limit.
    pub silence: Option<Duration>,
    /// TCP keep-alive: idle time before the first probe; `None` is off.
    pub keep_alive: Option<Duration>,
    /// TCP_NODELAY.
    pub no_delay: bool,
    /// Queues commands until the connection is ready. Otherwise they are refused until then.
    pub offline_queue: bool,
    /// Limit of waiting commands. Commands beyond it are refused.
    pub queue: QueueLimit,
    /// Sends INFO until the server has loaded its data.
    pub ready_check: bool,
    /// Maximum time between two INFO. The estimate of a server that loads can be far too long.
    pub max_loading_retry_time: Duration,
    /// Number of failed reconnections after which queued commands fail. `None` never fails them.
    pub max_retries_per_request: Option<u32>,
    /// Sends commands without a reply again after a reconnection.
    pub resend: bool,
    /// Searches the streams for sends without a reply, before it sends them again.
    pub checks_sends: bool,
    /// Subscribes again after a reconnection.
    pub resubscribe: bool,
    /// Opens the connection at the first command.
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
            max_loading_retry_time: Duration::from_millis(500),
            max_retries_per_request: Some(20),
            resend: true,
            checks_sends: false,
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

/// Nodes of a Cluster that payloads are read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleReads {
    /// Primaries, which have the latest writes.
    #[default]
    Primaries,
    /// Replicas, if a shard has any.
    Replicas,
    /// Either.
    All,
}

/// Options of a Cluster, with the defaults of ioredis 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterOptions {
    /// Nodes for the first request for the slots.
    pub startup: Vec<Address>,
    /// Options of each connection except the endpoint. `offline_queue` and `lazy` apply to the Cluster as a whole.
    pub link: LinkOptions,
    /// Reachable address of a node, by the address it announces.
    pub nat: HashMap<Address, Address>,
    /// Nodes that payloads are read from.
    pub reads: ScaleReads,
    /// Maximum number of redirects of a command.
    pub max_redirections: u8,
    /// Delay of a command after MOVED.
    pub moved_delay: Duration,
    /// Delay of a command whose node is gone.
    pub failover_delay: Duration,
    /// Delay of a command while the Cluster is down.
    pub cluster_down_delay: Duration,
    /// Delay of a command for a slot that migrates between two nodes.
    pub try_again_delay: Duration,
    /// Maximum time of one request for the slots to one node.
    pub refresh_timeout: Duration,
    /// Interval of the refresh of the slots without a reason. `None` never refreshes so.
    pub refresh_interval: Option<Duration>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            startup: Vec::new(),
            link: LinkOptions::default(),
            nat: HashMap::default(),
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
