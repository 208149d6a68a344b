//! What consumers and producers have done so far.

use std::time::Duration;

use napi_derive::napi;

use crate::engine::consumer::Consumer;
use crate::engine::host::Event;
use crate::engine::producer::Producer;
use crate::redis_io::connection::metrics::Totals;
use crate::redis_io::resp::Value;

use super::batch::duration;
use super::consumer::NativeConsumer;
use super::producer::NativeProducer;

/// What passed through connections.
#[napi(object)]
pub struct NativeTraffic {
    /// How often one was made again.
    pub reconnects: f64,
    /// Bytes of replies.
    pub bytes_in: f64,
    /// Bytes of commands.
    pub bytes_out: f64,
}

/// A consumer at one time.
#[napi(object)]
pub struct NativeConsumerStats {
    /// Jobs begun.
    pub started: f64,
    /// Begun again.
    pub retried: f64,
    /// Taken over.
    pub claimed: f64,
    /// Ended well.
    pub resolved: f64,
    /// Ended with an error.
    pub rejected: f64,
    /// Ended at their deadline.
    pub timed_out: f64,
    /// Released.
    pub released: f64,
    /// Not delivered again.
    pub exhausted: f64,
    /// Gone from their stream.
    pub trimmed: f64,
    /// Ended jobs whose settlement failed.
    pub settlement_failures: f64,
    /// In flight.
    pub in_flight: f64,
    /// Waiting for a slot.
    pub waiting: f64,
    /// Slots for further jobs; infinite without a limit.
    pub available_slots: f64,
    /// The connections that it waits on.
    pub own: NativeTraffic,
    /// Those of its bus.
    pub shared: NativeTraffic,
}

/// A producer at one time.
#[napi(object)]
pub struct NativeProducerStats {
    /// Received completions, one for each group of a job.
    pub completions_received: f64,
    /// Jobs waited for.
    pub waiting: f64,
    /// The connections of its bus.
    pub shared: NativeTraffic,
}

#[napi]
impl NativeConsumer {
    /// What it has done.
    #[napi]
    pub fn stats(&self) -> NativeConsumerStats {
        consumer_stats(&self.consumer)
    }

    /// Asks how far the group is with each stream, for so many ms at most, negative for no bound. The request is given
    /// `number, lag or null, pending or null` of each stream.
    #[napi]
    pub fn standings(&self, request: u32, patience: f64) {
        let consumer = self.consumer.clone();
        let patience = duration(patience).unwrap_or(Duration::MAX);
        self.consumer.node_set().context().tasks.spawn(async move {
            let mut flat = Vec::new();
            for (stream, standing) in consumer.standings(patience).await {
                flat.extend([Some(u64::from(stream)), standing.lag, standing.pending].map(integer));
            }
            let context = consumer.node_set().context();
            context.host.event(Event::Called { request, index: 0, value: &Value::Array(flat) });
            context.done(request, Ok(()));
        });
    }
}

#[napi]
impl NativeProducer {
    /// What it has done.
    #[napi]
    pub fn stats(&self) -> NativeProducerStats {
        producer_stats(&self.producer)
    }
}

fn consumer_stats(consumer: &Consumer) -> NativeConsumerStats {
    let stats = consumer.stats();
    let counts = stats.counts;
    NativeConsumerStats {
        started: counts.started as f64,
        retried: counts.retried as f64,
        claimed: counts.claimed as f64,
        resolved: counts.resolved as f64,
        rejected: counts.rejected as f64,
        timed_out: counts.expired as f64,
        released: counts.released as f64,
        exhausted: counts.exhausted as f64,
        trimmed: counts.trimmed as f64,
        settlement_failures: counts.unsettled as f64,
        in_flight: stats.in_flight as f64,
        waiting: stats.waiting as f64,
        available_slots: stats.free.map_or(f64::INFINITY, |count| count as f64),
        own: traffic(stats.own),
        shared: traffic(stats.shared),
    }
}

fn producer_stats(producer: &Producer) -> NativeProducerStats {
    let stats = producer.stats();
    NativeProducerStats {
        completions_received: stats.heard as f64,
        waiting: stats.waiting as f64,
        shared: traffic(stats.shared),
    }
}

fn traffic(totals: Totals) -> NativeTraffic {
    NativeTraffic {
        reconnects: totals.reconnects as f64,
        bytes_in: totals.received as f64,
        bytes_out: totals.sent as f64,
    }
}

fn integer(count: Option<u64>) -> Value {
    count.map_or(Value::Nil, |count| Value::Integer(count as i64))
}
