//! Statistics of consumers and producers.

use std::time::Duration;

use napi_derive::napi;

use crate::engine::consumer::Consumer;
use crate::engine::host::Event;
use crate::engine::producer::Producer;
use crate::engine::stats::GroupLag;
use crate::redis_io::connection::metrics::Totals;
use crate::redis_io::resp::Value;

use super::batch::duration;
use super::consumer::NativeConsumer;
use super::producer::NativeProducer;

/// Traffic of connections.
#[napi(object)]
pub struct NativeTraffic {
    /// Number of reconnections.
    pub reconnects: f64,
    /// Bytes of replies.
    pub bytes_in: f64,
    /// Bytes of commands.
    pub bytes_out: f64,
}

/// Statistics of a consumer.
#[napi(object)]
pub struct NativeConsumerStats {
    /// Started jobs.
    pub started: f64,
    /// Started jobs that were delivered before.
    pub retried: f64,
    /// Claimed jobs.
    pub claimed: f64,
    /// Resolved jobs.
    pub resolved: f64,
    /// Rejected jobs.
    pub rejected: f64,
    /// Jobs that reached their deadline.
    pub timed_out: f64,
    /// Released jobs.
    pub released: f64,
    /// Jobs that reached the retry limit.
    pub exhausted: f64,
    /// Trimmed entries.
    pub trimmed: f64,
    /// Jobs that ended, with a settlement that failed.
    pub settlement_failures: f64,
    /// Jobs in flight.
    pub in_flight: f64,
    /// Entries of the backlog, which wait for a slot.
    pub waiting: f64,
    /// Free slots, infinite without a limit.
    pub available_slots: f64,
    /// Time until a rate limit without permits has some again, in ms.
    pub limited_for: f64,
    /// Traffic of its reader connections.
    pub own: NativeTraffic,
    /// Traffic of the shared connections of its bus.
    pub shared: NativeTraffic,
}

/// Statistics of a producer.
#[napi(object)]
pub struct NativeProducerStats {
    /// Received completions.
    pub completions_received: f64,
    /// Pending waits.
    pub waiting: f64,
    /// Traffic of the connections of its bus.
    pub shared: NativeTraffic,
}

#[napi]
impl NativeConsumer {
    /// Statistics of the consumer.
    #[napi]
    pub fn stats(&self) -> NativeConsumerStats {
        consumer_stats(&self.consumer)
    }

    /// Requests the position of the group in each stream, with a time limit in ms, negative for none. The request
    /// receives it.
    #[napi]
    pub fn standings(&self, request: u32, patience: f64) {
        let consumer = self.consumer.clone();
        let patience = duration(patience).unwrap_or(Duration::MAX);
        self.consumer.node_set().context().tasks.spawn(async move {
            let mut flat = Vec::new();
            for (stream, group_lag) in consumer.group_lags(patience).await {
                let GroupLag { lag, pending, delayed } = group_lag;
                flat.extend([Some(u64::from(stream)), lag, pending, delayed].map(integer));
            }
            let context = consumer.node_set().context();
            context.host.event(Event::Called { request, index: 0, value: &Value::Array(flat) });
            context.done(request, Ok(()));
        });
    }
}

#[napi]
impl NativeProducer {
    /// Statistics of the producer.
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
        limited_for: stats.limited_for.as_millis() as f64,
        own: traffic(stats.own),
        shared: traffic(stats.shared),
    }
}

fn producer_stats(producer: &Producer) -> NativeProducerStats {
    let stats = producer.stats();
    NativeProducerStats {
        completions_received: stats.completions_received as f64,
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
