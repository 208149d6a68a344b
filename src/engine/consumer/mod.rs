//! Reads entries for a group and has their jobs run.
//!
//! The state is in one place behind one lock, since two threads change it: the host's thread settles jobs, the
//! engine's thread receives entries and replies. Commands are packed under the lock and submitted after it. A
//! consumer has one lane per node, or per slot of a Cluster, each with a reader connection.
//!
//! The rooms have an order: `play`, `stop` · `ownership` · `deadline_timer`, `reading`, `claiming`, `retention` · `settlement` ·
//! `dead_lettering` · `turn` · `lease_renewal`, `entry_commands`, `job_delivery` · `state`. Methods call down only; this file
//! has the accessors that all of them share.

pub mod claiming;
pub mod dead_lettering;
pub mod deadline_timer;
pub mod entry_commands;
pub mod job_delivery;
pub mod lease_renewal;
pub mod ownership;
pub mod play;
pub mod reading;
pub(crate) mod retention;
pub mod settlement;
pub mod state;
pub mod stop;
pub mod turn;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, Weak};

use tokio::sync::{Mutex as TurnMutex, Notify};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::locked::{Locked, RwLocked};
use crate::redis_io::resp::Value;

use crate::engine::connections::client::Client;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::report_limit::ReportLimit;
use crate::engine::host::{Event, Failure};
use crate::engine::nodes::node::Node;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::options::bus::Route;
use crate::engine::options::consumer::ConsumerOptions;

/// A consumer of a group.
pub struct Consumer {
    pub(crate) number: u32,
    pub(crate) options: ConsumerOptions,
    pub(crate) group: String,
    pub(crate) node_set: Arc<NodeSet>,
    /// Indices of its nodes.
    nodes: Range<usize>,
    /// A lock, since a new stream can need a new lane. Lanes are never removed.
    lanes: RwLock<Vec<Arc<Lane>>>,
    pub(crate) state: Mutex<ConsumerState>,
    /// Limit of reports of failed settlements.
    pub(crate) report_limit: ReportLimit,
    /// Wakes the deadline timer for an earlier deadline.
    pub(crate) timer: Arc<Notify>,
    /// Spawns the task of the deadline timer. A function pointer, since that task settles jobs and a settlement ends
    /// with the turn that starts the timer.
    pub(crate) deadline_task: fn(&Self),
    /// Starts or reads again the waiting entries of a lane after a lease renewal. A function pointer, since reads and
    /// turns start the renewal of leases.
    pub(crate) after_renewal: fn(&Self, usize),
    /// Ends the read of a lane that lacks a stream which is read again. A function pointer, since the start of waiting entries,
    /// so a turn, makes room for further ones.
    pub(crate) end_lacking_read: fn(&Self, &mut ConsumerState, usize),
    /// Wakes claiming when a slot is free.
    pub(crate) slot_free: Arc<Notify>,
    /// Wakes claiming from its back-off.
    pub(crate) claim_wakeup: Arc<Notify>,
    /// Wakes the task that waits for the next window of a rate limit.
    pub(crate) limit_wakeup: Arc<Notify>,
    /// Wakes the task that owns partitions.
    pub(crate) ownership_wakeup: Arc<Notify>,
    /// Wakes takeovers that wait for room in the buffer.
    pub(crate) takeover_room: Arc<Notify>,
    /// Held during a turn of that task.
    pub(crate) ownership_turn: TurnMutex<()>,
    /// Wakes the renewal of leases after one that Redis could not serve, and after a late reply.
    pub(crate) renewal_due: Arc<Notify>,
    /// Ends the renewal of leases at a disconnect.
    pub(crate) ended: Arc<Notify>,
    /// Wakes `play()` after the removal of the consumer's name.
    pub(crate) left: Notify,
    /// For tasks that must not keep the consumer alive.
    pub(crate) this: Weak<Consumer>,
}

/// Scope of one read: the streams on a node, or in one slot of a Cluster.
pub(crate) struct Lane {
    /// Index of the node within the bus.
    pub(crate) node: usize,
    /// The slot, in a Cluster.
    pub(crate) slot: Option<u16>,
    /// Reader connection.
    pub(crate) blocking: Client,
}

impl Consumer {
    /// Creates a consumer that the host knows by `number`. Does no I/O.
    pub fn new(node_set: Arc<NodeSet>, number: u32, options: ConsumerOptions) -> Arc<Self> {
        let nodes = match &options.route {
            Route::Name(route) => node_set.route(route)..node_set.route(route) + 1,
            Route::Distributed => 0..node_set.nodes().len(),
        };
        let consumer = Arc::new_cyclic(|this: &Weak<Consumer>| Self {
            number,
            group: node_set.keys().group(&options.group),
            nodes,
            lanes: RwLock::default(),
            state: Mutex::new(ConsumerState { read_ahead: options.read_ahead, ..ConsumerState::default() }),
            options,
            node_set,
            report_limit: ReportLimit::default(),
            timer: Arc::default(),
            deadline_task: Self::spawn_deadline_task,
            after_renewal: Self::advance_renewed,
            end_lacking_read: Self::end_read_if_ready,
            slot_free: Arc::default(),
            claim_wakeup: Arc::default(),
            limit_wakeup: Arc::default(),
            ownership_wakeup: Arc::default(),
            takeover_room: Arc::default(),
            ownership_turn: TurnMutex::default(),
            renewal_due: Arc::default(),
            ended: Arc::default(),
            left: Notify::new(),
            this: this.clone(),
        });
        consumer.node_set.replies().add_consumer(number, consumer.this.clone());
        consumer.node_set.add_consumer_name(&consumer.group, &consumer.options.id);
        consumer
    }

    /// Returns the number by which the host knows it.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The bus it reads from.
    pub fn node_set(&self) -> &Arc<NodeSet> {
        &self.node_set
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ConsumerState> {
        self.state.locked()
    }

    pub(crate) fn lane(&self, lane: usize) -> Arc<Lane> {
        self.lanes()[lane].clone()
    }

    pub(crate) fn lanes(&self) -> RwLockReadGuard<'_, Vec<Arc<Lane>>> {
        self.lanes.read_locked()
    }

    /// The node of a lane.
    pub(crate) fn node(&self, lane: usize) -> &Arc<Node> {
        &self.node_set.nodes()[self.lane(lane).node]
    }

    /// Returns the shared connection to the node of a lane.
    pub(crate) fn shared(&self, lane: usize) -> &Client {
        self.node(lane).shared()
    }

    /// Sends one command on the shared connection of a lane's node, and waits for its reply.
    pub(crate) async fn ask(
        &self,
        lane: usize,
        pack: impl FnOnce(&mut Commands, Destination),
    ) -> Result<Value, RedisError> {
        self.shared(lane).call(pack).await
    }

    pub(crate) fn error(
        &self,
        lane: usize,
        kind: RedisErrorKind,
        command: &'static str,
        message: &str,
    ) -> RedisError {
        let node = self.lane(lane).blocking.current().map(|link| link.node()).unwrap_or_default();
        RedisError::local(kind, message, &node).of(command)
    }

    pub(crate) fn report_error(&self, failure: Failure, error: &RedisError) {
        let host = &self.node_set.context().host;
        host.event(Event::ConsumerFailed { consumer: self.number, failure, error });
        host.wake();
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.node_set.remove_consumer_name(&self.group, &self.options.id);
    }
}
