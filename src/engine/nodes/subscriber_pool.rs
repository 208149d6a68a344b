//! The subscribers of a node: chosen, opened at their first use, and closed without a use.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::redis_io::cluster::slot_map::slot_of;
use crate::redis_io::error::RedisError;
use crate::redis_io::locked::Locked;
use crate::redis_io::pubsub::subscriber::Subscriber;

use crate::engine::nodes::subscriber_opener::SubscriberOpener;
use crate::engine::nodes::subscriber_set::{Name, OpenSubscriber, SubscriberSet};

/// Maximum time of QUIT of a subscriber that is not needed any more.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Subscribers of a node, one for each node of a Cluster.
pub(crate) struct SubscriberPool {
    opener: SubscriberOpener,
    /// A lock, since producers subscribe on the host's thread while subscriptions move on the engine's.
    set: Mutex<SubscriberSet>,
}

impl SubscriberPool {
    /// A pool without a subscriber.
    pub(crate) fn new(opener: SubscriberOpener) -> Arc<Self> {
        Arc::new(Self { opener, set: Mutex::default() })
    }

    /// Opener of its subscribers.
    pub(crate) fn opener(&self) -> &SubscriberOpener {
        &self.opener
    }

    /// Returns the subscriber of a name, and notes it there.
    pub(crate) fn place(&self, name: &Name, stream_key: Option<&str>) -> Result<Arc<Subscriber>, RedisError> {
        let slot = stream_key.filter(|_| self.opener.topology().is_some()).map(|key| slot_of(key.as_bytes()));
        let mut set = self.set();
        let nearest = self.nearest(&mut set, slot)?;
        let on = set.of(name).cloned().unwrap_or(nearest);
        set.place(name.clone(), slot, on.clone());
        self.quit_unused(&mut set);
        Ok(on.subscriber)
    }

    /// Returns the subscriber on the node of a slot. Opens one if there is none.
    pub(crate) fn nearest(
        &self,
        set: &mut SubscriberSet,
        slot: Option<u16>,
    ) -> Result<OpenSubscriber, RedisError> {
        if let Some(refusal) =
            self.opener.policy().handle.as_ref().and_then(|handle| handle.ejection.refusal())
        {
            return Err(refusal);
        }
        set.remove_ended();
        if let Some(open) = set.on_node_of(slot, self.opener.topology().map(Arc::as_ref)) {
            return Ok(open.clone());
        }
        let opened = self.opener.open(slot)?;
        set.add(opened.clone());
        Ok(opened)
    }

    /// Closes subscribers that have no subscription, apart from the last one.
    pub(crate) fn quit_unused(&self, set: &mut SubscriberSet) {
        for unused in set.take_unused() {
            self.opener.policy().context.tasks.spawn(async move { unused.quit(QUIT_TIMEOUT).await });
        }
    }

    /// Subscribers and names.
    pub(crate) fn set(&self) -> MutexGuard<'_, SubscriberSet> {
        self.set.locked()
    }
}
