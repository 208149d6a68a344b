//! Start of jobs: a slot for each entry, then the job for the host.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::in_flight::Delivery;
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::host::Event;
use crate::engine::host::job_token::JobToken;
use crate::engine::protocol::job_id::new_id;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::streams::commands::pack_acknowledge;
use crate::redis_io::streams::entry::OwnedEntry;
use crate::redis_io::world::fault::planted;

impl Consumer {
    /// Takes one of `free` slots for an entry that was read, or buffers it behind the others.
    pub(crate) fn start_or_buffer(
        &self,
        state: &mut ConsumerState,
        delivery: Delivery<'_>,
        now: Instant,
        free: &mut usize,
    ) -> Option<JobToken> {
        let is_parked = !state.admit(&delivery);
        // Of a partition whose lease may have lapsed, nothing starts.
        let has_waiting = state.buffered.waiting() > 0 || !state.can_start(delivery.stream, now);
        if is_parked || *free == 0 && !planted("entry without a slot starts") || has_waiting {
            state.buffer(BufferedEntry::new(delivery), is_parked);
            return None;
        }
        *free = free.saturating_sub(1);
        state.claim_backlog.start_read();
        Some(start(state, delivery, now))
    }

    /// Takes the slot that was reserved for a claimed entry. Buffered entries wait for other slots. An entry that must wait
    /// for another one of its key, for the lease of its partition or for a permit is buffered. So is each one with fair
    /// dispatch, and one whose reply came so late that another consumer can have claimed it, or during a hand-back.
    pub(crate) fn start_claimed(
        &self,
        state: &mut ConsumerState,
        delivery: Delivery<'_>,
        now: Instant,
    ) -> Option<JobToken> {
        let is_parked = !state.admit(&delivery);
        let is_late = self.awaits_renewal(delivery.at, now);
        let is_limited = state.streams[delivery.stream as usize].limit.is_some();
        let is_direct = state.fair.is_none() && !is_limited && !is_late && state.phase != Phase::HandingBack;
        if !is_parked && is_direct && state.can_start(delivery.stream, now) {
            return Some(start(state, delivery, now));
        }
        state.buffer(BufferedEntry::new(delivery), is_parked);
        None
    }

    /// Buffers an entry of a partition that was taken over, and returns the id of its job. Its delivery counts once the job
    /// starts.
    pub(crate) fn buffer_taken(
        &self,
        state: &mut ConsumerState,
        stream: u32,
        entry: &OwnedEntry,
        deliveries: u64,
        at: Instant,
    ) -> String {
        let job = entry.job.clone().unwrap_or_else(new_id);
        let delivery = Delivery {
            stream,
            entry: entry.id,
            producer: &entry.producer,
            job: &job,
            record: entry.record,
            is_sharded: entry.is_sharded,
            headers: entry.headers.as_deref(),
            carried: entry.carried.as_ref(),
            deliveries,
            at,
        };
        state.note_claim(stream, entry.id);
        let is_parked = !state.admit(&delivery);
        state.buffer(BufferedEntry { is_uncounted: true, ..BufferedEntry::new(delivery) }, is_parked);
        job
    }

    /// Starts buffered entries in free slots.
    pub(crate) fn start_buffered(&self, state: &mut ConsumerState) {
        state.has_unparked = false;
        state.update_shares();
        let free = if state.has_waiting() { state.startable(self.options.concurrency) } else { 0 };
        if free == 0 {
            return;
        }
        let (now, lease) = (Instant::now(), self.trusted_lease());
        let mut left = free;
        self.start_each(state, now, |state| {
            left = left.checked_sub(1)?;
            state.take_waiting(now, lease)
        });
    }

    /// Starts the entries that `take` takes out of the buffer, in free slots.
    pub(crate) fn start_each(
        &self,
        state: &mut ConsumerState,
        now: Instant,
        mut take: impl FnMut(&mut ConsumerState) -> Option<BufferedEntry>,
    ) {
        let mut started = Vec::new();
        let mut uncounted: BTreeMap<(u32, u64), Vec<(u32, JobToken)>> = BTreeMap::new();
        while let Some(next) = take(state) {
            let token = start(state, next.delivery(), now);
            if next.fair_key.is_some() {
                state.jobs.set_key(token, next.fair_key);
            }
            match next.is_uncounted {
                true => {
                    uncounted.entry((next.stream, next.deliveries)).or_default().push((next.stream, token))
                }
                false => started.push((next.stream, token)),
            }
        }
        if started.is_empty() && uncounted.is_empty() {
            return;
        }
        state.claim_backlog.start_read();
        self.start_timer(state);
        if !uncounted.is_empty() {
            self.takeover_room.notify_waiters();
        }
        for ((_, deliveries), jobs) in uncounted {
            self.begin_counted(state, deliveries, jobs);
        }
        self.hand_over(state, &started);
        // A settlement leads here, and its reply must not be waited for.
        self.node_set.context().host.wake();
    }

    /// Hands jobs to the host, stream by stream, and prefetches their payloads if wanted.
    pub(crate) fn hand_over(&self, state: &ConsumerState, started: &[(u32, JobToken)]) {
        for run in started.chunk_by(|(left, _), (right, _)| left == right) {
            if state.streams[run[0].0 as usize].options.prefetch.is_empty() {
                self.begin(state, run);
            } else {
                self.begin_with_payloads(state, run);
            }
        }
    }

    /// Hands jobs of one stream to the host.
    pub(crate) fn begin(&self, state: &ConsumerState, run: &[(u32, JobToken)]) {
        let Some(&(stream, _)) = run.first() else { return };
        let mut jobs =
            run.iter().filter_map(|&(_, token)| state.jobs.job(token).map(|slot| (token, slot.job.as_str())));
        if planted("acknowledged before it runs") {
            self.acknowledge_early(state, run);
        }
        let host = &self.node_set.context().host;
        let consumer = self.number;
        for (token, slot) in run.iter().filter_map(|&(_, token)| Some((token, state.jobs.job(token)?))) {
            if let Some(headers) = slot.headers.as_deref() {
                host.event(Event::Headers { consumer, token, headers });
            }
            if let Some(carried) = slot.carried.as_deref() {
                host.event(Event::Carried { consumer, token, carried });
            }
        }
        host.jobs(self.number, state.streams[stream as usize].number, &mut jobs);
    }
}

/// The fault "acknowledged before it runs" of the simulation.
impl Consumer {
    fn acknowledge_early(&self, state: &ConsumerState, run: &[(u32, JobToken)]) {
        for (stream, slot) in run.iter().filter_map(|&(stream, token)| Some((stream, state.jobs.job(token)?)))
        {
            let stream = &state.streams[stream as usize];
            let (mut commands, names) = (Commands::default(), (stream.key.as_str(), self.group.as_str()));
            pack_acknowledge(&mut commands, names, 1, std::iter::once(slot.entry), Destination::Nowhere);
            self.shared(stream.lane).submit(&mut commands);
        }
    }
}

/// Takes a slot for a delivery. The deadline of its job begins at `now`.
fn start(state: &mut ConsumerState, delivery: Delivery<'_>, now: Instant) -> JobToken {
    let deadline = state.deadline(delivery.stream, now);
    state.counts.start(delivery.deliveries);
    state.jobs.take(delivery, deadline)
}
