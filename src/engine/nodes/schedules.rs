//! Watches of delayed sends: a task for each stream whose delayed sends this process knows of.
//!
//! A script adds the entries that are due, so any number of processes can watch a stream. A process that sends with a delay
//! watches until nothing is left. A consumer that plays watches its streams too, so delayed sends survive their sender.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Value;
use crate::redis_io::world::fault::planted;

use crate::engine::nodes::node_set::NodeSet;
use crate::engine::nodes::schedule_watches::{Place, ScheduleUser, Step, Watch};
use crate::engine::protocol::schedule::{DueSends, MOST_RELEASED, Released, ScheduleKeys};
use crate::engine::runtime::backoff::{Backoff, jitter};

/// Time after the start of a consumer until its first check, so that short programs send none.
const FIRST_CHECK: Duration = Duration::from_millis(200);
/// Minimum time between two scripts, in which due times gather.
const GATHERING: Duration = Duration::from_millis(10);
/// Time between two scripts of a user without one of the rights.
const REFUSED: Duration = Duration::from_secs(5);

impl NodeSet {
    /// Watches a stream until the send of `sender` that is due after `delay`, and all others, have their entries.
    pub(crate) fn expect_delayed(
        self: &Arc<Self>,
        (node, stream): (usize, &str),
        delay: Duration,
        sender: &Weak<dyn ScheduleUser>,
    ) {
        let due = Instant::now() + delay;
        self.watch(node, stream, |watch| {
            if watch.sender.as_ref().is_none_or(|known| known.strong_count() == 0) {
                watch.sender = Some(sender.clone());
            }
            let is_earlier = watch.due.is_none_or(|known| due < known);
            if is_earlier {
                watch.due = Some(due);
            }
            is_earlier
        });
    }

    /// Watches a stream while `user` is active.
    pub(crate) fn follow_delayed(self: &Arc<Self>, node: usize, stream: &str, user: Weak<dyn ScheduleUser>) {
        if planted("delayed sends need their sender") {
            return;
        }
        let check = Instant::now() + FIRST_CHECK.mul_f64(1.0 + jitter());
        self.watch(node, stream, |watch| {
            watch.users.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&user));
            watch.users.push(user);
            watch.check = Some(check);
            watch.is_reported = false;
            true
        });
    }

    fn watch(self: &Arc<Self>, node: usize, stream: &str, change: impl FnOnce(&mut Watch) -> bool) {
        let place = (node, stream.to_owned());
        if let Some(wakeup) = self.schedules().change(&place, change) {
            self.context().tasks.spawn(keep(Arc::downgrade(self), place, wakeup));
        }
    }

    /// Keys of the delayed sends of a stream on a node.
    pub(crate) fn schedule_keys(&self, node: usize, stream: &str) -> ScheduleKeys {
        ScheduleKeys::new(self.nodes()[node].keys(), stream)
    }
}

/// Watches a stream. Holds the bus only during a command.
async fn keep(node_set: Weak<NodeSet>, place: Place, wakeup: Arc<Notify>) {
    let mut backoff = Backoff::default();
    loop {
        let Some(strong) = node_set.upgrade() else { return };
        let schedules = strong.schedules();
        let until = match schedules.step(&place, &wakeup, strong.is_closing()) {
            Step::End => return,
            Step::Wait(until) => until,
            Step::Check => {
                match check(&strong, &place).await {
                    Ok(is_there) => schedules.note(&place, is_there.then(Instant::now)),
                    // A user without the right to look does not use delayed sends.
                    Err(error) if is_final(&error) => return schedules.forget(&place, &wakeup),
                    Err(_) => schedules.note(&place, None),
                }
                continue;
            }
            Step::Release => {
                let due = match release(&strong, &place).await {
                    Ok(next) => {
                        backoff.reset();
                        schedules.succeed(&place);
                        next.map(|next| Instant::now() + next)
                    }
                    Err(error) if error.kind == RedisErrorKind::Closed => {
                        return schedules.forget(&place, &wakeup);
                    }
                    Err(error) => {
                        if error.is_refusal() {
                            schedules.report(&place, &error);
                        }
                        let is_refused = error.reply_code() == Some("NOPERM");
                        Some(Instant::now() + if is_refused { REFUSED } else { backoff.next_wait() })
                    }
                };
                schedules.note(&place, due);
                continue;
            }
        };
        drop(strong);
        tokio::select! {
            biased;
            () = wakeup.notified() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

/// Asks whether there are delayed sends.
async fn check(node_set: &NodeSet, (node, stream): &Place) -> Result<bool, RedisError> {
    let keys = node_set.schedule_keys(*node, stream);
    let reply = node_set.nodes()[*node].shared().call(|commands, to| keys.pack_probe(commands, to)).await?;
    Ok(matches!(reply, Value::Integer(1..)))
}

/// Adds the entries that are due. Returns the time until the next script.
async fn release(node_set: &NodeSet, (node, stream): &Place) -> Result<Option<Duration>, RedisError> {
    let keys = node_set.schedule_keys(*node, stream);
    let shared = node_set.nodes()[*node].shared();
    let reply = shared.call(|commands, to| keys.pack_find_due(commands, to)).await?;
    let Some(DueSends { sends, next }) = DueSends::read(&reply) else { return Ok(None) };
    if sends.is_empty() {
        return Ok(gathered(next));
    }
    let reply = shared.call(|commands, to| keys.pack_release(&sends, commands, to)).await?;
    let Some(Released { count, next }) = Released::read(&reply) else { return Ok(None) };
    Ok(if count == MOST_RELEASED { Some(Duration::ZERO) } else { gathered(next) })
}

/// Time until the next script, in which due times gather.
fn gathered(next: Option<Duration>) -> Option<Duration> {
    next.map(|next| next.max(GATHERING) + GATHERING.mul_f64(jitter()))
}

/// Returns true if the user has no right to the command, or the bus was stopped.
fn is_final(error: &RedisError) -> bool {
    error.reply_code() == Some("NOPERM") || error.kind == RedisErrorKind::Closed
}
