//! Watches of delayed sends: a task for each stream whose delayed sends this process knows of.
//!
//! A script adds the entries that are due, so any number of processes can watch a stream. A process that sends with a delay
//! watches until nothing is left. A consumer that plays watches its streams too, so delayed sends survive their sender.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::redis_io::error::{RedisError, RedisErrorKind};

use crate::engine::nodes::node_set::NodeSet;
use crate::engine::nodes::schedule_watches::{Place, ScheduleUser, Step, Watch};
use crate::engine::protocol::schedule::{MOST_RELEASED, Released, ScheduleKeys};
use crate::engine::runtime::backoff::{Backoff, jitter};

/// Time after the start of a consumer until its first check, so that short programs send none.
const FIRST_CHECK: Duration = Duration::from_millis(200);
/// Minimum time between two scripts, in which due times gather.
const GATHERING: Duration = Duration::from_millis(10);

impl NodeSet {
    /// Watches a stream until the send that is due after `delay`, and all others, have their entries.
    pub(crate) fn expect_delayed(self: &Arc<Self>, node: usize, stream: &str, delay: Duration) {
        let due = Instant::now() + delay;
        self.watch(node, stream, |watch| {
            let is_earlier = watch.due.is_none_or(|known| due < known);
            if is_earlier {
                watch.due = Some(due);
            }
            is_earlier
        });
    }

    /// Watches a stream while `user` is active.
    pub(crate) fn follow_delayed(self: &Arc<Self>, node: usize, stream: &str, user: Weak<dyn ScheduleUser>) {
        let check = Instant::now() + FIRST_CHECK.mul_f64(1.0 + jitter());
        self.watch(node, stream, |watch| {
            watch.users.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&user));
            watch.users.push(user);
            watch.check = Some(check);
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
        let step = strong.schedules().step(&place, strong.is_closing());
        let until = match step {
            Step::End => return,
            Step::Wait(until) => until,
            Step::Check | Step::Release => {
                let answer = ask(&strong, &place, matches!(step, Step::Check)).await;
                if is_final(&answer) {
                    return strong.schedules().forget(&place);
                }
                let due = match answer {
                    Ok(next) => {
                        backoff = Backoff::default();
                        next.map(|next| Instant::now() + next)
                    }
                    Err(_) => Some(Instant::now() + backoff.next_wait()),
                };
                strong.schedules().note(&place, due);
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

/// Adds the entries that are due, or asks whether there are delayed sends. Returns the time until the next script.
async fn ask(node_set: &NodeSet, place: &Place, is_check: bool) -> Result<Option<Duration>, RedisError> {
    let (node, stream) = place;
    let keys = node_set.schedule_keys(*node, stream);
    let shared = node_set.nodes()[*node].shared();
    if is_check {
        return match shared.call(|commands, to| keys.pack_probe(commands, to)).await {
            Err(error) if error.reply_code() == Some("WRONGTYPE") => Ok(Some(Duration::ZERO)),
            answer => answer.map(|_| None),
        };
    }
    let reply = shared.call(|commands, to| keys.pack_release(commands, to)).await?;
    let Some(Released { count, next }) = Released::read(&reply) else { return Ok(None) };
    Ok(match count {
        MOST_RELEASED => Some(Duration::ZERO),
        _ => next.map(|next| next.max(GATHERING) + GATHERING.mul_f64(jitter())),
    })
}

/// Returns true if the user has no right to the commands, or the bus was stopped.
fn is_final(answer: &Result<Option<Duration>, RedisError>) -> bool {
    answer
        .as_ref()
        .is_err_and(|error| error.reply_code() == Some("NOPERM") || error.kind == RedisErrorKind::Closed)
}
