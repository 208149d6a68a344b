//! Buses and the user's own connections.

use std::sync::Arc;

use napi::Result;
use napi_derive::napi;

use crate::engine::bus::Bus;
use crate::engine::connections::client::Client;
use crate::engine::host::Event;
use crate::engine::host::callbacks::CallbackAnswer;
use crate::engine::partitions::declaration::declare;
use crate::engine::partitions::key_partition::partition_of;
use crate::engine::partitions::partition_name::PartitionSpread;
use crate::engine::shutdown::StopOptions;
use crate::engine::submission::RequestTarget;
use crate::redis_io::link::{ErrorAction, LinkState};
use crate::redis_io::resp::Value;

use super::batch::duration;
use super::error::invalid;
use super::event_writer::state_name;
use super::facade::Facade;
use super::native_facade::NativeFacade;
use super::options::NativeBusOptions;

/// A bus.
#[napi]
pub struct NativeBus {
    pub(super) bus: Arc<Bus>,
    pub(super) link: u32,
    pub(super) facade: Facade,
}

#[napi]
impl NativeBus {
    /// A bus that is not connected yet.
    #[napi(constructor)]
    pub fn new(facade: &NativeFacade, options: NativeBusOptions) -> Result<Self> {
        let options = options.into_engine()?;
        let facade = facade.facade.clone();
        let (bus, link) = facade.with(|state| {
            let link = state.links.reserve_many(options.nodes.len() as u32);
            let bus = Bus::new(state.context.clone(), link, options);
            state.links.insert(link, RequestTarget::Bus(bus.clone()));
            for (node, number) in (link..).enumerate().take(bus.nodes().len()).skip(1) {
                state.links.insert(number, RequestTarget::Node(bus.clone(), node));
            }
            Ok((bus, link))
        })?;
        Ok(Self { bus, link, facade })
    }

    /// The number of the bus and of its first node; those of its other nodes follow.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        self.link
    }

    /// The state of the shared connection to the first node.
    #[napi(getter)]
    pub fn status(&self) -> &'static str {
        status_of(self.bus.nodes()[0].shared())
    }

    /// The index of the node that a route leads to.
    #[napi]
    pub fn route(&self, route: String) -> u32 {
        self.bus.node_set().route(&route) as u32
    }

    /// The key of a stream on the node with that index.
    #[napi]
    pub fn stream_key(&self, node: u32, stream: String) -> Result<String> {
        let node = self.bus.nodes().get(node as usize).ok_or_else(|| invalid("The bus has no such node."))?;
        Ok(node.keys().stream(&stream))
    }

    /// Declares that a stream has `least` partitions at least. The value of the request is the count in force, which another
    /// process can have raised.
    #[napi]
    pub fn declare_partitions(&self, request: u32, stream: String, least: u32) {
        let bus = self.bus.clone();
        self.bus.context().tasks.spawn(async move {
            let context = bus.context();
            let declared = declare(bus.node_set(), &stream, least).await;
            if let Ok(count) = declared {
                let value = Value::Integer(i64::from(count));
                context.host.event(Event::Called { request, index: 0, value: &value });
            }
            context.done(request, declared.map(|_| ()));
        });
    }

    /// The names of the streams of `count` partitions of a stream.
    #[napi]
    pub fn partition_names(&self, stream: String, count: u32) -> Vec<String> {
        PartitionSpread::of(self.bus.node_set()).names(&stream, count)
    }

    /// The partition of a key among `count`.
    #[napi]
    pub fn partition_of(&self, key: String, count: u32) -> u32 {
        partition_of(&key, count)
    }

    /// Maximum number of commands, and of their bytes, that can wait for any node: the lowest limits.
    #[napi]
    pub fn queue_limit(&self) -> Vec<f64> {
        let limits = self.bus.nodes().iter().map(|node| node.queue());
        let lowest = limits.reduce(|left, right| left.min(right)).unwrap_or_default();
        vec![lowest.commands as f64, lowest.bytes as f64]
    }

    /// Random ids that lead to nodes that are not ejected, joined.
    #[napi]
    pub fn make_ids(&self, count: u32) -> String {
        self.bus.node_set().make_ids(count as usize)
    }

    /// Stops the bus. `maxWait` in ms, negative for no limit. Completes the request at the end.
    #[napi]
    pub fn stop(&self, request: u32, force: bool, max_wait: f64) {
        let bus = self.bus.clone();
        let stop = StopOptions { force, max_wait: duration(max_wait) };
        self.bus.context().tasks.spawn(async move {
            let context = bus.context().clone();
            bus.stop(stop).await;
            context.done(request, Ok(()));
        });
    }

    /// Opens connections again on use, after `stop()`.
    #[napi]
    pub fn reopen(&self) {
        self.bus.node_set().reopen();
    }

    /// Answers a `RetryAsked` with a delay in ms. Negative ends the connection.
    #[napi]
    pub fn answer_retry(&self, question: u32, delay: f64) {
        self.bus.context().callbacks.answer(question, CallbackAnswer::Retry(duration(delay)));
    }

    /// Answers a `ReconnectAsked`: 0 delivers the error, 1 reconnects, 2 reconnects and sends the command again.
    #[napi]
    pub fn answer_reconnect(&self, question: u32, verdict: u32) {
        let verdict = match verdict {
            0 => ErrorAction::Deliver,
            1 => ErrorAction::Reconnect,
            _ => ErrorAction::ReconnectAndResend,
        };
        self.bus.context().callbacks.answer(question, CallbackAnswer::Reconnect(verdict));
    }
}

impl Drop for NativeBus {
    fn drop(&mut self) {
        let numbers = self.link..self.link + self.bus.nodes().len() as u32;
        self.facade.try_with(|state| {
            for number in numbers {
                drop(state.links.remove(number));
            }
        });
    }
}

/// A connection of the user's own.
#[napi]
pub struct NativeClient {
    client: Arc<Client>,
    bus: Arc<Bus>,
    link: u32,
    facade: Facade,
}

#[napi]
impl NativeClient {
    /// A connection to the node of `bus` with that index, not open yet.
    #[napi(constructor)]
    pub fn new(bus: &NativeBus, node: u32) -> Result<Self> {
        let (facade, bus, node) = (bus.facade.clone(), bus.bus.clone(), node as usize);
        if node >= bus.nodes().len() {
            return Err(invalid("The bus has no such node."));
        }
        let (client, link) = facade.with(|state| {
            let link = state.links.reserve();
            let client = bus.user_client(node, link);
            state.links.insert(link, RequestTarget::User(bus.clone(), node, client.clone()));
            Ok((client, link))
        })?;
        Ok(Self { client, bus, link, facade })
    }

    /// The number of the connection.
    #[napi(getter)]
    pub fn number(&self) -> u32 {
        self.link
    }

    /// The state of the connection, in ioredis' words.
    #[napi(getter)]
    pub fn status(&self) -> &'static str {
        status_of(&self.client)
    }

    /// Opens the connection, unless it is lazy.
    #[napi]
    pub fn open(&self) {
        drop(self.client.link());
    }

    /// Notes a successful SELECT. The next connection selects that database too.
    #[napi]
    pub fn selected(&self, db: u32) {
        if let Some(link) = self.client.current() {
            link.selected(db);
        }
    }

    /// Closes the connection with QUIT. Completes the request at the end.
    #[napi]
    pub fn quit(&self, request: u32) {
        let (client, context) = (self.client.clone(), self.bus.context().clone());
        self.bus.context().tasks.spawn(async move {
            client.quit(std::time::Duration::from_secs(2)).await;
            context.done(request, Ok(()));
        });
    }

    /// Closes the connection at once.
    #[napi]
    pub fn disconnect(&self) {
        self.client.close();
    }
}

impl Drop for NativeClient {
    fn drop(&mut self) {
        self.facade.try_with(|state| drop(state.links.remove(self.link)));
    }
}

fn status_of(client: &Client) -> &'static str {
    match client.current() {
        Some(link) => state_name(link.state()),
        None if client.is_over() => state_name(LinkState::End),
        None => state_name(LinkState::Wait),
    }
}
