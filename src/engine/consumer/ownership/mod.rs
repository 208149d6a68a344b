//! Ownership of ordered partitions: each has one owner in the fleet at a time.
//!
//! A task of the engine, which busy JavaScript does not delay, works in turns of a quarter of the lease. Each turn announces
//! this consumer to its group, and renews the leases it has. A partition belongs to the consumer that rendezvous hashing
//! chooses among the announced ones. The owner of another one's partition drains and releases it, and the chosen consumer
//! takes it over once the lease is free.

pub mod lease;
pub mod membership;
pub mod takeover;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::engine::consumer::Consumer;
use crate::engine::consumer::ownership::lease::LeaseStep;
use crate::engine::consumer::ownership::membership::{Members, rendezvous};
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::Phase;
use crate::engine::consumer::state::ownership::OwnershipPhase;
use crate::engine::host::{Event, Failure};
use crate::engine::runtime::join::join_all;
use crate::redis_io::error::RedisError;

/// Number of turns within the time of a lease.
const TURNS_PER_LEASE: u32 = 4;
/// Part of the shortest lease after which the announcement is given up for a turn.
const PATIENCE: u32 = 2;
/// Most quarters of the shortest lease that a turn takes. A node that does not answer may cost no lease on the other nodes.
const TURN_QUARTERS: u32 = 3;
/// Part of a lease in which all consumers announce themselves again after a failure.
const RETURN: u32 = 2;
/// Minimum time between two turns.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// A partitioned stream with the indices of its partitions.
struct OrderedStream {
    lease: Duration,
    partitions: Vec<usize>,
}

impl Consumer {
    /// Starts the task, if a stream is ordered.
    pub(crate) fn start_owning(&self, state: &mut ConsumerState) {
        let lease = state.ordered().filter_map(|at| Some(state.streams[at].ownership.as_ref()?.lease)).min();
        let Some(lease) = lease else { return };
        if std::mem::replace(&mut state.owning, true) {
            return self.ownership_wakeup.notify_one();
        }
        let interval = (lease / TURNS_PER_LEASE).max(MIN_INTERVAL);
        let task = keep_owning(self.this.clone(), interval, self.ownership_wakeup.clone());
        self.node_set.context().tasks.spawn(task);
    }

    /// Releases every partition, and leaves the groups of consumers.
    pub(crate) async fn release_partitions(&self) {
        // A lease that a turn is about to get must be released too. The end of a turn is near, and later ones get none.
        let _turn = self.ownership_turn.lock().await;
        for (name, OrderedStream { lease, partitions }) in self.ordered_streams() {
            let held: Vec<usize> =
                partitions.into_iter().filter(|&at| self.phase_of(at) != OwnershipPhase::Vacant).collect();
            for &at in &held {
                let mut state = self.lock();
                let left = state.leave(at, OwnershipPhase::Leaving);
                if state.returns(at as u32) {
                    self.hand_back_left(&state, &left);
                }
            }
            // A lease that Redis does not release lapses.
            let releases = held.into_iter().map(|at| (at, LeaseStep::Release)).collect();
            self.run_lease_steps(releases, 0, Instant::now() + lease).await;
            self.retire_member(&name).await;
        }
    }

    /// One turn. Returns false once the consumer neither plays nor owns a partition.
    async fn take_turn(&self) -> bool {
        let _turn = self.ownership_turn.lock().await;
        if self.has_disconnected() {
            return false;
        }
        let is_playing = self.is_playing();
        let streams = self.ordered_streams();
        let shortest = streams.values().map(|stream| stream.lease).min().unwrap_or_default();
        let turns =
            streams.iter().map(|(name, stream)| self.take_stream_turn(name, stream, is_playing, shortest));
        let owns = join_all(turns).await.contains(&true);
        if self.has_disconnected() {
            return false;
        }
        self.step();
        self.notify_if_idle();
        let mut state = self.lock();
        state.owning = owns || (state.phase == Phase::Playing && !state.disconnected);
        state.owning
    }

    /// The part of a turn for one stream. Returns true if this consumer owns a partition of it. `shortest` is the shortest lease of
    /// all streams, since the next turn begins once all parts have ended.
    async fn take_stream_turn(
        &self,
        name: &str,
        stream: &OrderedStream,
        is_playing: bool,
        shortest: Duration,
    ) -> bool {
        let until = Instant::now() + shortest / TURNS_PER_LEASE * TURN_QUARTERS;
        let OrderedStream { lease, partitions } = stream;
        let members = match is_playing {
            true => timeout(shortest / PATIENCE, self.announce(name, *lease)).await,
            false => {
                // Without an answer the announcement lapses.
                drop(timeout(shortest / PATIENCE, self.retire_member(name)).await);
                Ok(Ok(Members { names: Vec::new(), now: 0 }))
            }
        };
        let is_announced = matches!(members, Ok(Ok(_)));
        let is_trusted = !is_playing || self.lock().note_announced(name, is_announced, *lease);
        let (members, failure) = match members {
            Ok(Ok(members)) => (Some(members).filter(|_| is_trusted), None),
            Ok(Err(error)) => (None, Some(error)),
            Err(_) => (None, None),
        };
        let steps = self.plan_turn(partitions, members.as_ref().map(|members| members.names.as_slice()));
        // A refused expiry leads to a release in the next turn, which says nothing.
        let only_releases = !steps.is_empty() && steps.iter().all(|(_, step)| *step == LeaseStep::Release);
        let now = members.map_or(0, |members| members.now);
        let refusal = self.run_lease_steps(steps, now, until).await;
        match failure.or(refusal) {
            Some(failure) => self.report_ownership_failure(name, &failure),
            None if is_announced && !only_releases => drop(self.lock().ownership_failures.remove(name)),
            None => {}
        }
        partitions.iter().any(|&at| self.phase_of(at) != OwnershipPhase::Vacant)
    }

    /// Reports a failure once until a turn without one.
    fn report_ownership_failure(&self, stream: &str, failure: &RedisError) {
        let is_news = self.lock().is_ownership_news(stream, failure);
        if is_news {
            self.report_error(Failure::Consume, failure);
        }
    }

    /// Chooses the step of each partition. Without `members` partitions are only renewed.
    fn plan_turn(&self, partitions: &[usize], members: Option<&[String]>) -> Vec<(usize, LeaseStep)> {
        let now = Instant::now();
        let mut state = self.lock();
        let mut steps = Vec::with_capacity(partitions.len());
        for &at in partitions {
            let stream = &state.streams[at];
            let Some(ownership) = &stream.ownership else { continue };
            let is_chosen = members.map(|members| {
                rendezvous(members, &stream.options.name).is_some_and(|member| *member == self.options.id)
            });
            let phase = ownership.phase;
            if phase != OwnershipPhase::Vacant && !ownership.is_valid(now) {
                self.lose(&mut state, at);
                continue;
            }
            match (phase, is_chosen) {
                (OwnershipPhase::Vacant, Some(true))
                    if state.phase == Phase::Playing && stream.active && !state.is_being_read(at) =>
                {
                    steps.push((at, LeaseStep::Acquire))
                }
                (OwnershipPhase::Vacant, _) => {}
                (OwnershipPhase::Leaving, _) if state.has_drained(at) => steps.push((at, LeaseStep::Release)),
                (OwnershipPhase::Held | OwnershipPhase::TakingOver, Some(false)) => {
                    steps.push((at, LeaseStep::Leave))
                }
                _ => steps.push((at, LeaseStep::Renew)),
            }
        }
        steps
    }

    /// Gives up a partition whose lease lapsed or belongs to another consumer.
    pub(crate) fn lose(&self, state: &mut ConsumerState, at: usize) {
        drop(state.leave(at, OwnershipPhase::Vacant));
        self.end_read_of(state, at);
        self.announce_ownership(state, at, 0);
    }

    /// Reports the owner's fencing number to the host; 0 for a partition that it does not own any more.
    pub(crate) fn announce_ownership(&self, state: &ConsumerState, at: usize, fence: u64) {
        let host = &self.node_set.context().host;
        host.event(Event::Owned { consumer: self.number, stream: state.streams[at].number, fence });
    }

    /// Ends the read under way, which has a partition too many or too few. A read that is not sent yet ends by itself, in less
    /// than a lease.
    pub(crate) fn end_read_of(&self, state: &mut ConsumerState, at: usize) {
        self.end_read_if_ready(state, state.streams[at].lane);
    }

    /// Returns true after a disconnect, after which a command would open a connection. Ends the task then.
    pub(crate) fn has_disconnected(&self) -> bool {
        let mut state = self.lock();
        state.owning &= !state.disconnected;
        state.disconnected
    }

    fn is_playing(&self) -> bool {
        let state = self.lock();
        state.phase == Phase::Playing && !state.disconnected
    }

    fn phase_of(&self, at: usize) -> OwnershipPhase {
        self.lock().streams[at].ownership.as_ref().map_or(OwnershipPhase::Vacant, |ownership| ownership.phase)
    }

    fn ordered_streams(&self) -> BTreeMap<String, OrderedStream> {
        let state = self.lock();
        let mut streams = BTreeMap::new();
        for at in state.ordered() {
            let Some(ownership) = &state.streams[at].ownership else { continue };
            let new = || OrderedStream { lease: ownership.lease, partitions: Vec::new() };
            streams.entry(ownership.of.clone()).or_insert_with(new).partitions.push(at);
        }
        streams
    }
}

impl ConsumerState {
    /// Notes whether this consumer has announced itself. Returns true if it knows the other ones.
    ///
    /// After a failure their announcements have lapsed too, and each needs a turn to announce itself again. Until then the
    /// first one would take over all partitions, and return them at once.
    fn note_announced(&mut self, stream: &str, is_announced: bool, lease: Duration) -> bool {
        let now = Instant::now();
        match (is_announced, self.announced_again.get(stream).copied()) {
            (true, None) => true,
            (true, Some(Some(since))) if now.saturating_duration_since(since) >= lease / RETURN => {
                self.announced_again.remove(stream);
                true
            }
            (true, Some(Some(_))) => false,
            (true, Some(None)) => {
                self.announced_again.insert(stream.to_owned(), Some(now));
                false
            }
            (false, _) => {
                self.announced_again.insert(stream.to_owned(), None);
                false
            }
        }
    }

    /// Notes a failure, which is reported once until a success.
    fn is_ownership_news(&mut self, stream: &str, error: &RedisError) -> bool {
        let failure = format!("{:?} {}", error.kind, error.reply_code().unwrap_or_default());
        self.ownership_failures.insert(stream.to_owned(), failure.clone()) != Some(failure)
    }
}

/// Takes turns until the consumer neither plays nor owns a partition. The task holds the consumer during a turn only.
async fn keep_owning(consumer: Weak<Consumer>, interval: Duration, wakeup: Arc<Notify>) {
    loop {
        let began = Instant::now();
        let Some(owner) = consumer.upgrade() else { return };
        if !owner.take_turn().await {
            return;
        }
        drop(owner);
        tokio::select! {
            biased;
            () = wakeup.notified() => {}
            () = tokio::time::sleep_until(began + interval) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_consumers_are_known_half_a_lease_after_a_failure() {
        let (mut state, lease) = (ConsumerState::default(), Duration::from_millis(20));
        assert!(state.note_announced("s", true, lease), "without a failure");
        assert!(!state.note_announced("s", false, lease) && state.note_announced("t", true, lease));
        let began = Instant::now();
        while !state.note_announced("s", true, lease) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(began.elapsed() >= lease / RETURN);
        assert!(state.note_announced("s", true, lease));
    }
}
