//! Options of a node whose server sentinels know.

use std::sync::Arc;

use crate::redis_io::options::{Endpoint, LinkOptions, ReplicationRole};
use crate::redis_io::world::chance;
use crate::redis_io::world::map::HashMap;

/// Options of a node whose server sentinels know.
#[derive(Clone, Debug)]
pub struct SentinelOptions {
    /// Addresses of the sentinels.
    pub sentinels: Vec<Endpoint>,
    /// Name of the node in the sentinels.
    pub name: String,
    /// Wanted role of the server.
    pub role: ReplicationRole,
    /// Connection options for the sentinels.
    pub link: Arc<LinkOptions>,
    /// Reachable addresses by the addresses that the sentinels name (`host:port`).
    pub nat: HashMap<String, Endpoint>,
    /// Preferred replicas as the sentinels name them, best one first.
    pub preferred: Vec<String>,
    /// True if sentinels that the answers name are asked as well.
    pub learns: bool,
    /// True to listen for failovers. Otherwise a lost connection starts the resolution.
    pub watches: bool,
    /// True if the host decides the delay before all sentinels are asked again (`sentinelRetryStrategy`).
    pub asks_retry: bool,
}

impl SentinelOptions {
    /// Default options.
    pub fn new(sentinels: Vec<Endpoint>, name: String) -> Self {
        let link = LinkOptions {
            ready_check: false,
            // A sentinel that accepts a query and is silent counts as unreachable.
            command_timeout: LinkOptions::default().connect_timeout,
            ..LinkOptions::default()
        };
        Self {
            sentinels,
            name,
            role: ReplicationRole::Primary,
            link: link.into(),
            nat: HashMap::default(),
            preferred: Vec::new(),
            learns: true,
            watches: true,
            asks_retry: false,
        }
    }

    /// Reachable address of `endpoint`.
    pub fn reachable(&self, endpoint: Endpoint) -> Endpoint {
        self.nat.get(&endpoint.to_string()).cloned().unwrap_or(endpoint)
    }

    /// The best of `replicas`, or any if none is preferred.
    pub fn prefer(&self, mut replicas: Vec<Endpoint>) -> Option<Endpoint> {
        let preferred = self.preferred.iter();
        let best = preferred
            .filter_map(|name| replicas.iter().position(|replica| replica.to_string() == *name))
            .next();
        let any = (chance::uuid().as_u128() as usize).checked_rem(replicas.len());
        best.or(any).map(|at| replicas.swap_remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preferred_replica_is_taken_if_it_is_there_and_any_other_if_not() {
        let replicas = |hosts: &[&str]| hosts.iter().map(|host| Endpoint::tcp(host, 1)).collect::<Vec<_>>();
        let mut options = SentinelOptions::new(Vec::new(), "name".to_owned());
        assert_eq!(options.prefer(Vec::new()), None);
        assert!(options.prefer(replicas(&["a", "b"])).is_some());
        options.preferred = vec!["gone:1".to_owned(), "b:1".to_owned(), "a:1".to_owned()];
        assert_eq!(options.prefer(replicas(&["a", "b", "c"])), Some(Endpoint::tcp("b", 1)));
    }

    #[test]
    fn a_server_behind_address_translation_is_found_by_its_own_address() {
        let mut options = SentinelOptions::new(Vec::new(), "name".to_owned());
        options.nat.insert("10.0.0.1:6379".to_owned(), Endpoint::tcp("example.org", 7000));
        assert_eq!(options.reachable(Endpoint::tcp("10.0.0.1", 6379)), Endpoint::tcp("example.org", 7000));
        assert_eq!(options.reachable(Endpoint::tcp("10.0.0.1", 1)), Endpoint::tcp("10.0.0.1", 1));
    }
}
