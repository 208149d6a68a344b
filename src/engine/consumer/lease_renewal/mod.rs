//! Renews the leases of jobs: the entry of a running job never becomes idle for `claimDeadline`, even if the host is
//! busy. One task per consumer, and none without jobs.
//!
//! A lease counts from the time at which its command was submitted, or a late read at most. One that was not renewed in time
//! has lapsed, and another consumer can own the entry. It is renewed only if no consumer claimed the entry since: XCLAIM
//! gets `claimDeadline` as the minimum idle time.
//!
//! A command on an entry must not take it from a new owner even if it arrives late. `docs/architecture.md` lists the claims
//! with the reason for each. Most rest on two rules:
//!
//! - The minimum idle time is most of the time since the last renewal, see [`Consumer::min_idle`]. A new owner has claimed the
//!   entry since, so it is idle for less there, unless the command is on its way for about `claimDeadline`.
//! - The command expires, see [`crate::redis_io::command::CommandMeta::expires`]: it leaves at once or fails, and a later attempt
//!   gets a minimum idle time of its own.
//!
//! The clock of Redis can be set back, so that the entry is idle for less than that. [`missed`] looks such entries up.

mod missed;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;
use crate::redis_io::world::map::HashSet;
use crate::redis_io::world::watch;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::{ConsumerState, DelayedRetry};
use crate::engine::host::job_token::JobToken;

/// Minimum time without a renewal after which a waiting entry does not start before its next renewal. Shorter leases
/// cannot be renewed in time on a busy machine.
const MIN_TRUSTED_LEASE: Duration = Duration::from_secs(1);
/// Number of renewals within the time of a lease.
const RENEWALS_PER_LEASE: u32 = 3;
/// Number of minimum idle times below that of a lapsed lease. Renewals with the same one share a command.
const MIN_IDLE_STEPS: u32 = 64;
/// Delay of the next renewal after one that Redis could not serve.
const RENEWAL_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Minimum time between two renewals.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_millis(10);
/// Maximum time that other consumers get to renew their leases after a lost connection is back. With the default
/// `retryStrategy` they are back within two seconds.
const MAX_GRACE: Duration = Duration::from_secs(3);

/// Arguments that renewals in one command share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RenewalKey {
    pub(crate) stream: u32,
    /// Minimum idle time of the entries, in ms.
    pub(crate) min_idle: u64,
    /// Idle time to set, in ms.
    pub(crate) idle: u64,
}

/// Due leases, with the jobs of running ones.
type Due = BTreeMap<RenewalKey, Vec<(EntryId, Option<JobToken>)>>;

/// Renewal that was sent.
pub(crate) struct Renewal {
    pub(crate) key: RenewalKey,
    pub(crate) entries: Vec<(EntryId, Option<JobToken>)>,
    at: Instant,
}

/// Entries of a renewal, as far as Redis has answered.
#[derive(Default)]
pub(crate) struct RenewalResult {
    /// Entries that were renewed.
    pub(crate) renewed: HashSet<EntryId>,
    /// Entries that this consumer has lost: they are not pending for it.
    pub(crate) lost: HashSet<EntryId>,
    /// Entries whose owner Redis does not tell this consumer, and that it can have lost.
    pub(crate) hidden: HashSet<EntryId>,
}

impl Consumer {
    /// Starts the task that renews leases, if there is a lease and no task.
    pub(crate) fn start_leasing(&self, state: &mut ConsumerState) {
        if state.leasing || !state.has_leases() {
            return;
        }
        state.leasing = true;
        let reconnects = self.node_set.reconnects().watch();
        let wakeups = (self.ended.clone(), self.renewal_due.clone());
        let renewing = renew(self.this.clone(), self.lease_interval(), wakeups, reconnects);
        self.node_set.context().tasks.spawn(renewing);
    }

    pub(crate) fn lease_interval(&self) -> Duration {
        (self.options.claim_deadline / RENEWALS_PER_LEASE).max(MIN_RENEWAL_INTERVAL)
    }

    /// Returns the minimum idle time in ms for a command on an entry that this consumer renewed at `touched`. A
    /// lapsed lease requires that no other consumer claimed the entry since. For the others it is a part of the time since
    /// `touched`, so that a command that arrives late takes nothing from a new owner.
    pub(crate) fn min_idle(&self, touched: Instant) -> u64 {
        match planted("lapsed lease counts") {
            true => 0,
            false => min_idle(touched.elapsed(), self.options.claim_deadline),
        }
    }

    /// Returns true if the entry belongs to this consumer. An entry whose lease has lapsed is claimable already, or
    /// belongs to another consumer.
    pub(crate) fn holds_lease(&self, touched: Instant) -> bool {
        touched.elapsed() <= self.options.claim_deadline
    }

    /// As [`Consumer::min_idle`], for a command that nothing repeats if the entry is idle for less: 0 until the lease has lapsed.
    /// It must expire, so that it reaches Redis before other consumers can claim the entry.
    pub(crate) fn min_idle_after_lapse(&self, touched: Instant) -> u64 {
        match self.holds_lease(touched) {
            true => 0,
            false => self.min_idle(touched),
        }
    }

    /// Returns the time for which nothing must be claimed, since other consumers are about to renew their leases.
    pub(crate) fn reconnect_grace(&self) -> Option<Duration> {
        if planted("no grace after a reconnection") {
            return None;
        }
        let grace = self.options.claim_deadline.min(MAX_GRACE);
        grace.checked_sub(self.node_set.reconnects().since_last()?).filter(|left| !left.is_zero())
    }

    /// Renews due leases on lanes that are ready and have no renewal under way. The commands leave under the lock of
    /// the state, so that every later command for an entry, such as its delay after a rejection, comes behind them.
    fn renew_leases(&self) {
        if planted("no lease renewal") {
            return;
        }
        let mut state = self.lock();
        let at = Instant::now();
        let is_ready: Vec<bool> = (0..state.lanes.len())
            .map(|lane| state.lanes[lane].renewals == 0 && self.is_ready(lane))
            .collect();
        for (key, entries) in self.due(&mut state, at) {
            let stream = &state.streams[key.stream as usize];
            let (lane, stream_key) = (stream.lane, stream.key.clone());
            if !is_ready[lane] {
                // The next round tries it again.
                continue;
            }
            let (sender, receiver) = oneshot::channel();
            let mut commands = Commands::default();
            let names = (stream_key.as_str(), self.group.as_str(), self.options.id.as_str());
            let (ids, claim) = (entries.iter().map(|(id, _)| id), Claim::Touch { idle: key.idle });
            pack_claim(&mut commands, names, key.min_idle, ids, claim, Destination::Task(sender));
            // Later another consumer can own the entries.
            commands.all_expire();
            state.lanes[lane].renewals += 1;
            self.shared(lane).submit(&mut commands);
            let (this, renewal) = (self.this.clone(), Renewal { key, entries, at });
            self.node_set.context().tasks.spawn(async move {
                let reply = receiver.await.unwrap_or_else(|_| Err(RedisError::closed()));
                let Some(consumer) = this.upgrade() else { return };
                let result = match reply {
                    Ok(reply) => {
                        Some(consumer.renew_missed(lane, &renewal, read_ids(reply).unwrap_or_default()).await)
                    }
                    Err(error) if is_for_now(&error) => {
                        consumer.renewal_due.notify_one();
                        None
                    }
                    Err(error) => error.reply_code().map(|_| consumer.refused(&renewal)),
                };
                consumer.renewed(lane, &renewal, result);
            });
        }
    }

    /// Returns the result of a renewal that Redis refuses for good, as to a user without the right to XCLAIM. The waiting
    /// entries whose leases have lapsed leave, since a read of the history shows whether they belong to this consumer.
    fn refused(&self, renewal: &Renewal) -> RenewalResult {
        let mut result = RenewalResult::default();
        if self.may_be_taken(renewal) {
            let waiting = renewal.entries.iter().filter(|(_, token)| token.is_none());
            result.hidden.extend(waiting.map(|(id, _)| *id));
        }
        result
    }

    /// Returns true if the leases of a renewal have lapsed, so that another consumer can have claimed its entries.
    fn may_be_taken(&self, renewal: &Renewal) -> bool {
        renewal.key.min_idle >= self.options.claim_deadline.as_millis() as u64
    }

    /// Returns true if an entry must not start before its next renewal shows its owner, and wakes that renewal.
    pub(crate) fn awaits_renewal(&self, touched: Instant, now: Instant) -> bool {
        let is_held = now.saturating_duration_since(touched) <= self.trusted_lease();
        let is_late = !is_held && !planted("entry of a late reply starts");
        if is_late {
            self.renewal_due.notify_one();
        }
        is_late
    }

    /// Maximum time since the last renewal of a waiting entry that starts.
    pub(crate) fn trusted_lease(&self) -> Duration {
        self.options.claim_deadline.max(MIN_TRUSTED_LEASE)
    }

    /// Returns true if commands on the shared connection of a lane leave at once.
    pub(crate) fn is_ready(&self, lane: usize) -> bool {
        self.shared(lane).current().is_some_and(|link| link.state() == LinkState::Ready)
    }

    /// Returns the leases that are due.
    fn due(&self, state: &mut ConsumerState, now: Instant) -> Due {
        let least = self.lease_interval() / 2;
        let mut due = Due::new();
        let ordered = state.streams.iter().filter(|_| state.is_ordered);
        let owned: Vec<Option<bool>> = ordered
            .map(|stream| stream.ownership.as_ref())
            .map(|ownership| ownership.map(|ownership| ownership.is_valid(now)))
            .collect();
        let mut add = |stream: u32, entry, token, touched, idle| {
            // The entries of a lost partition belong to its owner.
            let owned = owned.get(stream as usize).copied().flatten();
            if owned != Some(false) && now.saturating_duration_since(touched) >= least {
                // Nobody else claims the entries of an owned partition, which must keep their places.
                let min_idle = if owned == Some(true) { 0 } else { self.min_idle(touched) };
                let key = RenewalKey { stream, min_idle, idle };
                due.entry(key).or_default().push((entry, token));
            }
        };
        for (token, slot) in state.jobs.running_jobs() {
            add(slot.stream, slot.entry, Some(token), slot.touched(), 0);
        }
        for token in state.retry_queue.unacknowledged() {
            let Some(slot) = state.jobs.job(token) else { continue };
            add(slot.stream, slot.entry, Some(token), slot.touched(), 0);
        }
        for waiting in state.buffered_entries() {
            add(waiting.stream, waiting.entry, None, waiting.touched, 0);
        }
        let mut delayed = std::mem::take(&mut state.delayed_retries);
        // An entry in flight, or due, needs no delay.
        delayed.retain(|retry| retry.due > now && !state.holds(retry.stream, retry.entry));
        for retry in &delayed {
            add(retry.stream, retry.entry, None, retry.touched, self.idle_until(retry.due));
        }
        state.delayed_retries = delayed;
        due
    }

    /// Handles the reply to a renewal, or `None` if it was not sent.
    fn renewed(&self, lane: usize, renewal: &Renewal, result: Option<RenewalResult>) {
        let Renewal { key, entries, at } = renewal;
        let mut state = self.lock();
        state.lanes[lane].renewals -= 1;
        let Some(RenewalResult { renewed: ids, lost, hidden }) = result else { return };
        let has_waiting = state.buffered_count() > 0;
        for (_, token) in entries.iter().filter(|(entry, _)| ids.contains(entry)) {
            if let Some(token) = *token {
                state.jobs.touch(token, *at);
            }
        }
        let may_be_taken = self.may_be_taken(renewal);
        for one in state.buffered_of_stream_mut(key.stream).filter(|one| ids.contains(&one.entry)) {
            one.touched = *at;
            if may_be_taken && !one.is_uncounted {
                // Another consumer can have run it meanwhile, so that Redis has counted more deliveries.
                one.deliveries = 0;
            }
        }
        // Entries that waited when the command left can run now.
        for token in state.jobs.running_of(key.stream, &ids) {
            state.jobs.touch(token, *at);
        }
        for (left, is_hidden) in [(&lost, false), (&hidden, true)] {
            if left.is_empty() {
                continue;
            }
            // From now on only an entry that is idle at its new owner comes back.
            let lapsed = at.checked_sub(self.options.claim_deadline + Duration::from_millis(1));
            let known = entries.iter().filter(|(id, _)| left.contains(id)).filter_map(|(_, token)| *token);
            for token in state.jobs.running_of(key.stream, left).into_iter().chain(known) {
                state.jobs.touch(token, lapsed.unwrap_or(*at));
            }
            let is_left = |one: &BufferedEntry| one.stream == key.stream && left.contains(&one.entry);
            if is_hidden {
                // Only a read of the history finds the owner of a hidden one.
                drop(state.leave_waiting(is_left));
                continue;
            }
            for one in state.drop_waiting(is_left) {
                state.end_turn_of(one.stream, one.entry);
            }
        }
        state.delayed_retries.retain_mut(|retry| {
            let is_renewed = retry.stream == key.stream && ids.contains(&retry.entry);
            if is_renewed {
                retry.touched = *at;
            }
            // The rest of the delay is shorter than the idle time of a claim.
            !is_renewed || key.idle == 0
        });
        state.limits.note_change();
        drop(state);
        if has_waiting {
            // Entries without a lease waited for this reply.
            (self.after_renewal)(self, lane);
        }
    }

    /// Keeps the entry of a rejected job from being claimed before it is due, if that is later than `claimDeadline`.
    pub(crate) fn delay_claim(&self, state: &mut ConsumerState, retry: DelayedRetry) {
        if retry.due.saturating_duration_since(Instant::now()) > self.options.claim_deadline {
            state.delayed_retries.push(retry);
            self.start_leasing(state);
        }
    }

    /// Returns the idle time in ms to set on an entry, so that it is claimed at `due`.
    pub(crate) fn idle_until(&self, due: Instant) -> u64 {
        let left = due.saturating_duration_since(Instant::now());
        self.options.claim_deadline.saturating_sub(left).as_millis() as u64
    }
}

impl ConsumerState {
    fn has_leases(&self) -> bool {
        self.jobs.in_use() || self.buffered_count() > 0 || !self.delayed_retries.is_empty()
    }
}

/// Returns the minimum idle time in ms for an entry whose lease was renewed `age` ago. The rest of the age covers differences
/// between the ways of two commands.
fn min_idle(age: Duration, deadline: Duration) -> u64 {
    if age > deadline {
        return deadline.as_millis() as u64;
    }
    let step = (deadline / MIN_IDLE_STEPS).max(Duration::from_millis(1)).as_micros();
    let steps = (age - age / 8).as_micros() / step;
    (steps * step / 1_000) as u64
}

/// Returns true if a later attempt can succeed.
pub(crate) fn is_for_now(error: &RedisError) -> bool {
    error.is_passing() || error.kind == RedisErrorKind::Dropped
}

/// Reads the ids in the reply to XCLAIM with JUSTID.
pub(crate) fn read_ids(reply: Value) -> Option<HashSet<EntryId>> {
    let Value::Array(ids) = reply else { return None };
    let id = |id: &Value| match id {
        Value::Bulk(id) => EntryId::parse(id),
        _ => None,
    };
    Some(ids.iter().filter_map(id).collect())
}

/// Renews leases in intervals, at once after a reconnect, and soon after a refusal or a late reply. The task holds the consumer
/// during a renewal only.
async fn renew(
    consumer: Weak<Consumer>,
    interval: Duration,
    (ended, due): (Arc<Notify>, Arc<Notify>),
    mut reconnects: watch::Receiver<Option<Instant>>,
) {
    loop {
        tokio::select! {
            biased;
            () = ended.notified() => {}
            // The bus of a live consumer keeps the sender.
            _ = reconnects.changed() => {}
            () = due.notified() => tokio::time::sleep(RENEWAL_RETRY_DELAY.min(interval)).await,
            () = tokio::time::sleep(interval) => {}
        }
        let Some(consumer) = consumer.upgrade() else { return };
        {
            let mut state = consumer.lock();
            if !state.has_leases() || state.disconnected {
                state.leasing = false;
                return;
            }
        }
        consumer.renew_leases();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_idle_time_grows_in_steps_with_the_age_of_a_lease_until_it_has_lapsed() {
        let ms = Duration::from_millis;
        let found: Vec<u64> =
            [0, 114, 115, 800, 6_400, 6_401, 9_000].map(|age| min_idle(ms(age), ms(6_400))).into();
        assert_eq!(found, [0, 0, 100, 700, 5_600, 6_400, 6_400]);
        assert_eq!(min_idle(ms(8), ms(10)), 7, "a step is 1 ms at least");
        assert_eq!((min_idle(ms(0), ms(0)), min_idle(ms(1), ms(0))), (0, 0));
    }

    #[test]
    fn a_late_command_takes_nothing_from_a_new_owner() {
        let deadline = 6_400;
        for age in 0..=deadline {
            let min_idle = min_idle(Duration::from_millis(age), Duration::from_millis(deadline));
            // The new owner has claimed the entry as soon as it could, and has not renewed its lease.
            let arrives = age + deadline / 4 * 3;
            let idle_at_new_owner = arrives.saturating_sub(deadline);
            assert!(min_idle <= age, "a lease that holds is renewed");
            assert!(arrives < deadline || idle_at_new_owner <= min_idle, "{age}");
        }
    }
}
