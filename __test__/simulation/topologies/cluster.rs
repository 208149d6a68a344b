//! A Cluster of simulated servers: the owners of slots, as each server knows them, and the redirects that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use hfxbus::embedded::simulation::gate::{Decision, Gate, GatedCommand};
use hfxbus::redis_io::cluster::slot_map::{SLOTS, slot_of};

/// Slots and replicas, as one server knows them.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Port of the owner of each slot.
    owners: Vec<u16>,
    /// Primaries by their replicas.
    replicas: BTreeMap<u16, u16>,
    /// Targets of slots that leave this server.
    migrating: BTreeMap<u16, u16>,
    /// Slots that this server gets.
    importing: BTreeSet<u16>,
    /// True while a primary is gone that has no successor.
    is_down: bool,
}

/// All servers of a Cluster.
#[derive(Debug, Default)]
pub struct Cluster(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The view of each server.
    views: BTreeMap<u16, View>,
    /// The current facts, which some servers learn late.
    facts: View,
    /// Clients that have sent ASKING.
    asking: BTreeSet<(u16, u64)>,
    /// True while a migration or a failover is under way.
    is_changing: bool,
}

impl Cluster {
    /// A Cluster of primaries with a replica each.
    pub fn new(shards: &[(u16, u16)]) -> Arc<Self> {
        let count = shards.len();
        let owners =
            (0..usize::from(SLOTS)).map(|slot| shards[slot * count / usize::from(SLOTS)].0).collect();
        let replicas = shards.iter().map(|&(primary, replica)| (replica, primary)).collect();
        let facts = View { owners, replicas, ..View::default() };
        let ports = shards.iter().flat_map(|&(primary, replica)| [primary, replica]);
        let views = ports.map(|port| (port, facts.clone())).collect();
        Arc::new(Self(Mutex::new(State { views, facts, ..State::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Gate of a server.
    pub fn gate(self: &Arc<Self>, port: u16) -> Arc<dyn Gate> {
        Arc::new(Member { port, cluster: self.clone() })
    }

    /// Begins a change. Returns false while another one is under way.
    pub fn begin_change(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_changing, true)
    }

    /// Ends a change.
    pub fn end_change(&self) {
        self.lock().is_changing = false;
    }

    /// Port of the owner of a key.
    pub fn owner_of(&self, key: &[u8]) -> u16 {
        self.lock().facts.owners[usize::from(slot_of(key))]
    }

    /// The primaries, in the order of their ports.
    pub fn primaries(&self) -> Vec<u16> {
        let state = self.lock();
        state.facts.replicas.values().copied().collect::<BTreeSet<u16>>().into_iter().collect()
    }

    /// The replica of a primary.
    pub fn replica_of(&self, primary: u16) -> Option<u16> {
        let state = self.lock();
        state.facts.replicas.iter().find(|(_, of)| **of == primary).map(|(replica, _)| *replica)
    }

    /// A slot begins to leave one server for another.
    pub fn begin_migration(&self, slot: u16, from: u16, to: u16) {
        let mut state = self.lock();
        if let Some(view) = state.views.get_mut(&to) {
            view.importing.insert(slot);
        }
        if let Some(view) = state.views.get_mut(&from) {
            view.migrating.insert(slot, to);
        }
    }

    /// A slot has another owner, as the servers concerned know.
    pub fn end_migration(&self, slot: u16, from: u16, to: u16) {
        let mut state = self.lock();
        state.facts.owners[usize::from(slot)] = to;
        state.learn(to);
        state.learn(from);
    }

    /// A replica takes over from its primary, which becomes its replica.
    pub fn promote(&self, replica: u16, primary: u16) {
        let mut state = self.lock();
        state.facts.owners.iter_mut().filter(|owner| **owner == primary).for_each(|owner| *owner = replica);
        state.facts.replicas.remove(&replica);
        state.facts.replicas.insert(primary, replica);
        state.learn(replica);
    }

    /// A server learns the facts.
    pub fn learn(&self, port: u16) {
        self.lock().learn(port);
    }

    /// All servers learn the facts.
    pub fn learn_all(&self) {
        let mut state = self.lock();
        let ports: Vec<u16> = state.views.keys().copied().collect();
        ports.into_iter().for_each(|port| state.learn(port));
    }

    /// All servers know that a primary is gone. They refuse commands until they learn of its successor.
    pub fn miss_primary(&self) {
        self.lock().views.values_mut().for_each(|view| view.is_down = true);
    }

    /// All servers.
    pub fn ports(&self) -> Vec<u16> {
        self.lock().views.keys().copied().collect()
    }
}

impl State {
    fn learn(&mut self, port: u16) {
        let facts = self.facts.clone();
        if let Some(view) = self.views.get_mut(&port) {
            *view = facts;
        }
    }
}

/// A server of a Cluster, in front of its commands.
#[derive(Debug)]
struct Member {
    port: u16,
    cluster: Arc<Cluster>,
}

impl Gate for Member {
    fn decide(&self, command: &GatedCommand<'_>) -> Decision {
        let mut state = self.cluster.lock();
        let client = (self.port, command.client);
        let is_asking = match command.is_queued {
            true => state.asking.contains(&client),
            false => state.asking.remove(&client),
        };
        if is_asking && command.name == "multi" {
            state.asking.insert(client);
        }
        let Some(view) = state.views.get(&self.port) else { return Decision::Pass };
        match command.name {
            "cluster" if command.words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"SLOTS")) => {
                return Decision::Reply(view.slots().into_bytes());
            }
            "asking" => {
                state.asking.insert(client);
                return Decision::Reply(b"+OK\r\n".to_vec());
            }
            "readonly" => return Decision::Reply(b"+OK\r\n".to_vec()),
            _ => {}
        }
        view.decide(self.port, command, is_asking)
    }
}

impl View {
    fn decide(&self, port: u16, command: &GatedCommand<'_>, is_asking: bool) -> Decision {
        let Some(first) = command.keys.first() else { return Decision::Pass };
        let slot = slot_of(first);
        if command.keys.iter().any(|key| slot_of(key) != slot) {
            let text = "CROSSSLOT Keys in request don't hash to the same slot";
            return Decision::Refuse(text.to_owned());
        }
        if self.is_down {
            return Decision::Refuse("CLUSTERDOWN The cluster is down".to_owned());
        }
        let is_partial = command.present < command.keys.len() && command.keys.len() > 1;
        let try_again = || {
            let text = "TRYAGAIN Multiple keys request during rehashing of slot";
            Decision::Refuse(text.to_owned())
        };
        let owner = self.owners[usize::from(slot)];
        if owner == port {
            return match self.migrating.get(&slot) {
                Some(_) if is_partial && command.present > 0 => try_again(),
                Some(to) if command.present < command.keys.len() => {
                    Decision::Refuse(format!("ASK {slot} 127.0.0.1:{to}"))
                }
                _ => Decision::Pass,
            };
        }
        if is_asking && self.importing.contains(&slot) {
            return if is_partial { try_again() } else { Decision::Pass };
        }
        Decision::Refuse(format!("MOVED {slot} 127.0.0.1:{owner}"))
    }

    /// Reply to CLUSTER SLOTS.
    fn slots(&self) -> String {
        let mut ranges: Vec<(usize, usize, u16)> = Vec::new();
        for (slot, &owner) in self.owners.iter().enumerate() {
            match ranges.last_mut() {
                Some((_, last, of)) if *of == owner => *last = slot,
                _ => ranges.push((slot, slot, owner)),
            }
        }
        let mut reply = format!("*{}\r\n", ranges.len());
        let node = |reply: &mut String, port: u16| {
            let _ = write!(reply, "*4\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{port:040}\r\n*0\r\n");
        };
        for (first, last, owner) in ranges {
            let replicas: Vec<u16> =
                self.replicas.iter().filter(|(_, of)| **of == owner).map(|(replica, _)| *replica).collect();
            let _ = write!(reply, "*{}\r\n:{first}\r\n:{last}\r\n", 3 + replicas.len());
            node(&mut reply, owner);
            replicas.into_iter().for_each(|replica| node(&mut reply, replica));
        }
        reply
    }
}
