//! Monitor of a node that can be ejected. It pings the node, ejects it when it does not answer, and probes it until
//! it is back. There is one task per node, from its first connection until the bus is stopped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{Link, LinkState};

use crate::engine::connections::ejection::Ejection;
use crate::engine::host::context::Awake;
use crate::engine::nodes::node::Node;
use crate::engine::nodes::probe::{late, probe};

/// Number of checks in one timeout.
const CHECKS_PER_TIMEOUT: u32 = 10;
/// Minimum time between two checks, however short the timeout.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(5);

/// Lets the first connection of a node start the monitor, if the node can be ejected.
pub(crate) fn attach(node: &Arc<Node>) {
    let Some(ejection) = node.ejection() else { return };
    let (weak, tasks) = (Arc::downgrade(node), node.context().tasks.clone());
    ejection.monitor_by(Box::new(move |ejection| tasks.spawn(watch(weak.clone(), ejection)).abort_handle()));
}

/// Monitors a node for as long as the node lives.
async fn watch(node: Weak<Node>, ejection: Arc<Ejection>) {
    loop {
        if !ejection.is_out() && LivenessMonitor::new(ejection.clone()).run(&node).await.is_none() {
            return;
        }
        let Some(strong) = node.upgrade() else { return };
        let _awake = strong.fail_pending();
        drop(strong);
        loop {
            tokio::time::sleep(ejection.next_wait()).await;
            let Some(probe) = node.upgrade().map(|node| node.probe()) else { return };
            match probe.await {
                Ok(()) => break,
                Err(error) => ejection.failed(&error),
            }
        }
        ejection.readmit();
        if let Some(node) = node.upgrade() {
            // The process can depend on the connection to stay alive.
            drop(node.shared().link());
        }
    }
}

/// Waits until a node is ejected. A reply shows that the node answers. Without commands in flight a PING goes out
/// every `timeout`. After a `timeout` without a reply each further check counts as a failure.
struct LivenessMonitor {
    ejection: Arc<Ejection>,
    /// Number of replies at the last check.
    answers: u64,
    /// Time since which a reply or a connection is due.
    silent_since: Option<Instant>,
    checked_at: Instant,
    pinged_at: Option<Instant>,
}

impl LivenessMonitor {
    fn new(ejection: Arc<Ejection>) -> Self {
        Self { ejection, answers: 0, silent_since: None, checked_at: Instant::now(), pinged_at: None }
    }

    /// Resolves once the node is ejected. Returns `None` if the node was dropped.
    async fn run(mut self, node: &Weak<Node>) -> Option<()> {
        let interval = (self.ejection.options.timeout / CHECKS_PER_TIMEOUT).max(SHORTEST_INTERVAL);
        while !self.ejection.is_out() {
            tokio::select! {
                biased;
                () = self.ejection.tripped.notified() => {}
                () = tokio::time::sleep(interval) => self.check(node.upgrade()?.as_ref()),
            }
        }
        Some(())
    }

    fn check(&mut self, node: &Node) {
        let (now, timeout) = (Instant::now(), self.ejection.options.timeout);
        let checked_at = std::mem::replace(&mut self.checked_at, now);
        let Some(link) = node.watched_link() else {
            self.silent_since = None;
            return;
        };
        let (is_ready, progress) = (link.state() == LinkState::Ready, link.progress());
        let answers = std::mem::replace(&mut self.answers, progress.answers);
        // Replies from before the loss of the connection do not count.
        if is_ready && progress.answers > answers {
            self.silent_since = None;
            self.ejection.answered();
        } else if progress.answers < answers || is_ready && !progress.is_due {
            // The connection is another one, or no reply is due.
            self.silent_since = None;
        } else {
            let since = *self.silent_since.get_or_insert(checked_at);
            if now.saturating_duration_since(since) >= timeout {
                self.ejection.failed(&node.late());
            }
        }
        let may_ask = is_ready && !progress.is_due;
        if may_ask
            && self.pinged_at.is_none_or(|pinged_at| now.saturating_duration_since(pinged_at) >= timeout)
        {
            self.pinged_at = Some(now);
            let mut ping = Commands::default();
            ping.begin("PING", 1).end_once(Destination::Nowhere);
            link.submit(&mut ping);
        }
    }
}

impl Node {
    /// The shared connection, if there is one to monitor. A node with a subscriber alone gets one.
    fn watched_link(&self) -> Option<Arc<dyn Link>> {
        let link = match self.shared().current() {
            None if self.subscriptions().is_open() => self.shared().link().ok(),
            current => current,
        };
        link.filter(|link| link.state() != LinkState::Wait)
    }

    /// Error of a node that does not reply in time.
    fn late(&self) -> RedisError {
        let patience = self.ejection().map_or(0, |ejection| ejection.options.timeout.as_millis());
        late(&self.options().link, patience)
    }

    fn probe(&self) -> impl Future<Output = Result<(), RedisError>> + use<> {
        let (options, context) = (self.options().clone(), self.context().clone());
        let locator = self.locator().cloned();
        let patience = self.ejection().map_or(Duration::ZERO, |ejection| ejection.options.timeout);
        async move { probe(&options.link, locator, patience, context.tasks.clone()).await }
    }

    /// Fails the commands without a reply and reconnects the readers. The server can have delivered entries to a
    /// reader that is gone; they are claimed after the readmission. The process stays alive until the returned value
    /// is dropped.
    fn fail_pending(&self) -> Option<Awake> {
        let ejection = self.ejection()?;
        let awake = self.context().stay_awake();
        if let Some(refusal) = ejection.refusal() {
            self.shared().fail(refusal);
        }
        for reader in ejection.readers() {
            reader.reset();
        }
        Some(awake)
    }
}
