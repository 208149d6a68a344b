//! State that the link of a Cluster, its connections and its tasks share.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::redis_io::cluster::pool::{NodeOwner, Pool, Target};
use crate::redis_io::cluster::redirect::{Redirect, RedirectedCommand};
use crate::redis_io::cluster::slot_map::Address;
use crate::redis_io::cluster::topology::{RefreshResult, Topology};
use crate::redis_io::command::{CommandMeta, Commands};
use crate::redis_io::connection::redirector::Redirector;
use crate::redis_io::connection::sent_streams::SentStreams;
use crate::redis_io::error::{QUEUE_FULL, RedisError, RedisErrorKind};
use crate::redis_io::link::{Link, LinkPolicy, LinkState, ReplySink};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::QueueExtent;
use crate::redis_io::tasks::Tasks;

const CLOSED: &str = "Connection is closed.";
const NOT_READY: &str = "Cluster isn't ready and enableOfflineQueue options is false";

/// Maximum time that commands wait for a Cluster whose slots are unknown. It exceeds the 15 seconds after which a Cluster
/// replaces a failed primary by default.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Interval of the search for commands that have waited too long.
const EXPIRY: Duration = Duration::from_secs(1);

/// State that the link, its connections and its tasks share.
pub(crate) struct ClusterState {
    pub(crate) topology: Arc<Topology>,
    /// Time limit for the silence of a node, see [`crate::redis_io::options::LinkOptions::silence`].
    pub(crate) silence: Option<Duration>,
    /// See [`crate::redis_io::options::LinkOptions::checks_sends`].
    pub(crate) checks_sends: bool,
    pub(crate) policy: Arc<dyn LinkPolicy>,
    pub(crate) sink: Arc<dyn ReplySink>,
    pub(crate) tasks: Tasks,
    pub(crate) this: Weak<ClusterState>,
    /// Wakes tasks that must end with the link.
    gone: Notify,
    state: AtomicU8,
    /// A lock, since both threads submit. No connection is called with it held.
    inner: Mutex<ClusterInner>,
}

#[derive(Default)]
pub(crate) struct ClusterInner {
    pub(crate) pool: Pool,
    /// Commands that were submitted before the slots were known.
    waiting: Commands,
    /// Commands and bytes that wait for another attempt.
    pub(crate) held: QueueExtent,
    /// Streams that lost connections have sent jobs to.
    pub(crate) sent: SentStreams,
    /// Commands that go to another node at the end of the burst.
    pub(crate) redirected: Vec<RedirectedCommand>,
    pub(crate) started: bool,
    /// QUIT was sent to all nodes: new commands are refused.
    pub(crate) quitting: bool,
    pub(crate) closing: bool,
}

/// Commands with the connections that they go to.
pub(crate) type Staged = Vec<(Target, Commands)>;

impl ClusterInner {
    /// Streams that jobs were sent to on all connections, the lost ones too.
    pub(crate) fn known_sends(&self) -> SentStreams {
        let mut sent = self.sent.clone();
        for connection in self.pool.all() {
            connection.note_sent(&mut sent);
        }
        sent
    }
}

impl ClusterState {
    /// State of a link that is not open.
    pub(crate) fn new(
        topology: Arc<Topology>,
        (silence, checks_sends): (Option<Duration>, bool),
        policy: Arc<dyn LinkPolicy>,
        sink: Arc<dyn ReplySink>,
        tasks: Tasks,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            topology,
            silence,
            checks_sends,
            policy,
            sink,
            tasks,
            this: this.clone(),
            gone: Notify::new(),
            state: AtomicU8::new(LinkState::Wait as u8),
            inner: Mutex::default(),
        })
    }

    pub(crate) fn state(&self) -> LinkState {
        LinkState::from_number(self.state.load(Ordering::Acquire))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ClusterInner> {
        self.inner.locked()
    }

    pub(crate) fn node(&self) -> Arc<str> {
        self.topology.options().startup.first().map(ToString::to_string).unwrap_or_default().into()
    }

    pub(crate) fn set_state(&self, state: LinkState, error: Option<&RedisError>) {
        // No state follows the end, even if another thread reports one.
        let changes = |known| (known != state as u8 && known != LinkState::End as u8).then_some(state as u8);
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, changes).is_ok() {
            self.policy.state_changed(state, error);
        }
    }

    pub(crate) fn error(&self, kind: RedisErrorKind, message: &str) -> RedisError {
        RedisError::local(kind, message, &self.node())
    }

    /// Takes commands from a caller, or returns an error.
    pub(crate) fn submit(&self, commands: &mut Commands) -> Result<(), RedisError> {
        let staged = {
            let mut inner = self.lock();
            if inner.closing || inner.quitting {
                return Err(self.error(RedisErrorKind::Closed, CLOSED));
            }
            if self.topology.map().is_none() && !self.topology.options().link.offline_queue {
                return Err(self.error(RedisErrorKind::NotReady, NOT_READY));
            }
            if self.topology.map().is_none() && !self.has_room(&inner.waiting, commands) {
                return Err(self.error(RedisErrorKind::QueueFull, QUEUE_FULL));
            }
            self.stage(&mut inner, commands)
        };
        self.send(staged);
        Ok(())
    }

    /// Returns true if more commands can wait for the slots. Once the slots are known, each connection has its own limit.
    fn has_room(&self, waiting: &Commands, more: &Commands) -> bool {
        let limit = self.topology.options().link.queue;
        waiting.is_empty()
            || (waiting.len() + more.len() <= limit.commands && waiting.size() + more.size() <= limit.bytes)
    }

    /// As [`ClusterState::submit`], for commands that were taken before.
    pub(crate) fn submit_again(&self, mut commands: Commands) {
        let staged = {
            let mut inner = self.lock();
            if inner.closing { None } else { Some(self.stage(&mut inner, &mut commands)) }
        };
        match staged {
            Some(staged) => self.send(staged),
            None => commands.refuse(self.sink.as_ref(), &self.error(RedisErrorKind::Closed, CLOSED)),
        }
    }

    /// Divides commands among the nodes, earlier commands first. While the slots are unknown, the commands wait.
    fn stage(&self, inner: &mut ClusterInner, commands: &mut Commands) -> Staged {
        let Some(map) = self.topology.map() else {
            let now = Instant::now();
            commands.take_each(|mut meta, bytes| {
                meta.redirects.since.get_or_insert(now);
                inner.waiting.append(meta, bytes);
            });
            return Vec::new();
        };
        let (mut staged, reads) = (Vec::new(), self.topology.options().reads);
        for commands in [&mut std::mem::take(&mut inner.waiting), commands] {
            inner.pool.divide(&map, reads, commands, &mut staged, || self.topology.any_node());
        }
        staged
    }

    /// Submits commands to the connections of their nodes.
    pub(crate) fn send(&self, staged: Staged) {
        for (target, mut commands) in staged {
            let Target::Node { address, replica } = target else {
                self.topology.refresh();
                let error = RedisError::reply(b"CLUSTERDOWN Hash slot not served", "", &self.node());
                self.postpone(commands, self.topology.options().cluster_down_delay, &error);
                continue;
            };
            let connection = {
                let mut inner = self.lock();
                let closing = inner.closing;
                (!closing).then(|| inner.pool.get(address, replica, self))
            };
            match connection {
                Some(connection) => connection.submit(&mut commands),
                None => commands.refuse(self.sink.as_ref(), &self.error(RedisErrorKind::Closed, CLOSED)),
            }
        }
    }

    pub(crate) async fn is_gone(&self) {
        // Made before the flag is read, so that a close in between is not missed.
        let gone = self.gone.notified();
        let closing = self.lock().closing;
        if !closing {
            gone.await;
        }
    }

    /// Closes for good. `cause` is the error of an unwanted end.
    pub(crate) fn close(&self, cause: Option<&RedisError>) {
        let (mut waiting, connections) = {
            let mut inner = self.lock();
            if std::mem::replace(&mut inner.closing, true) {
                return;
            }
            (std::mem::take(&mut inner.waiting), inner.pool.take_all())
        };
        self.gone.notify_waiters();
        let closed = self.error(RedisErrorKind::Closed, CLOSED);
        waiting.refuse(self.sink.as_ref(), cause.unwrap_or(&closed));
        for connection in connections {
            connection.close();
        }
        self.set_state(LinkState::End, cause);
    }

    fn on_topology_change(&self, result: &RefreshResult) {
        if let Some(error) = &result.error {
            if self.state.load(Ordering::Acquire) == LinkState::Ready as u8 {
                self.set_state(LinkState::Reconnecting, Some(error));
            }
            let error = self.topology.unknown(Some(error.clone()));
            if result.given_up {
                self.close(Some(&error));
            } else if is_final(&error) {
                let mut waiting = std::mem::take(&mut self.lock().waiting);
                waiting.refuse(self.sink.as_ref(), &error);
            }
            return;
        }
        let Some(map) = self.topology.map() else { return };
        self.set_state(LinkState::Ready, None);
        let misplaced = self.lock().pool.take_misplaced(&map, &self.topology);
        for connection in misplaced {
            // With time to answer what it has been sent, which would otherwise be sent twice; but a primary that was
            // replaced by hand may hold writes back for ten seconds, which the new one would serve at once.
            let bound = self.topology.options().refresh_timeout;
            self.tasks.spawn(async move { connection.quit(bound).await });
        }
        self.submit_again(Commands::default());
    }

    /// Fails the commands that have waited too long.
    fn expire(&self, error: &RedisError) {
        let (now, mut late) = (Instant::now(), Commands::default());
        let is_over = |meta: &CommandMeta| meta.redirects.since.is_some_and(|since| since + PATIENCE <= now);
        {
            let waiting = &mut self.lock().waiting;
            if !waiting.metas.first().is_some_and(is_over) {
                // They are in the order in which they came.
                return;
            }
            std::mem::take(waiting).take_each(|meta, bytes| {
                if is_over(&meta) { late.append(meta, bytes) } else { waiting.append(meta, bytes) }
            });
        }
        if !late.is_empty() {
            late.refuse(self.sink.as_ref(), error);
        }
    }
}

impl NodeOwner for ClusterState {
    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn silence(&self) -> Option<Duration> {
        self.silence
    }

    fn checks_sends(&self) -> bool {
        self.checks_sends
    }

    fn policy(&self) -> &dyn LinkPolicy {
        self.policy.as_ref()
    }

    fn sink(&self) -> Arc<dyn ReplySink> {
        self.sink.clone()
    }

    fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    fn this(&self) -> Weak<dyn NodeOwner> {
        self.this.clone()
    }

    fn redirector(&self) -> Option<Arc<dyn Redirector>> {
        self.this.upgrade().map(|state| state as _)
    }

    fn on_lost(&self, address: &Address) {
        self.lock().pool.remove_ended(address);
        self.topology.refresh();
    }
}

/// Returns true if the node will give the same answer to the next request for the slots.
fn is_final(error: &RedisError) -> bool {
    match error.reply_code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => true,
        // Other commands are of the handshake, which is done again.
        Some(_) => error.command == Some("CLUSTER") && Redirect::read(error, &error.node).is_none(),
        None => false,
    }
}

/// Follows the topology until the link is closed.
pub(crate) async fn watch(shared: Arc<ClusterState>) {
    let topology = shared.topology.clone();
    let _user = topology.add_user();
    let mut results = topology.results();
    loop {
        let latest = results.borrow_and_update().clone();
        shared.on_topology_change(&latest);
        // Commands wait here for as long as nothing is known, and bad news may come more often than they are looked at.
        let is_unknown = topology.map().is_none();
        if is_unknown {
            shared.expire(&topology.unknown(latest.error));
        }
        tokio::select! {
            biased;
            () = shared.is_gone() => return,
            changed = results.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(EXPIRY), if is_unknown => {}
        }
    }
}
