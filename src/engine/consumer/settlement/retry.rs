//! Settlement retries after a refusal that passes: Redis ran a script, was loading, was a replica, or was out of
//! memory. A transaction whose connection broke begins with the query whether Redis has executed it. The jobs stay in
//! flight until then, so that a pause waits for them. Each round sends a part of the queue, and new settlements do not
//! wait for it.

use crate::engine::consumer::Consumer;
use crate::engine::consumer::settlement::commands::SettlementWrites;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::settled_job::SettledJob;
use crate::engine::host::Failure;
use crate::redis_io::world::fault::planted;

impl Consumer {
    /// Queues the jobs of an answered batch that Redis refused for the moment, and returns the others.
    pub(crate) fn queue_refused(
        &self,
        state: &mut ConsumerState,
        batch: u32,
        jobs: Vec<SettledJob>,
    ) -> Vec<SettledJob> {
        let went_well = jobs.iter().all(|job| job.retry_steps.is_empty());
        let is_round = state.retry_queue.note(batch, went_well);
        let mut ended = jobs;
        if !went_well && !state.disconnected {
            let kept;
            (kept, ended) = ended.into_iter().partition(|job| !job.retry_steps.is_empty());
            for job in kept.into_iter().filter(|_| !planted("refused settlement is forgotten")) {
                let limit = self.node_set.nodes()[state.streams[job.stream as usize].node].queue();
                ended.extend(state.retry_queue.keep(job, limit));
            }
        }
        if let Some(wait) = state.retry_queue.schedule(is_round && went_well) {
            let this = self.this.clone();
            self.node_set.context().tasks.spawn(async move {
                tokio::time::sleep(wait).await;
                if let Some(consumer) = this.upgrade() {
                    consumer.send_retry_round();
                }
            });
        }
        ended
    }

    /// Sends one round of retries. A job that is alone has a batch of its own, so that it is not refused with another one.
    fn send_retry_round(&self) {
        let mut writes = Vec::new();
        let lasting = {
            let mut state = self.lock();
            let (mut jobs, lasting) = state.retry_queue.begin_round();
            if state.lacks_transactions {
                jobs.iter_mut().for_each(SettledJob::skip_query);
            }
            let (alone, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.is_alone);
            let batches = alone.into_iter().map(|job| vec![job]).chain([jobs]);
            let mut last = None;
            for batch in batches {
                let mut packed = SettlementWrites::new(&self.node_set);
                // Each job of the queue has a step to send. Without jobs there is no batch.
                last = self.pack_settlements(&mut state, batch, &mut packed).ok().or(last);
                writes.push(packed);
            }
            state.retry_queue.start_round(last);
            lasting
        };
        writes.into_iter().for_each(|packed| packed.submit(&self.node_set));
        if let Some(error) = lasting {
            self.report_error(Failure::Consume, &error);
        }
    }
}
