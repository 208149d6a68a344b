//! Leases of partitions in Redis, by plain commands of Redis 5.
//!
//! A lease is a set with an expiry, whose one member is the owner.
//!
//! - Acquisition prepares such a set under a name of its own, and renames it if no lease exists (RENAMENX). INCR of a counter
//!   beside it gives the fencing number. A counter that does not exist begins with the time of Redis in ms, so the numbers grow
//!   although it expires: there are fewer acquisitions than milliseconds.
//! - Renewal extends the expiry, and then asks for the owner. An owner that has lost its lease extends another one's once.
//! - A partition that moves is left after the reply to such a renewal. A lease that a clock set forward has ended is lost then, and
//!   a hand-back would undo the deliveries of the next owner.
//! - Release removes its own name (SREM), which cannot remove another owner.
//!
//! Each command is sent once only: after a lost connection the lease can belong to another consumer.

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::ownership::takeover::take_over;
use crate::engine::consumer::state::Phase;
use crate::engine::consumer::state::ownership::OwnershipPhase;
use crate::engine::runtime::join::join_all;

/// Part of a lease after which a step without a reply is given up.
const PATIENCE: u32 = 2;

/// Time for which a counter of fencing numbers stays after the last acquisition, in ms. Redis' clock can be set back by less
/// than that.
const FENCE_KEPT: u64 = 24 * 60 * 60 * 1_000;

/// Step of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseStep {
    /// Takes a free lease.
    Acquire,
    /// Extends it.
    Renew,
    /// Extends it, and leaves the partition if this consumer is still its owner.
    Leave,
    /// Frees it.
    Release,
}

type Answer = oneshot::Receiver<Result<Value, RedisError>>;

/// A step that was sent, with its last replies.
struct SentStep {
    at: usize,
    step: LeaseStep,
    answers: Vec<Answer>,
}

impl Consumer {
    /// Runs steps, in one write to each node, and notes their results, of which none is waited for after `until`. `now` is the time
    /// of Redis in ms, for acquisitions. Returns the first refusal of Redis.
    pub(crate) async fn run_lease_steps(
        &self,
        steps: Vec<(usize, LeaseStep)>,
        now: u64,
        until: Instant,
    ) -> Option<RedisError> {
        if steps.is_empty() || self.has_disconnected() {
            return None;
        }
        let (began, mut deadline) = (Instant::now(), Instant::now());
        let mut writes: Vec<Commands> = self.node_set.nodes().iter().map(|_| Commands::default()).collect();
        let mut sent = Vec::with_capacity(steps.len());
        for (at, step) in steps {
            let (node, name, lease) = {
                let state = self.lock();
                let stream = &state.streams[at];
                let Some(ownership) = &stream.ownership else { continue };
                (stream.node, stream.options.name.clone(), ownership.lease)
            };
            deadline = deadline.max(began + lease / PATIENCE);
            let keys = self.node_set.nodes()[node].keys();
            let key = keys.owner(&name, &self.options.group);
            let fence = keys.fence(&name, &self.options.group);
            let commands = &mut writes[node];
            let answers = self.pack_step(commands, step, (&key, &fence), (lease.as_millis() as u64, now));
            sent.push(SentStep { at, step, answers });
        }
        for (node, mut commands) in self.node_set.nodes().iter().zip(writes) {
            node.shared().submit(&mut commands);
        }
        let deadline = deadline.min(until);
        // A node that does not answer must not delay the results of the other nodes.
        let ends = sent.into_iter().map(async |SentStep { at, step, answers }| {
            let mut refusal = None;
            let mut values = Vec::with_capacity(answers.len());
            for answer in answers {
                let reply = timeout_at(deadline, answer).await.ok().and_then(Result::ok);
                if let Some(Err(error)) = &reply
                    && is_refusal(error)
                {
                    refusal.get_or_insert_with(|| error.clone());
                }
                values.push(reply.and_then(Result::ok));
            }
            self.end_step(at, step, began, &values);
            refusal
        });
        join_all(ends).await.into_iter().flatten().next()
    }

    fn pack_step(
        &self,
        commands: &mut Commands,
        step: LeaseStep,
        (key, fence): (&str, &str),
        (lease, now): (u64, u64),
    ) -> Vec<Answer> {
        let id = self.options.id.as_bytes();
        let mut answers = Vec::new();
        let mut asked = || {
            let (sender, receiver) = oneshot::channel();
            answers.push(receiver);
            Destination::Task(sender)
        };
        match step {
            LeaseStep::Acquire => {
                let own = format!("{key}:{}", self.options.id);
                commands.begin("SADD", 3).key(own.as_bytes()).arg(id).end_once(asked());
                commands.begin("PEXPIRE", 3).key(own.as_bytes()).arg_number(lease).end_once(asked());
                // A counter about to expire is kept first, so none expires between these commands.
                commands.begin("PEXPIRE", 3).key(fence.as_bytes()).arg_number(FENCE_KEPT);
                commands.end_once(Destination::Nowhere);
                commands.begin("SET", 6).key(fence.as_bytes()).arg_number(now);
                commands.arg(b"NX").arg(b"PX").arg_number(FENCE_KEPT).end_once(asked());
                commands.begin("RENAMENX", 3).key(own.as_bytes()).arg(key.as_bytes()).end_once(asked());
                commands.begin("INCR", 2).key(fence.as_bytes()).end_once(asked());
            }
            LeaseStep::Renew if planted("partition lease is not renewed") => {}
            LeaseStep::Renew | LeaseStep::Leave => {
                commands.begin("PEXPIRE", 3).key(key.as_bytes()).arg_number(lease).end_once(asked());
                commands.begin("SISMEMBER", 3).key(key.as_bytes()).arg(id).end_once(asked());
            }
            LeaseStep::Release => {
                commands.begin("SREM", 3).key(key.as_bytes()).arg(id).end_once(asked());
            }
        }
        answers
    }

    /// Notes the result of a step that was sent at `began`. Without a reply the lease lapses by itself.
    fn end_step(&self, at: usize, step: LeaseStep, began: Instant, values: &[Option<Value>]) {
        let mut state = self.lock();
        let Some(ownership) = &mut state.streams[at].ownership else { return };
        let (phase, lease) = (ownership.phase, ownership.lease);
        match (step, values) {
            (LeaseStep::Acquire, [_, expiry, seed, Some(Value::Integer(1)), _])
                if phase == OwnershipPhase::Vacant
                    && (*expiry != Some(Value::Integer(1)) || seed.is_none()) =>
            {
                // A lease without an expiry would never lapse, and a counter without its first number would begin again. The
                // next turn, or the stop, releases it.
                state.own(at, 0, began + lease);
                drop(state.leave(at, OwnershipPhase::Leaving));
            }
            (LeaseStep::Acquire, [_, _, _, Some(Value::Integer(1)), Some(Value::Integer(fence))])
                if phase == OwnershipPhase::Vacant && began.elapsed() < lease / PATIENCE =>
            {
                let fence = *fence as u64;
                state.own(at, fence, began + lease);
                if state.phase != Phase::Playing {
                    // A pause came meanwhile. The next turn, or the stop, releases the lease.
                    drop(state.leave(at, OwnershipPhase::Leaving));
                    return;
                }
                self.announce_ownership(&state, at, fence);
                self.node_set.context().tasks.spawn(take_over(self.this.clone(), at, fence));
            }
            (LeaseStep::Renew, []) => ownership.valid_until = began + lease,
            // A refused extension leaves the time at which the lease lapses.
            (LeaseStep::Renew, [Some(Value::Integer(1)), Some(Value::Integer(1))]) => {
                ownership.valid_until = began + lease;
            }
            (LeaseStep::Renew | LeaseStep::Leave, [_, Some(Value::Integer(0))])
                if phase != OwnershipPhase::Vacant =>
            {
                self.lose(&mut state, at)
            }
            (LeaseStep::Leave, [expiry, Some(Value::Integer(1))]) if ownership.is_taken() => {
                if *expiry == Some(Value::Integer(1)) {
                    ownership.valid_until = began + lease;
                }
                let left = state.leave(at, OwnershipPhase::Leaving);
                self.hand_back_left(&state, &left);
                self.end_read_of(&mut state, at);
                if state.has_drained(at) {
                    // The next turn releases it.
                    self.ownership_wakeup.notify_one();
                }
            }
            (LeaseStep::Release, _) if phase == OwnershipPhase::Leaving => {
                ownership.phase = OwnershipPhase::Vacant;
                self.announce_ownership(&state, at, 0);
            }
            _ => {}
        }
    }
}

/// Returns true if Redis refuses a command, also after a redirect or a while.
fn is_refusal(error: &RedisError) -> bool {
    error.reply_code().is_some() && (!error.is_passing() || error.is_unfit())
}
