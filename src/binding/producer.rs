//! Producers.

use std::sync::Arc;

use napi::Result;
use napi_derive::napi;

use crate::engine::host::Event;
use crate::engine::producer::Producer;
use crate::engine::producer::sending::send_plan::SendPlan;
use crate::engine::producer::sending::send_plans::SendPlans;

use super::bus::NativeBus;
use super::consumer_options::into_route;
use super::error::invalid;
use super::facade::{Facade, NamedProducer};

/// A producer.
#[napi]
pub struct NativeProducer {
    pub(super) producer: Arc<Producer>,
    number: u32,
    facade: Facade,
}

#[napi]
impl NativeProducer {
    /// A producer on `bus` with this id.
    #[napi(constructor)]
    pub fn new(bus: &NativeBus, id: String) -> Result<Self> {
        let facade = bus.facade.clone();
        let (producer, number) = facade.with(|state| {
            let number = state.producers.reserve();
            let producer = bus.bus.producer(number, id);
            let named = NamedProducer { producer: producer.clone(), link: bus.link, plans: Vec::new() };
            state.producers.insert(number, named);
            Ok((producer, number))
        })?;
        Ok(Self { producer, number, facade })
    }

    /// The number of the producer.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Makes a plan to send to `stream` on the node of `route`, or of each job without one, and to wait for
    /// `groups`, and returns its number. With `partitions` the key of each job chooses one of them.
    #[napi]
    pub fn plan(
        &self,
        stream: String,
        route: Option<String>,
        groups: Vec<String>,
        partitions: u32,
    ) -> Result<u32> {
        let node_set = self.producer.node_set();
        let plans = match partitions {
            0 => SendPlans::Stream(Arc::new(SendPlan::new(node_set, &stream, &into_route(route), &groups))),
            count => SendPlans::partitions(node_set, &stream, count, &groups, self.producer.id()),
        };
        self.facade.with(|state| {
            let named =
                state.producers.get_mut(self.number).ok_or_else(|| invalid("The producer is gone."))?;
            named.plans.push(plans);
            Ok((named.plans.len() - 1) as u32)
        })
    }

    /// Removes all plans. Jobs that were sent are not affected.
    #[napi]
    pub fn forget_plans(&self) -> Result<()> {
        self.facade.with(|state| {
            if let Some(named) = state.producers.get_mut(self.number) {
                named.plans.clear();
            }
            Ok(())
        })
    }

    /// Receives completions: its own without streams, all completions of the streams otherwise. Completes the request
    /// once Redis has confirmed.
    #[napi]
    pub fn listen(&self, request: u32, streams: Vec<String>) {
        let producer = self.producer.clone();
        self.producer.node_set().context().tasks.spawn(async move {
            let context = producer.node_set().context().clone();
            let outcome = match streams.is_empty() {
                true => producer.listen_own().await,
                false => producer.listen(streams).await,
            };
            context.done(request, outcome);
        });
    }

    /// Removes a delayed send on the node of `route`. The value of the request is 1 if its entry was not added yet.
    #[napi]
    pub fn cancel(&self, request: u32, route: String, stream: String, id: String) {
        let producer = self.producer.clone();
        self.producer.node_set().context().tasks.spawn(async move {
            let context = producer.node_set().context().clone();
            let outcome = producer.cancel(&route, &stream, &id).await.map(|value| {
                context.host.event(Event::Called { request, index: 0, value: &value });
            });
            context.done(request, outcome);
        });
    }

    /// Enables events for listeners of streams.
    #[napi]
    pub fn watch(&self) {
        self.producer.watch();
    }

    /// Unsubscribes, and abandons its waits.
    #[napi]
    pub fn reset(&self) {
        self.producer.reset();
    }
}

impl Drop for NativeProducer {
    fn drop(&mut self) {
        self.facade.try_with(|state| drop(state.producers.remove(self.number)));
    }
}
