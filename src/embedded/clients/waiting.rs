//! Reads that wait for an entry.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashMap;

use crate::embedded::clients::client_id::ClientId;
use crate::embedded::key::Key;

/// Consumer that reads.
#[derive(Clone, Debug)]
pub struct GroupReader {
    /// Of which group.
    pub group: Key,
    /// By its name.
    pub consumer: Key,
    /// Acknowledges entries at delivery.
    pub no_ack: bool,
}

/// End of a wait without an entry: the earlier of both times. A manual clock that stands still does not prolong the wait
/// of a client.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// By the machine's clock.
    pub real: Instant,
    /// By the server's.
    pub clock: u64,
}

/// A read that waits.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// The streams, each with the id behind which it reads. Consumers of groups read behind what the group has.
    pub streams: Vec<(Key, EntryId)>,
    /// Consumer that reads, for a read of a group.
    pub reader: Option<GroupReader>,
    /// The most entries it takes; 0 for any number.
    pub count: usize,
    /// End of the wait.
    pub deadline: Option<Deadline>,
}

/// Blocked clients by key, in the order of arrival.
#[derive(Debug, Default)]
pub struct BlockedClients {
    queues: HashMap<Key, VecDeque<ClientId>>,
    /// Keys with blocked clients that must be served after the command.
    ready: Vec<Key>,
}

impl BlockedClients {
    /// Adds a blocked client.
    pub fn add(&mut self, client: ClientId, blocked: &Blocked) {
        for (key, _) in &blocked.streams {
            let queue = self.queues.entry(key.clone()).or_default();
            if !queue.contains(&client) {
                queue.push_back(client);
            }
        }
    }

    /// Removes a blocked client.
    pub fn remove(&mut self, client: ClientId, blocked: &Blocked) {
        for (key, _) in &blocked.streams {
            if let Some(queue) = self.queues.get_mut(key) {
                queue.retain(|&one| one != client);
                if queue.is_empty() {
                    self.queues.remove(key);
                }
            }
        }
    }

    /// Something happened to a key.
    pub fn signal(&mut self, key: &[u8]) {
        if let Some((key, _)) = self.queues.get_key_value(key)
            && !self.ready.contains(key)
        {
            self.ready.push(key.clone());
        }
    }

    /// A key to which something has happened.
    pub fn next_ready(&mut self) -> Option<Key> {
        if self.ready.is_empty() { None } else { Some(self.ready.remove(0)) }
    }

    /// Returns the clients that wait for a key.
    pub fn queue(&self, key: &[u8]) -> Vec<ClientId> {
        self.queues.get(key).map(|queue| queue.iter().copied().collect()).unwrap_or_default()
    }
}
