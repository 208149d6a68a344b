//! Connections of one link to the nodes of a Cluster.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::redis_io::cluster::slot_map::{Address, SlotMap, slot_of};
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::command::{CommandMeta, CommandRoute, Commands};
use crate::redis_io::connection::Connection;
use crate::redis_io::connection::redirector::Redirector;
use crate::redis_io::connection::state::Sinks;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, ErrorAction, Link, LinkPolicy, LinkState, ReplySink};
use crate::redis_io::metrics::Traffic;
use crate::redis_io::options::ScaleReads;
use crate::redis_io::tasks::Tasks;
use crate::redis_io::world::map::{HashMap, HashSet};

/// Command that a replica can answer.
const READ: &str = "GET";

/// Destination of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a node.
    Node {
        /// Address of the node.
        address: Address,
        /// Sends READONLY first, so that a replica serves the command.
        replica: bool,
    },
    /// No node: the slot has no owner.
    Nowhere,
}

impl Target {
    /// Targets a primary, by the known slots.
    pub(crate) fn of(address: Address) -> Self {
        Self::Node { address, replica: false }
    }

    fn is(&self, node: &Address, readonly: bool) -> bool {
        matches!(self, Self::Node { address, replica } if *replica == readonly && address == node)
    }

    fn takes_anything(&self) -> bool {
        matches!(self, Self::Node { replica: false, .. })
    }
}

/// One connection per node, opened when first used and again after its end. A node that serves reads as a replica has one
/// more, since it can have been a primary before.
#[derive(Default)]
pub(crate) struct Pool {
    connections: HashMap<(Address, bool), Arc<Connection>>,
    /// Nodes that had a connection.
    met: HashSet<(Address, bool)>,
    /// Rotates replicas.
    turn: usize,
}

impl Pool {
    /// Divides commands among the nodes of their keys, behind the `staged` ones. Commands without a key go to a node that
    /// has commands, or to the node from `any`.
    pub(crate) fn divide(
        &mut self,
        map: &SlotMap,
        reads: ScaleReads,
        commands: &mut Commands,
        staged: &mut Vec<(Target, Commands)>,
        any: impl Fn() -> Option<Address>,
    ) {
        commands.take_each(|meta, bytes| {
            let at = match slot_for(&meta, bytes) {
                Some(slot) => self.place(map, reads, slot, &meta, staged),
                None => staged.iter().position(|(known, _)| known.takes_anything()).unwrap_or_else(|| {
                    staged.push((any().map_or(Target::Nowhere, Target::of), Commands::default()));
                    staged.len() - 1
                }),
            };
            staged[at].1.append(meta, bytes);
        });
    }

    /// Returns the index of the staged commands for the command's node.
    fn place(
        &mut self,
        map: &SlotMap,
        reads: ScaleReads,
        slot: u16,
        meta: &CommandMeta,
        staged: &mut Vec<(Target, Commands)>,
    ) -> usize {
        let node = self.node(map, reads, slot, meta);
        let known = staged.iter().position(|(known, _)| match node {
            Some((address, replica)) => known.is(address, replica),
            None => *known == Target::Nowhere,
        });
        known.unwrap_or_else(|| {
            let target = node.map_or(Target::Nowhere, |(address, replica)| Target::Node {
                address: address.clone(),
                replica,
            });
            staged.push((target, Commands::default()));
            staged.len() - 1
        })
    }

    /// Returns the node for a command about a slot, and true if it is a replica.
    fn node<'a>(
        &mut self,
        map: &'a SlotMap,
        reads: ScaleReads,
        slot: u16,
        meta: &CommandMeta,
    ) -> Option<(&'a Address, bool)> {
        let shard = map.shard(slot)?;
        if reads == ScaleReads::Primaries || meta.name != READ || shard.replicas.is_empty() {
            return Some((&shard.primary, false));
        }
        self.turn = self.turn.wrapping_add(1);
        let among = shard.replicas.len() + usize::from(reads == ScaleReads::All);
        let replica = shard.replicas.get(self.turn % among);
        Some(replica.map_or((&shard.primary, false), |address| (address, true)))
    }

    /// Returns the connection to a node, and opens one if needed.
    pub(crate) fn get(&mut self, address: Address, replica: bool, owner: &dyn NodeOwner) -> Arc<Connection> {
        let node = (address, replica);
        let known = self.connections.get(&node).filter(|known| known.state() != LinkState::End);
        if let Some(known) = known {
            return known.clone();
        }
        let is_another = !self.met.insert(node.clone());
        let connection = open(&node.0, replica, is_another, owner);
        self.connections.insert(node, connection.clone());
        connection
    }

    /// All connections.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.connections.values().cloned().collect()
    }

    /// Removes all connections and returns them.
    pub(crate) fn take_all(&mut self) -> Vec<Arc<Connection>> {
        std::mem::take(&mut self.connections).into_values().collect()
    }

    /// Removes and returns the connections to nodes that left the Cluster or that are no longer primaries.
    pub(crate) fn take_misplaced(&mut self, map: &SlotMap, topology: &Topology) -> Vec<Arc<Connection>> {
        let is_misplaced = |address: &Address, replica: bool| {
            !topology.knows(address) || (!replica && map.is_replica(address))
        };
        let misplaced = self.connections.extract_if(|(address, replica), _| is_misplaced(address, *replica));
        misplaced.map(|(_, connection)| connection).collect()
    }

    /// Removes the ended connections to a node.
    pub(crate) fn remove_ended(&mut self, node: &Address) {
        self.connections
            .retain(|(address, _), connection| address != node || connection.state() != LinkState::End);
    }
}

/// Owner of the connections of a pool.
pub(crate) trait NodeOwner: Send + Sync {
    /// Nodes of the Cluster, with the options of their connections.
    fn topology(&self) -> &Topology;

    /// Time limit for the silence of a node.
    fn silence(&self) -> Option<Duration>;

    /// True if sends of a lost connection are searched for.
    fn checks_sends(&self) -> bool;

    /// Policy of the whole link.
    fn policy(&self) -> &dyn LinkPolicy;

    /// Receiver of replies.
    fn sink(&self) -> Arc<dyn ReplySink>;

    /// Runtime of the connections.
    fn tasks(&self) -> Tasks;

    /// The owner itself, for callbacks of its connections.
    fn this(&self) -> Weak<dyn NodeOwner>;

    /// The owner as the redirector of its connections. `None` if it ends.
    fn redirector(&self) -> Option<Arc<dyn Redirector>>;

    /// Handles a connection that was lost or could not be opened.
    fn on_lost(&self, address: &Address);
}

fn open(address: &Address, replica: bool, is_another: bool, owner: &dyn NodeOwner) -> Arc<Connection> {
    let mut options = owner.topology().options().link.clone();
    options.endpoint = owner.topology().endpoint(address);
    (options.lazy, options.offline_queue) = (false, true);
    options.read_only |= replica;
    (options.silence, options.checks_sends) = (owner.silence(), owner.checks_sends());
    let is_another = AtomicBool::new(is_another);
    let policy = NodePolicy { owner: owner.this(), address: address.clone(), is_another };
    // The link holds its connections and they hold the link, until it is closed.
    let sinks = Sinks { sink: owner.sink(), pushes: None, redirector: owner.redirector() };
    Connection::with_sinks(Arc::new(options), Arc::new(policy), sinks, owner.tasks())
}

/// Returns the slot of a command.
fn slot_for(meta: &CommandMeta, bytes: &[u8]) -> Option<u16> {
    match meta.place {
        CommandRoute::Anywhere => None,
        CommandRoute::Key { start, length } => {
            bytes.get(start as usize..)?.get(..length as usize).map(slot_of)
        }
        CommandRoute::Slot(slot) => Some(slot),
    }
}

/// Policy of a connection of the pool. It does not reconnect, since its node can be gone for good and its commands can
/// belong to another node.
struct NodePolicy {
    owner: Weak<dyn NodeOwner>,
    address: Address,
    /// True until this replacement of a lost connection is counted.
    is_another: AtomicBool,
}

impl LinkPolicy for NodePolicy {
    fn retry_delay(&self, _attempt: u32) -> BoxFuture<Option<Duration>> {
        Box::pin(async { None })
    }

    fn greeted(&self, node: &str, run_id: Option<&str>) {
        if let Some(owner) = self.owner.upgrade() {
            owner.policy().greeted(node, run_id);
        }
    }

    fn inspects_errors(&self) -> bool {
        self.owner.upgrade().is_some_and(|owner| owner.policy().inspects_errors())
    }

    fn on_error_reply(&self, error: &RedisError) -> Option<BoxFuture<ErrorAction>> {
        self.owner.upgrade()?.policy().on_error_reply(error)
    }

    fn state_changed(&self, state: LinkState, _error: Option<&RedisError>) {
        let Some(owner) = self.owner.upgrade() else { return };
        match state {
            LinkState::Ready if self.is_another.swap(false, Ordering::AcqRel) => {
                owner.policy().traffic().reconnect();
            }
            LinkState::End => owner.on_lost(&self.address),
            _ => {}
        }
    }

    fn traffic(&self) -> Arc<Traffic> {
        self.owner.upgrade().map_or_else(Arc::default, |owner| owner.policy().traffic())
    }
}
