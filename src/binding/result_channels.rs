//! Subscriptions to the channels of results.

use std::sync::Arc;

use napi::Result;
use napi_derive::napi;

use crate::engine::result_channels::{ResultChannels, ResultPlace};

use super::bus::NativeBus;

/// Place and names of the result of a job for a group.
#[napi(object)]
pub struct NativeResultPlace {
    /// Index of the node.
    pub node: u32,
    /// Key of the result stream.
    pub key: String,
    /// Channel of its chunks.
    pub channel: String,
    /// Name of the consumer group in Redis.
    pub group: String,
}

/// Subscriptions of a bus to the channels of results.
#[napi]
pub struct NativeResultChannels {
    channels: Arc<ResultChannels>,
}

#[napi]
impl NativeResultChannels {
    /// Without subscriptions, on `bus`. Its number is one that no producer has.
    #[napi(constructor)]
    pub fn new(bus: &NativeBus) -> Result<Self> {
        let number = bus.facade.with(|state| Ok(state.producers.reserve()))?;
        Ok(Self { channels: ResultChannels::new(bus.bus.node_set().clone(), number) })
    }

    /// The number by which events name it.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        self.channels.number()
    }

    /// Place and names of the result of a job for a group.
    #[napi]
    pub fn place(&self, stream: String, group: String, job: String) -> NativeResultPlace {
        let ResultPlace { node, key, channel } = self.channels.place(&stream, &group, &job);
        let group = self.channels.node_set().keys().group(&group);
        NativeResultPlace { node: node as u32, key, channel, group }
    }

    /// Subscribes to the channel of the result stream `key`. Completes the request once Redis has confirmed it.
    #[napi]
    pub fn subscribe(&self, request: u32, node: u32, key: String, channel: String) {
        let channels = self.channels.clone();
        self.channels.node_set().context().tasks.spawn(async move {
            let context = channels.node_set().context().clone();
            context.done(request, channels.subscribe(node as usize, key, channel).await);
        });
    }

    /// Unsubscribes from a channel.
    #[napi]
    pub fn unsubscribe(&self, node: u32, channel: String) {
        self.channels.unsubscribe(node as usize, channel);
    }
}
