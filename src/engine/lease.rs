//! Renews the leases of jobs: while a job runs, its entry is never idle for so long that somebody else claims it, even
//! if the host is busy and says nothing. One task per consumer, and none without jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::redis_io::codec::Value;
use crate::redis_io::entries::EntryId;
use crate::redis_io::link::LinkState;
use crate::redis_io::streams::{Claim, pack_claim};

use super::consumer::Consumer;
use super::consumer_state::{ConsumerState, Parked};
use super::slots::Token;

/// A lease is renewed so often within the time for which it is good.
const RENEWALS: u32 = 3;
/// The shortest time between two renewals.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Entries of one stream whose lease is to be renewed, and for how long they are then said to have been idle.
type Touches = BTreeMap<(u32, u64), Vec<(EntryId, Option<Token>)>>;

impl Consumer {
    /// Renews leases from now on, as long as there are any.
    pub(super) fn start_leasing(&self, state: &mut ConsumerState) {
        if state.leasing || !state.has_leases() {
            return;
        }
        state.leasing = true;
        self.bus.context().runtime.spawn(renew(self.this.clone(), self.lease_interval(), self.ended.clone()));
    }

    pub(super) fn lease_interval(&self) -> Duration {
        (self.options.claim_deadline / RENEWALS).max(SHORTEST_INTERVAL)
    }

    /// What is due. A job whose lease has run out may be somebody else's by now, and is not taken back.
    fn due_touches(&self, state: &mut ConsumerState, now: Instant) -> Touches {
        let deadline = self.options.claim_deadline;
        let due = self.lease_interval() / 2..=deadline;
        let mut touches = Touches::new();
        for (token, slot) in state.slots.touched_before(now, due.clone()) {
            touches.entry((slot.stream, 0)).or_default().push((slot.entry, Some(token)));
        }
        for token in state.retelling.unacknowledged() {
            let Some(slot) = state.slots.job(token) else { continue };
            if due.contains(&now.saturating_duration_since(slot.touched())) {
                touches.entry((slot.stream, 0)).or_default().push((slot.entry, Some(token)));
            }
        }
        for waiting in state.surplus.iter_mut() {
            if due.contains(&now.saturating_duration_since(waiting.touched)) {
                waiting.touched = now;
                touches.entry((waiting.stream, 0)).or_default().push((waiting.entry, None));
            }
        }
        state.parked.retain(|parked| {
            let left = parked.due.saturating_duration_since(now);
            touches
                .entry((parked.stream, self.idle_until(parked.due)))
                .or_default()
                .push((parked.entry, None));
            // With that long to go it is due by itself.
            left > deadline
        });
        touches
    }

    async fn touch(&self, stream: u32, idle: u64, entries: &[(EntryId, Option<Token>)]) {
        let at = Instant::now();
        let (lane, key) = {
            let state = self.lock();
            let stream = &state.streams[stream as usize];
            (stream.lane, stream.key.clone())
        };
        if self.shared(lane).current().is_none_or(|link| link.state() != LinkState::Ready) {
            return;
        }
        let names = (key.as_str(), self.group.as_str(), self.options.id.as_str());
        let touched = self.ask(lane, |commands, to| {
            let ids = entries.iter().map(|(id, _)| id);
            pack_claim(commands, names, 0, ids, Claim::Touch { idle }, to);
            // When the connection is there again, the entries may be somebody else's.
            commands.send_once();
        });
        // What could not be renewed is tried again the next time, until its lease has run out.
        let Ok(Value::Array(_)) = touched.await else { return };
        let mut state = self.lock();
        for token in entries.iter().filter_map(|(_, token)| *token) {
            state.slots.touch(token, at);
        }
    }

    /// A rejected job is due again at `due`. If that is later than entries may lie idle, its entry is kept from being
    /// claimed until then.
    pub(super) fn park(&self, state: &mut ConsumerState, stream: u32, entry: EntryId, due: Instant) {
        if due.saturating_duration_since(Instant::now()) > self.options.claim_deadline {
            state.parked.push(Parked { stream, entry, due });
            self.start_leasing(state);
        }
    }

    /// How long an entry is to be said to have been idle, so that it is claimed at `due`.
    pub(super) fn idle_until(&self, due: Instant) -> u64 {
        let left = due.saturating_duration_since(Instant::now());
        self.options.claim_deadline.saturating_sub(left).as_millis() as u64
    }
}

impl ConsumerState {
    fn has_leases(&self) -> bool {
        self.slots.in_use() || !self.surplus.is_empty() || !self.parked.is_empty()
    }
}

async fn renew(consumer: Weak<Consumer>, interval: Duration, ended: Arc<Notify>) {
    loop {
        tokio::select! {
            biased;
            () = ended.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
        let Some(consumer) = consumer.upgrade() else { return };
        let touches = {
            let mut state = consumer.lock();
            if !state.has_leases() || state.cut_off {
                state.leasing = false;
                return;
            }
            consumer.due_touches(&mut state, Instant::now())
        };
        for ((stream, idle), entries) in touches {
            consumer.touch(stream, idle, &entries).await;
        }
    }
}
