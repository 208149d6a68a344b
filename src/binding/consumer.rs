//! Consumers.

use std::sync::Arc;

use napi::Result;
use napi_derive::napi;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::job_delivery::JobDelivery;
use crate::engine::host::job_token::JobToken;
use crate::engine::result_channels::{self, ResultPlace};

use super::bus::NativeBus;
use super::consumer_options::{NativeConsumerOptions, NativeStreamOptions};
use super::facade::Facade;

/// A consumer of a group.
#[napi]
pub struct NativeConsumer {
    pub(super) consumer: Arc<Consumer>,
    facade: Facade,
}

/// Where a job in flight writes its result, and the delivery that it is part of.
#[napi(object)]
pub struct NativeResultSource {
    /// Index of the node of the result stream.
    pub node: u32,
    /// Key of the result stream.
    pub key: String,
    /// Channel of its chunks.
    pub channel: String,
    /// Id of the job.
    pub job: String,
    /// Id of the job's entry.
    pub entry: String,
    /// Key of the stream of that entry.
    pub stream_key: String,
    /// Number of deliveries of the entry, this one included; 0 if unknown.
    pub deliveries: f64,
}

#[napi]
impl NativeConsumer {
    /// A consumer on `bus`.
    #[napi(constructor)]
    pub fn new(bus: &NativeBus, options: NativeConsumerOptions) -> Result<Self> {
        let facade = bus.facade.clone();
        let consumer = facade.with(|state| {
            let number = state.consumers.reserve();
            let consumer = bus.bus.consumer(number, options.into_engine());
            state.consumers.insert(number, consumer.clone());
            Ok(consumer)
        })?;
        Ok(Self { consumer, facade })
    }

    /// The number of the consumer.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        self.consumer.number()
    }

    /// Adds a stream, or changes the options of one that is there; returns its index.
    #[napi]
    pub fn add_stream(&self, options: NativeStreamOptions) -> u32 {
        self.consumer.add_stream(options.into_engine())
    }

    /// Creates the groups and reads. Completes the request once the first read is under way.
    #[napi]
    pub fn play(&self, request: u32) {
        let consumer = self.consumer.clone();
        self.consumer.node_set().context().tasks.spawn(async move {
            let context = consumer.node_set().context().clone();
            context.done(request, consumer.play().await);
        });
    }

    /// The index of the stream of a job in flight; -1 for a job that has ended.
    #[napi]
    pub fn stream_of(&self, token: f64) -> i32 {
        let delivery = self.consumer.delivery_of(JobToken::from_number(token));
        delivery.map_or(-1, |delivery| delivery.stream as i32)
    }

    /// What the results of a job in flight need: the node, key and channel of its result stream, the id of its entry, and
    /// the number of deliveries, 0 if unknown. `null` for a job that is not in flight. `stream` is the name for the user.
    #[napi]
    pub fn result_of(&self, token: f64, stream: String) -> Option<NativeResultSource> {
        let delivery = self.consumer.delivery_of(JobToken::from_number(token))?;
        let JobDelivery { job, entry, deliveries, stream_key, .. } = delivery;
        let place =
            result_channels::place(self.consumer.node_set(), &stream, self.consumer.group_name(), &job);
        let ResultPlace { node, key, channel } = place;
        let (entry, deliveries) = (entry.to_string(), deliveries as f64);
        Some(NativeResultSource { node: node as u32, key, channel, job, entry, stream_key, deliveries })
    }

    /// Stops reading. Completes the request once nothing is in flight.
    #[napi]
    pub fn pause(&self, request: u32) {
        let consumer = self.consumer.clone();
        self.consumer.node_set().context().tasks.spawn(async move {
            let context = consumer.node_set().context().clone();
            consumer.pause().await;
            context.done(request, Ok(()));
        });
    }
}

impl Drop for NativeConsumer {
    fn drop(&mut self) {
        self.facade.try_with(|state| drop(state.consumers.remove(self.consumer.number())));
    }
}
