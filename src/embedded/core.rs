//! State that the sessions of a server share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::embedded::chaos::Chaos;
use crate::embedded::clients::channels::Channels;
use crate::embedded::clients::client::ClientState;
use crate::embedded::clients::client_id::ClientId;
use crate::embedded::clients::waiting::{Blocked, BlockedClients};
use crate::embedded::clock::Clock;
use crate::embedded::key::Key;
use crate::embedded::keyspace::{Keyspace, StoredValue};
use crate::embedded::options::ServerOptions;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::random::Random;
use crate::redis_io::world::map::HashMap;

/// Counts of one command.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallCount {
    /// Name of the command.
    pub name: &'static str,
    /// Executed calls.
    pub calls: u64,
    /// Failed calls of these.
    pub failed: u64,
    /// Rejected calls.
    pub rejected: u64,
}

/// Pause of commands.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// End of the pause.
    pub until: Instant,
    /// Pauses writes only.
    pub writes_only: bool,
}

/// The state of a server. One session at a time has it, for as long as it executes what it has read: the runtime has
/// one thread, so the lock around it is there for the compiler and for who moves the clock.
#[derive(Debug)]
pub struct Core {
    /// Clock of the server.
    pub clock: Clock,
    /// The keys.
    pub keyspace: Keyspace,
    /// The connections.
    pub clients: BTreeMap<ClientId, ClientState>,
    /// Subscriptions.
    pub channels: Channels,
    /// Blocked clients by key.
    pub waiting: BlockedClients,
    /// Watching clients by key.
    pub watchers: HashMap<Key, Vec<ClientId>>,
    /// Clients that receive every command.
    pub monitors: Vec<ClientId>,
    /// Deliberate faults.
    pub chaos: Chaos,
    /// Pause of commands, if there is one.
    pub pause: Option<Pause>,
    /// Password that clients must send, if any.
    pub password: Option<Vec<u8>>,
    /// Maximum memory of the keys, in bytes. 0 has no limit.
    pub max_memory: usize,
    /// Port of the server.
    pub port: u16,
    /// Random id of this run of the server.
    pub run_id: String,
    /// Start of the server.
    pub started: Instant,
    /// By the commands' numbers.
    pub counts: Vec<CallCount>,
    /// Number of clients so far.
    pub connections: u64,
    /// Number of commands so far.
    pub commands: u64,
    /// Refusal of commands in a simulation.
    #[cfg(feature = "simulation")]
    pub refusal: Option<crate::embedded::simulation::refusal::Refusal>,
    /// Gate in front of the commands in a simulation.
    #[cfg(feature = "simulation")]
    pub gate: Option<Arc<dyn crate::embedded::simulation::gate::Gate>>,
    next_client: ClientId,
}

impl Core {
    /// The state of a server that listens on `port` and counts the calls of the commands with these names.
    pub fn new(options: &ServerOptions, port: u16, names: impl Iterator<Item = &'static str>) -> Self {
        let clock = if options.manual_clock { Clock::manual() } else { Clock::real() };
        Self {
            // No other server has begun here then.
            run_id: Random::new(clock.wall().rotate_left(16) ^ u64::from(port)).hex(40),
            clock,
            keyspace: Keyspace::default(),
            clients: BTreeMap::new(),
            channels: Channels::default(),
            waiting: BlockedClients::default(),
            watchers: HashMap::default(),
            monitors: Vec::new(),
            chaos: Chaos::new(options.chaos),
            pause: None,
            password: options.password.as_ref().map(|password| password.clone().into_bytes()),
            max_memory: options.max_memory,
            port,
            started: Instant::now(),
            counts: names.map(|name| CallCount { name, ..CallCount::default() }).collect(),
            connections: 0,
            commands: 0,
            #[cfg(feature = "simulation")]
            refusal: None,
            #[cfg(feature = "simulation")]
            gate: None,
            next_client: 1,
        }
    }

    /// A client has connected.
    pub fn connect(&mut self, peer: SocketAddr, local: SocketAddr, wake: Arc<Notify>) -> ClientId {
        let id = self.next_client;
        self.next_client += 1;
        self.connections += 1;
        let mut client = ClientState::new(id, peer, local, wake);
        client.is_authenticated = self.password.is_none();
        self.clients.insert(id, client);
        id
    }

    /// A client is gone, and with it whatever it waited for or listened to.
    pub fn disconnect(&mut self, id: ClientId) {
        self.unblock(id);
        self.unwatch(id);
        self.monitors.retain(|&monitor| monitor != id);
        let Some(client) = self.clients.remove(&id) else { return };
        for channel in &client.channels {
            self.channels.unsubscribe(channel, id);
        }
        for pattern in &client.patterns {
            self.channels.unsubscribe_pattern(pattern, id);
        }
    }

    /// Closes a connection: nothing of it is left when this returns but its socket, which its session closes.
    pub fn close(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get(&id) {
            client.wake.notify_one();
        }
        self.disconnect(id);
    }

    /// Removes what is past its time.
    pub fn expire(&mut self) {
        if self.keyspace.expiring() == 0 {
            return;
        }
        let now = self.clock.now();
        while let Some(key) = self.keyspace.expire_due(now) {
            self.touch(&key);
            self.waiting.signal(&key);
        }
    }

    /// A key was changed: transactions of those who watch it fail.
    pub fn touch(&mut self, key: &[u8]) {
        if self.watchers.is_empty() {
            return;
        }
        for id in self.watchers.get(key).into_iter().flatten() {
            if let Some(client) = self.clients.get_mut(id) {
                client.transaction.is_dirty = true;
            }
        }
    }

    /// Removes a key. Returns whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let removed = self.keyspace.remove(key);
        if removed.is_some() {
            self.touch(key);
        }
        if matches!(removed, Some(StoredValue::Stream(_))) {
            self.waiting.signal(key);
        }
        removed.is_some()
    }

    /// Removes all keys.
    pub fn flush(&mut self) {
        for key in self.keyspace.clear() {
            self.touch(&key);
            self.waiting.signal(&key);
        }
    }

    /// Puts a string under a key, which expires at that time or not at all.
    pub fn put_text(&mut self, key: &[u8], text: Vec<u8>, expires_at: Option<u64>) {
        let was_stream = matches!(self.keyspace.get(key), Some(StoredValue::Stream(_)));
        self.keyspace.put(key, StoredValue::Text(text));
        self.keyspace.set_expiry(key, expires_at);
        self.touch(key);
        if was_stream {
            self.waiting.signal(key);
        }
    }

    /// A client waits from now on.
    pub fn block(&mut self, id: ClientId, blocked: Blocked) {
        self.waiting.add(id, &blocked);
        if let Some(client) = self.clients.get_mut(&id) {
            client.blocked = Some(blocked);
        }
    }

    /// Unblocks a client. Returns the read it was blocked in.
    pub fn unblock(&mut self, id: ClientId) -> Option<Blocked> {
        let client = self.clients.get_mut(&id)?;
        let blocked = client.blocked.take()?;
        client.wake.notify_one();
        self.waiting.remove(id, &blocked);
        Some(blocked)
    }

    /// Ends a wait with a reply. Returns whether there was one.
    pub fn release(&mut self, id: ClientId, answer: impl FnOnce(&mut ReplyBuffer)) -> bool {
        if self.unblock(id).is_none() {
            return false;
        }
        if let Some(client) = self.clients.get_mut(&id) {
            let mut reply = ReplyBuffer::continuing(std::mem::take(&mut client.out));
            answer(&mut reply);
            client.out = reply.into_bytes();
        }
        true
    }

    /// Ends the waits whose time has passed.
    pub fn expire_waits(&mut self) {
        let (real, clock) = (Instant::now(), self.clock.now());
        let is_over = |client: &ClientState| {
            let deadline = client.blocked.as_ref().and_then(|blocked| blocked.deadline);
            deadline.is_some_and(|at| at.real <= real || at.clock <= clock)
        };
        let over: Vec<ClientId> =
            self.clients.values().filter(|client| is_over(client)).map(|client| client.id).collect();
        for id in over {
            self.release(id, ReplyBuffer::nil_array);
        }
    }

    /// Removes all watched keys of a client.
    pub fn unwatch(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.transaction.is_dirty = false;
        for key in std::mem::take(&mut client.transaction.watched) {
            if let Some(watchers) = self.watchers.get_mut(&key) {
                watchers.retain(|&watcher| watcher != id);
                if watchers.is_empty() {
                    self.watchers.remove(&key);
                }
            }
        }
    }

    /// Memory in use, as far as it is counted, in bytes.
    pub fn used_memory(&self) -> usize {
        let unwritten: usize = self.clients.values().map(|client| client.out.capacity()).sum();
        self.keyspace.used() + unwritten + self.clients.len() * std::mem::size_of::<ClientState>()
    }

    /// Returns true if the keys exceed the memory limit.
    pub fn is_full(&self) -> bool {
        self.max_memory > 0 && self.keyspace.used() > self.max_memory
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        self.pause = None;
        for client in self.clients.values_mut().filter(|client| client.is_postponed) {
            client.wake.notify_one();
        }
    }
}
