//! Count of deliveries that begin with the start of a job: those of entries that were taken over.
//!
//! Redis must have the count before the job runs. A run that it does not count has the entry run once more than `retryLimit`
//! allows.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::streams::commands::{Claim, pack_claim};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::lease_renewal::is_for_now;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::turn::Started;
use crate::engine::consumer::turn::hand_back::PendingReply;
use crate::engine::host::job_token::JobToken;

/// Time until a count is sent again that Redis has not confirmed.
const RETRY_WAIT: Duration = Duration::from_millis(50);

impl Consumer {
    /// Hands jobs of one partition to the host once Redis has their number of deliveries. They hold their slots until then. A
    /// job whose partition is lost meanwhile does not begin.
    pub(crate) fn begin_counted(&self, state: &ConsumerState, deliveries: u64, mut jobs: Started) {
        let Some(mut reply) = self.count_deliveries(state, deliveries, &jobs) else { return };
        let this = self.this.clone();
        self.node_set.context().tasks.spawn(async move {
            loop {
                let outcome = reply.await.unwrap_or_else(|_| Err(RedisError::closed()));
                // A group that is gone, or a right that is gone, does not come back for these jobs.
                let is_answered = outcome
                    .as_ref()
                    .map_or_else(|error| error.reply_code().is_some() && !is_for_now(error), |_| true);
                if !is_answered {
                    sleep(RETRY_WAIT).await;
                }
                let Some(consumer) = this.upgrade() else { return };
                let next = consumer.begin_or_count(deliveries, &mut jobs, is_answered);
                consumer.node_set.context().host.wake();
                match next {
                    Some(next) => reply = next,
                    None => return,
                }
            }
        });
    }

    /// Begins the jobs, or counts them again unless Redis has answered.
    fn begin_or_count(&self, deliveries: u64, jobs: &mut Started, is_answered: bool) -> Option<PendingReply> {
        let (next, has_lost) = {
            let mut state = self.lock();
            let before = jobs.len();
            jobs.retain(|&(_, token)| state.can_begin(token));
            let next = match is_answered {
                true => {
                    self.hand_over(&state, jobs);
                    None
                }
                false => self.count_deliveries(&state, deliveries, jobs),
            };
            (next, jobs.len() < before)
        };
        if has_lost {
            self.step();
            self.notify_if_idle();
        }
        next
    }

    /// Sends the number of deliveries of jobs of one partition. The command leaves under the lock of the state, so that the
    /// settlements come behind it.
    fn count_deliveries(
        &self,
        state: &ConsumerState,
        deliveries: u64,
        jobs: &[(u32, JobToken)],
    ) -> Option<PendingReply> {
        let stream = &state.streams[jobs.first()?.0 as usize];
        let entries = jobs.iter().filter_map(|&(_, token)| Some(state.jobs.job(token)?.entry));
        let entries: Vec<EntryId> = entries.collect();
        let (sender, receiver) = oneshot::channel();
        let mut commands = Commands::default();
        let names = (stream.key.as_str(), self.group.as_str(), self.options.id.as_str());
        let claim = Claim::Count(deliveries);
        pack_claim(&mut commands, names, 0, entries.iter(), claim, Destination::Task(sender));
        // The lease of the partition holds now, and not for ever.
        commands.all_expire();
        self.shared(stream.lane).submit(&mut commands);
        Some(receiver)
    }
}
