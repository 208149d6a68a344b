//! Moves of subscriptions to the node that has taken the slot of their stream over.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::redis_io::cluster::topology::Changes;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, LinkState};
use crate::redis_io::pubsub::subscriber::Subscriber;

use crate::engine::nodes::message_router::MessageRouter;
use crate::engine::nodes::subscriber_pool::SubscriberPool;
use crate::engine::nodes::subscriber_set::Name;
use crate::engine::runtime::backoff::Backoff;

/// Subscriptions that move from one subscriber to another.
struct Move {
    from: Arc<Subscriber>,
    to: Arc<Subscriber>,
    /// Each name with the confirmation that it was unsubscribed.
    names: Vec<(Name, BoxFuture<Result<(), RedisError>>)>,
}

/// Moves subscriptions after each change of the topology, while there are any.
pub(crate) async fn follow_slots(
    pool: Weak<SubscriberPool>,
    router: Arc<MessageRouter>,
    mut changes: Changes,
) {
    while changes.next().await {
        let Some(pool) = pool.upgrade() else { return };
        for one in pool.begin_moves() {
            let run = one.run(Arc::downgrade(&pool), router.clone());
            pool.opener().policy().context.tasks.spawn(run);
        }
    }
}

impl SubscriberPool {
    /// Notes the new subscriber of each misplaced name, and unsubscribes it from the old one. That is submitted under the lock:
    /// a later move can bring the name back, and must subscribe behind it.
    fn begin_moves(&self) -> Vec<Move> {
        let Some(topology) = self.opener().topology() else { return Vec::new() };
        let mut set = self.set();
        let mut moves: BTreeMap<[usize; 2], Move> = BTreeMap::new();
        for (name, slot) in set.misplaced(topology) {
            // A bus that closes opens no subscriber.
            let Ok(to) = self.nearest(&mut set, Some(slot)) else { break };
            let Some(from) = set.of(&name).map(|open| open.subscriber.clone()) else { continue };
            set.place(name.clone(), Some(slot), to.clone());
            let ends = [Arc::as_ptr(&from), Arc::as_ptr(&to.subscriber)].map(|end| end as usize);
            let unsubscribed = name.unsubscribe(&from);
            let one = moves.entry(ends);
            let one = one.or_insert_with(|| Move { from, to: to.subscriber, names: Vec::new() });
            one.names.push((name, unsubscribed));
        }
        moves.into_values().collect()
    }
}

impl Move {
    /// Unsubscribes before it subscribes, so that no message arrives twice. Messages in between are asked for.
    async fn run(self, pool: Weak<SubscriberPool>, router: Arc<MessageRouter>) {
        let mut names = Vec::with_capacity(self.names.len());
        for (name, unsubscribed) in self.names {
            if self.from.state() == LinkState::Ready {
                // A connection that ends has no subscription either.
                let _ = unsubscribed.await;
            }
            names.push(name);
        }
        for name in &names {
            subscribe(name, &self.to, &pool).await;
        }
        router.report_gap();
        if let Some(pool) = pool.upgrade() {
            pool.quit_unused(&mut pool.set());
        }
    }
}

/// Subscribes a name until Redis confirms it, or the name is on another subscriber or on none.
async fn subscribe(name: &Name, to: &Arc<Subscriber>, pool: &Weak<SubscriberPool>) {
    let mut backoff = Backoff::default();
    let is_placed = || {
        let pool = pool.upgrade();
        pool.is_some_and(|all| all.set().of(name).is_some_and(|on| Arc::ptr_eq(&on.subscriber, to)))
    };
    while is_placed() {
        if name.subscribe(to).await.is_ok() {
            break;
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
    let Some(pool) = pool.upgrade() else { return };
    let unsubscribed = {
        // Under the lock, so that a later subscription comes behind it.
        let set = pool.set();
        let is_elsewhere = set.of(name).is_none_or(|on| !Arc::ptr_eq(&on.subscriber, to));
        (is_elsewhere && to.state() != LinkState::End).then(|| name.unsubscribe(to))
    };
    if let Some(unsubscribed) = unsubscribed {
        // It was given up, or has moved on, during the wait.
        let _ = unsubscribed.await;
    }
}
