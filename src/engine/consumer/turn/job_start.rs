//! Start of jobs: a slot for each entry, then the job for the host.

use std::time::Instant;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::buffer::BufferedEntry;
use crate::engine::consumer::state::in_flight::Delivery;
use crate::engine::host::Event;
use crate::engine::host::job_token::JobToken;

impl Consumer {
    /// Takes a slot for a delivery, or buffers it.
    pub(crate) fn start_or_buffer(
        &self,
        state: &mut ConsumerState,
        delivery: Delivery<'_>,
    ) -> Option<JobToken> {
        if state.free(self.options.concurrency) == 0 || !state.buffered.is_empty() {
            state.buffered.push_back(BufferedEntry::new(delivery));
            return None;
        }
        let deadline = state.deadline(delivery.stream, delivery.at);
        state.counts.start(delivery.deliveries);
        Some(state.jobs.take(delivery, deadline))
    }

    /// Starts buffered entries in free slots.
    pub(crate) fn start_buffered(&self, state: &mut ConsumerState) {
        if state.buffered.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut started = Vec::new();
        while state.free(self.options.concurrency) > 0 {
            let Some(next) = state.buffered.pop_front() else { break };
            let deadline = state.deadline(next.stream, now);
            state.counts.start(next.deliveries);
            let token = state.jobs.take(next.delivery(), deadline);
            started.push((next.stream, token));
        }
        self.start_timer(state);
        self.hand_over(state, &started);
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
