//! Renews the leases of jobs: the entry of a running job never becomes idle for `claimDeadline`, even if the host is
//! busy. One task per consumer, and none without jobs.
//!
//! A lease that was not renewed in time has lapsed, and another consumer can own the entry. It is renewed only if no
//! consumer claimed the entry since: XCLAIM gets that time as the minimum idle time.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;
use crate::redis_io::world::map::HashSet;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::{ConsumerState, DelayedRetry};
use crate::engine::host::job_token::JobToken;

/// Minimum time without a renewal after which a waiting entry does not start before its next renewal. Shorter leases
/// cannot be renewed in time on a busy machine.
const MIN_TRUSTED_LEASE: Duration = Duration::from_secs(1);
/// Number of renewals within the time of a lease.
const RENEWALS_PER_LEASE: u32 = 3;
/// Minimum time between two renewals.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_millis(10);
/// Maximum time that other consumers get to renew their leases after a lost connection is back. With the default
/// `retryStrategy` they are back within two seconds.
const MAX_GRACE: Duration = Duration::from_secs(3);

/// Arguments that renewals in one command share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RenewalKey {
    stream: u32,
    /// Minimum idle time of the entries, in ms.
    min_idle: u64,
    /// Idle time to set, in ms.
    idle: u64,
}

/// Due leases, with the jobs of running ones.
type Due = BTreeMap<RenewalKey, Vec<(EntryId, Option<JobToken>)>>;

/// Renewal that was sent.
struct Renewal {
    key: RenewalKey,
    entries: Vec<(EntryId, Option<JobToken>)>,
    at: Instant,
}

impl Consumer {
    /// Starts the task that renews leases, if there is a lease and no task.
    pub(crate) fn start_leasing(&self, state: &mut ConsumerState) {
        if state.leasing || !state.has_leases() {
            return;
        }
        state.leasing = true;
        let reconnects = self.node_set.reconnects().watch();
        let renewing = renew(self.this.clone(), self.lease_interval(), self.ended.clone(), reconnects);
        self.node_set.context().tasks.spawn(renewing);
    }

    pub(crate) fn lease_interval(&self) -> Duration {
        (self.options.claim_deadline / RENEWALS_PER_LEASE).max(MIN_RENEWAL_INTERVAL)
    }

    /// Returns the minimum idle time in ms for a command on an entry that this consumer renewed at `touched`. A
    /// lapsed lease requires that no other consumer claimed the entry since.
    pub(crate) fn min_idle(&self, touched: Instant) -> u64 {
        let deadline = self.options.claim_deadline;
        if touched.elapsed() > deadline && !planted("lapsed lease counts") {
            deadline.as_millis() as u64
        } else {
            0
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
            // After a lost connection another consumer can own the entries.
            commands.send_once();
            state.lanes[lane].renewals += 1;
            self.shared(lane).submit(&mut commands);
            let (this, renewal) = (self.this.clone(), Renewal { key, entries, at });
            self.node_set.context().tasks.spawn(async move {
                let ids = receiver.await.map_or(None, |reply| read_ids(reply.ok()?));
                if let Some(consumer) = this.upgrade() {
                    consumer.renewed(lane, &renewal, ids);
                }
            });
        }
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
        for waiting in &state.buffered {
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

    /// Handles the reply to a renewal: the ids that were renewed, or `None` if it was not sent.
    fn renewed(&self, lane: usize, renewal: &Renewal, ids: Option<HashSet<EntryId>>) {
        let Renewal { key, entries, at } = renewal;
        let mut state = self.lock();
        state.lanes[lane].renewals -= 1;
        let Some(ids) = ids else { return };
        for (_, token) in entries.iter().filter(|(entry, _)| ids.contains(entry)) {
            if let Some(token) = *token {
                state.jobs.touch(token, *at);
            }
        }
        let of_stream = state.buffered.iter_mut().filter(|one| one.stream == key.stream);
        of_stream.filter(|one| ids.contains(&one.entry)).for_each(|one| one.touched = *at);
        if key.min_idle > 0 {
            // Another consumer has claimed the others, unless their last renewal took long. The history shows it.
            let asked: HashSet<EntryId> = entries.iter().map(|(entry, _)| *entry).collect();
            let is_lost = |id: &EntryId| asked.contains(id) && !ids.contains(id);
            drop(state.leave_waiting(|one| one.stream == key.stream && is_lost(&one.entry)));
        }
        state.delayed_retries.retain_mut(|retry| {
            let is_renewed = retry.stream == key.stream && ids.contains(&retry.entry);
            if is_renewed {
                retry.touched = *at;
            }
            // The rest of the delay is shorter than the idle time of a claim.
            !is_renewed || key.idle == 0
        });
        let waits_for_renewals = self.options.read_ahead > 0 || !state.limits.is_empty();
        state.limits.is_due |= !state.limits.is_empty();
        drop(state);
        if waits_for_renewals {
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
        self.jobs.in_use() || !self.buffered.is_empty() || !self.delayed_retries.is_empty()
    }
}

fn read_ids(reply: Value) -> Option<HashSet<EntryId>> {
    let Value::Array(ids) = reply else { return None };
    let id = |id: &Value| match id {
        Value::Bulk(id) => EntryId::parse(id),
        _ => None,
    };
    Some(ids.iter().filter_map(id).collect())
}

/// Renews leases in intervals, and at once after a reconnect. The task holds the consumer during a renewal only.
async fn renew(
    consumer: Weak<Consumer>,
    interval: Duration,
    ended: Arc<Notify>,
    mut reconnects: watch::Receiver<Option<Instant>>,
) {
    loop {
        tokio::select! {
            biased;
            () = ended.notified() => {}
            // The bus of a live consumer keeps the sender.
            _ = reconnects.changed() => {}
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
