//! Consumers.

use std::sync::Arc;

use napi::Result;
use napi_derive::napi;

use crate::engine::consumer::Consumer;

use super::bus::NativeBus;
use super::consumer_options::{NativeConsumerOptions, NativeStreamOptions};
use super::facade::Facade;

/// A consumer of a group.
#[napi]
pub struct NativeConsumer {
    pub(super) consumer: Arc<Consumer>,
    facade: Facade,
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
