//! Delivery of a job in flight, for the chunks of its result.

use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::host::job_token::JobToken;

/// Delivery of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDelivery {
    /// Id of the job.
    pub job: String,
    /// Number of its stream for the host.
    pub stream: u32,
    /// Id of its entry.
    pub entry: EntryId,
    /// Number of deliveries of the entry, this one included; 0 if unknown.
    pub deliveries: u64,
    /// Key of the entry's stream.
    pub stream_key: String,
}

impl Consumer {
    /// Returns the delivery of a job in flight. `None` if the job has ended.
    pub fn delivery_of(&self, token: JobToken) -> Option<JobDelivery> {
        let state = self.lock();
        let slot = state.jobs.job(token)?;
        let stream = &state.streams[slot.stream as usize];
        Some(JobDelivery {
            job: slot.job.clone(),
            stream: stream.number,
            entry: slot.entry,
            deliveries: slot.deliveries,
            stream_key: stream.key.clone(),
        })
    }

    /// Returns the name of its group, without prefix.
    pub fn group_name(&self) -> &str {
        &self.options.group
    }
}
