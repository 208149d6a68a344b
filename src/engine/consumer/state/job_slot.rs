//! Slot of one job in flight. Pure.

use std::sync::Arc;

use tokio::time::Instant;

use crate::redis_io::streams::carried_payload::CarriedPayload;
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::state::fair_dispatch::schedule::KeyNumber;
use crate::engine::host::job_token::JobToken;

/// State of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotState {
    /// Has no job.
    Free,
    /// The job runs.
    Running,
    /// The acknowledgement of the job is on its way.
    Settling,
}

/// One job in flight. Its strings keep their capacity from job to job.
#[derive(Debug)]
pub struct JobSlot {
    pub(super) generation: u32,
    pub(super) state: SlotState,
    pub(super) released: bool,
    pub(super) deadline: Option<Instant>,
    /// Start of the entry's current idle time, as far as known here.
    pub(super) touched: Instant,
    /// Number of deliveries of the entry, this one included; 0 if unknown.
    pub deliveries: u64,
    /// Index of the stream within the consumer.
    pub stream: u32,
    /// The entry's id in that stream.
    pub entry: EntryId,
    /// Id of the producer; empty if the entry has none. Then no completion is published.
    pub producer: String,
    /// The job's id.
    pub job: String,
    /// Lifetime of the outcome record in ms; 0 for none.
    pub record: u64,
    /// True if the completion belongs on the sharded channel of the producer.
    pub is_sharded: bool,
    /// Headers of the entry for diagnostics.
    pub headers: Option<Box<str>>,
    /// Payload that the entry carries.
    pub carried: Option<Arc<CarriedPayload>>,
    /// Key that holds the slot, with fair dispatch.
    pub(super) fair_key: Option<KeyNumber>,
}

impl JobSlot {
    /// A slot without a job.
    pub(super) fn free() -> Self {
        Self {
            generation: 1,
            state: SlotState::Free,
            released: false,
            deadline: None,
            touched: Instant::now(),
            deliveries: 0,
            stream: 0,
            entry: EntryId::default(),
            producer: String::new(),
            job: String::new(),
            record: 0,
            is_sharded: false,
            headers: None,
            carried: None,
            fair_key: None,
        }
    }

    /// Start of the entry's current idle time, as far as known here.
    pub fn touched(&self) -> Instant {
        self.touched
    }

    pub(super) fn is(&self, token: JobToken, state: SlotState) -> bool {
        self.generation == token.generation() && self.state == state
    }
}
