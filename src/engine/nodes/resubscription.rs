//! Renewal of the subscriptions of one subscriber after Redis refused some of them.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::PushSink;
use crate::redis_io::locked::Locked;
use crate::redis_io::pubsub::subscriber::Subscriber;

use crate::engine::host::Event;
use crate::engine::host::context::Context;
use crate::engine::nodes::message_router::MessageRouter;
use crate::engine::runtime::backoff::Backoff;

/// Passes the messages of one subscriber to the router of its node, and subscribes again after a refusal.
pub(crate) struct Resubscription {
    this: Weak<Resubscription>,
    context: Arc<Context>,
    router: Arc<MessageRouter>,
    /// Topology, if the node is a Cluster.
    topology: Option<Arc<Topology>>,
    /// A lock, since a subscriber is opened on the host's thread while its replies arrive on the engine's.
    refused: Mutex<Refused>,
}

#[derive(Default)]
struct Refused {
    subscriber: Weak<Subscriber>,
    backoff: Backoff,
    /// Code of the last refusal that was reported.
    code: Option<String>,
    /// True while a resubscription is scheduled.
    is_due: bool,
}

impl Resubscription {
    /// Begins without a subscriber.
    pub(crate) fn new(
        context: Arc<Context>,
        router: Arc<MessageRouter>,
        topology: Option<Arc<Topology>>,
    ) -> Arc<Self> {
        let refused = Mutex::default();
        Arc::new_cyclic(|this| Self { this: this.clone(), context, router, topology, refused })
    }

    /// Asks for the slots. Subscriptions move to the nodes that have them now.
    fn refresh_slots(&self) {
        if let Some(topology) = &self.topology {
            topology.refresh();
        }
    }

    /// Sets the subscriber that it subscribes again on.
    pub(crate) fn attach(&self, subscriber: &Arc<Subscriber>) {
        self.refused().subscriber = Arc::downgrade(subscriber);
    }

    /// Subscribes again after a delay.
    fn schedule(&self) {
        let wait = {
            let mut refused = self.refused();
            if std::mem::replace(&mut refused.is_due, true) {
                return;
            }
            refused.backoff.next_wait()
        };
        let this = self.this.clone();
        self.context.tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            let Some(resubscription) = this.upgrade() else { return };
            let subscriber = {
                let mut refused = resubscription.refused();
                refused.is_due = false;
                refused.subscriber.upgrade()
            };
            if let Some(subscriber) = subscriber {
                subscriber.subscribe_again();
            }
        });
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.locked()
    }
}

impl PushSink for Resubscription {
    fn message(&self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]) {
        self.router.message(pattern, channel, payload);
    }

    fn resubscribed(&self) {
        {
            let mut refused = self.refused();
            refused.backoff.reset();
            refused.code = None;
        }
        self.router.report_gap();
    }

    fn resubscription_refused(&self, error: &RedisError) {
        self.router.report_gap();
        self.schedule();
        if error.reply_code() == Some("MOVED") {
            return self.refresh_slots();
        }
        let code = error.reply_code().map(str::to_owned);
        let is_new_code = std::mem::replace(&mut self.refused().code, code.clone()) != code;
        if is_new_code {
            for producer in self.router.producers().into_keys() {
                self.context.host.event(Event::ProducerFailed { producer, error });
            }
            self.context.host.wake();
        }
    }

    fn sharded_ended(&self) {
        self.refresh_slots();
        // The slot can have come back meanwhile.
        self.schedule();
    }

    fn burst_end(&self) {
        self.context.host.wake();
    }
}
