//! Buffered entry: read or taken over, and waiting for a slot. Pure.

use std::sync::Arc;

use tokio::time::Instant;

use crate::redis_io::streams::carried_payload::CarriedPayload;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::state::buffer::entry_limit::EntryLimit;
use crate::engine::consumer::state::fair_dispatch::schedule::KeyNumber;
use crate::engine::consumer::state::in_flight::Delivery;

/// Entry that was read without a free slot. Each stream of a read can return one at least, and so can each node of
/// parallel reads.
#[derive(Debug)]
pub struct BufferedEntry {
    /// Index of the stream.
    pub stream: u32,
    /// The entry's id.
    pub entry: EntryId,
    /// Id of the producer.
    pub producer: String,
    /// The job's id.
    pub job: String,
    /// Lifetime of the outcome record in ms, as in [`Delivery`].
    pub record: u64,
    /// True for the sharded channel, as in [`Delivery`].
    pub is_sharded: bool,
    /// Headers of the entry, as in [`Delivery`].
    pub headers: Option<Box<str>>,
    /// Payload that the entry carries, as in [`Delivery`].
    pub carried: Option<Arc<CarriedPayload>>,
    /// Number of deliveries, as in [`Delivery`]. Unknown once its lease has lapsed and was renewed.
    pub deliveries: u64,
    /// True for an entry of a takeover. Redis counts its delivery once the job starts.
    pub is_uncounted: bool,
    /// Start of the current idle time.
    pub touched: Instant,
    /// Key whose slot it takes, once it starts by fair dispatch.
    pub fair_key: Option<KeyNumber>,
    /// Rate limit with whose permit it starts.
    pub limit: Option<EntryLimit>,
}

impl BufferedEntry {
    /// Buffers a delivery.
    pub fn new(delivery: Delivery<'_>) -> Self {
        Self {
            stream: delivery.stream,
            entry: delivery.entry,
            producer: delivery.producer.to_owned(),
            job: delivery.job.to_owned(),
            record: delivery.record,
            is_sharded: delivery.is_sharded,
            headers: delivery.headers.map(Box::from),
            carried: delivery.carried.cloned().filter(|_| !planted("buffered payload is lost")),
            deliveries: delivery.deliveries,
            is_uncounted: false,
            touched: delivery.at,
            fair_key: None,
            limit: None,
        }
    }

    /// Returns true if it holds this entry.
    pub fn is(&self, stream: u32, entry: EntryId) -> bool {
        self.stream == stream && self.entry == entry
    }

    /// Returns the key that orders it.
    pub fn order_key(&self) -> Option<&str> {
        self.carried.as_ref()?.order_key.as_deref()
    }

    /// Size in memory, in bytes.
    pub fn size(&self) -> usize {
        let carried = self.carried.as_ref().map_or(0, |carried| carried.size());
        let headers = self.headers.as_ref().map_or(0, |headers| headers.len());
        size_of::<Self>() + self.producer.len() + self.job.len() + headers + carried
    }

    /// Returns the key of its budget of a rate limit. Entries without a key share one.
    pub fn budget_key(&self) -> &str {
        let by_key = self.limit.is_some_and(|limit| limit.by_key);
        self.order_key().filter(|_| by_key).unwrap_or_default()
    }

    /// Returns the buffered delivery.
    pub fn delivery(&self) -> Delivery<'_> {
        Delivery {
            stream: self.stream,
            entry: self.entry,
            producer: &self.producer,
            job: &self.job,
            record: self.record,
            is_sharded: self.is_sharded,
            headers: self.headers.as_deref(),
            carried: self.carried.as_ref(),
            deliveries: self.deliveries,
            at: self.touched,
        }
    }
}
