//! A Cluster as one link. Each command goes to the node that has its key, and follows redirects.

pub(crate) mod pool;
pub mod redirect;
pub(crate) mod redirection;
mod sent_search;
pub mod slot_map;
pub(crate) mod state;
pub mod topology;
pub(crate) mod topology_refresh;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::redis_io::cluster::pool::Target;
use crate::redis_io::cluster::slot_map::Address;
use crate::redis_io::cluster::state::{ClusterState, watch};
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::command::Commands;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState, ReplySink};
use crate::redis_io::tasks::Tasks;

/// A link to all nodes of a Cluster. Dropping it closes it.
pub struct Cluster {
    shared: Arc<ClusterState>,
}

impl Cluster {
    /// A link that opens, unless the options are lazy. `silence` is the time limit for the silence of a node. With
    /// `checks_sends`, sends whose connection was lost are searched for before they are sent again.
    pub fn new(
        topology: Arc<Topology>,
        (silence, checks_sends): (Option<Duration>, bool),
        policy: Arc<dyn LinkPolicy>,
        sink: Arc<dyn ReplySink>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let lazy = topology.options().link.lazy;
        let shared = ClusterState::new(topology, (silence, checks_sends), policy, sink, tasks);
        let cluster = Arc::new(Self { shared });
        if !lazy {
            cluster.open();
        }
        cluster
    }
}

impl Link for Cluster {
    fn submit(&self, commands: &mut Commands) {
        let submitted = self.shared.submit(commands);
        if self.state() == LinkState::Wait {
            // Opened by a command that is refused too, but not before it was decided upon.
            self.open();
        }
        if let Err(refusal) = submitted {
            commands.refuse(self.shared.sink.as_ref(), &refusal);
        }
    }

    fn submit_to(&self, node: &str, commands: &mut Commands) {
        match Address::parse(node) {
            Some(address) => self.shared.send(vec![(Target::of(address), std::mem::take(commands))]),
            None => self.submit(commands),
        }
    }

    fn state(&self) -> LinkState {
        self.shared.state()
    }

    fn node(&self) -> Arc<str> {
        self.shared.node()
    }

    fn open(&self) {
        let begins = {
            let mut inner = self.shared.lock();
            !inner.closing && !std::mem::replace(&mut inner.started, true)
        };
        if begins {
            self.shared.set_state(LinkState::Connecting, None);
            self.shared.tasks.spawn(watch(self.shared.clone()));
        }
    }

    fn reset(&self) {
        let connections = self.shared.lock().pool.take_all();
        for connection in connections {
            connection.close();
        }
        self.shared.topology.refresh();
    }

    fn quit(&self, bound: Duration) -> BoxFuture<()> {
        let shared = self.shared.clone();
        let connections = {
            let mut inner = shared.lock();
            inner.quitting = true;
            inner.pool.all()
        };
        let mut quits = JoinSet::new();
        for connection in connections {
            quits.spawn_on(shared.tasks.counted(connection.quit(bound)), shared.tasks.runtime());
        }
        Box::pin(async move {
            quits.join_all().await;
            shared.close(None);
        })
    }

    fn close(&self) {
        self.shared.close(None);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.close(None);
    }
}
