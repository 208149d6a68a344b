//! Tells Redis again how jobs ended where it refused to hear for a while: it was busy with a script, loading, a replica,
//! without memory. The jobs stay in flight until then, so that whoever waits for them waits for that as well. Only some
//! are tried at a time, one round after the other, and settlements that come meanwhile do not wait for them.

use crate::engine::consumer::Consumer;
use crate::engine::consumer::settlement::commands::Tells;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::settlement_batch::Settled;
use crate::engine::host::Failure;

impl Consumer {
    /// Of the jobs of a batch that was answered: those that are at their end. The others are told again.
    pub(crate) fn keep_refused(
        &self,
        state: &mut ConsumerState,
        batch: u32,
        jobs: Vec<Settled>,
    ) -> Vec<Settled> {
        let went_well = jobs.iter().all(|job| job.again.is_empty());
        let is_round = state.retelling.note(batch, went_well);
        let mut ended = jobs;
        if !went_well && !state.cut_off {
            let kept;
            (kept, ended) = ended.into_iter().partition(|job| !job.again.is_empty());
            for job in kept {
                let limit = self.node_set.nodes()[state.streams[job.stream as usize].node].queue();
                ended.extend(state.retelling.keep(job, limit));
            }
        }
        if let Some(wait) = state.retelling.schedule(is_round && went_well) {
            let this = self.this.clone();
            self.node_set.context().tasks.spawn(async move {
                tokio::time::sleep(wait).await;
                if let Some(consumer) = this.upgrade() {
                    consumer.retell();
                }
            });
        }
        ended
    }

    /// One round.
    fn retell(&self) {
        let mut tells = Tells::new(&self.node_set);
        let lasting = {
            let mut state = self.lock();
            let (jobs, lasting) = state.retelling.begin_round();
            // Each job of the queue has a step to send, so there is a batch.
            let batch = self.tell(&mut state, jobs, &mut tells).ok();
            state.retelling.start_round(batch);
            lasting
        };
        tells.submit(&self.node_set);
        if let Some(error) = lasting {
            self.complain(Failure::Consume, &error);
        }
    }
}
