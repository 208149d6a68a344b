//! Packs the requests of one host packet and submits them, in one write for each run of commands to one connection.

use std::sync::Arc;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::keys::Keys;

use crate::engine::bus::Bus;
use crate::engine::connections::client::Client;
use crate::engine::host::RequestId;
use crate::engine::producer::Producer;
use crate::engine::producer::sending::send_plan::QueuedSend;
use crate::engine::producer::transaction::SendTransaction;
use crate::engine::protocol::payload_commands::PayloadPacker;
use crate::engine::protocol::reply_tag::{LAST, ReplyKind};

/// Connections that a request of the host goes to.
#[derive(Clone)]
pub enum RequestTarget {
    /// Shared connections of a bus. The job decides the node.
    Bus(Arc<Bus>),
    /// Shared connection to the node with that index.
    Node(Arc<Bus>, usize),
    /// Connection of the user, to the node with that index.
    User(Arc<Bus>, usize, Arc<Client>),
}

impl RequestTarget {
    fn node(&self, job: &str) -> usize {
        match self {
            Self::Bus(bus) => bus.node_set().route(job),
            Self::Node(_, node) | Self::User(_, node, _) => *node,
        }
    }

    /// Node of a command without a job. The number of a bus is that of its first node.
    fn node_of_call(&self) -> usize {
        match self {
            Self::Bus(_) => 0,
            Self::Node(_, node) | Self::User(_, node, _) => *node,
        }
    }

    fn keys(&self, node: usize) -> &Keys {
        let (Self::Bus(bus) | Self::Node(bus, _) | Self::User(bus, _, _)) = self;
        bus.nodes()[node].keys()
    }

    fn client(&self, node: usize) -> &Client {
        match self {
            Self::Bus(bus) | Self::Node(bus, _) => bus.nodes()[node].shared(),
            Self::User(_, _, client) => client,
        }
    }
}

/// Commands for one connection, which change to another connection submits.
///
/// The host names a target by number. `find` looks the number up, and is called only for a number that differs from the one
/// before it.
#[derive(Default)]
pub struct Submission {
    commands: Commands,
    current: Option<Current>,
}

struct Current {
    number: u32,
    node: usize,
    target: RequestTarget,
}

impl Submission {
    /// Begins the payload commands of one job. Returns `None` if the target is unknown.
    pub fn payload<'a, 't>(
        &'a mut self,
        number: u32,
        find: impl FnOnce() -> Option<&'t RequestTarget>,
        job: &'a str,
        request: RequestId,
    ) -> Option<PayloadPacker<'a>> {
        let (commands, keys) = self.stage(number, find, |target| target.node(job))?;
        Some(PayloadPacker { commands, keys, job, request })
    }

    /// Packs the XADD of one job. Returns false if the target is unknown.
    pub fn send<'t>(
        &mut self,
        number: u32,
        find: impl FnOnce() -> Option<&'t RequestTarget>,
        producer: &Arc<Producer>,
        sending: QueuedSend,
    ) -> bool {
        let node = sending.node(producer.node_set());
        let Some((commands, _)) = self.stage(number, find, |_| node) else { return false };
        producer.send(commands, sending);
        true
    }

    /// Packs the jobs of one transaction. Returns false if the target is unknown.
    pub fn send_together<'t>(
        &mut self,
        number: u32,
        find: impl FnOnce() -> Option<&'t RequestTarget>,
        producer: &Arc<Producer>,
        transaction: SendTransaction,
    ) -> bool {
        let node = transaction.node(producer.node_set());
        let Some((commands, _)) = self.stage(number, find, |_| node) else { return false };
        producer.send_together(commands, transaction);
        true
    }

    /// Begins a command of the user with `count` words. Returns `None` if the target is unknown.
    pub fn call<'a, 't>(
        &'a mut self,
        number: u32,
        find: impl FnOnce() -> Option<&'t RequestTarget>,
        count: usize,
    ) -> Option<CallPacker<'a>> {
        let (commands, _) = self.stage(number, find, RequestTarget::node_of_call)?;
        commands.begin_unnamed(count);
        Some(CallPacker { commands })
    }

    /// Submits the packed commands to their connection.
    pub fn flush(&mut self) {
        if let Some(Current { node, target, .. }) = self.current.take() {
            target.client(node).submit(&mut self.commands);
        }
    }

    /// Returns the commands for a node and its key names, after commands for another connection were submitted.
    fn stage<'t>(
        &mut self,
        number: u32,
        find: impl FnOnce() -> Option<&'t RequestTarget>,
        choose: impl FnOnce(&RequestTarget) -> usize,
    ) -> Option<(&mut Commands, &Keys)> {
        match &mut self.current {
            Some(current) if current.number == number => {
                let node = choose(&current.target);
                if node != current.node {
                    current.target.client(current.node).submit(&mut self.commands);
                    current.node = node;
                }
            }
            _ => {
                let target = find()?.clone();
                self.flush();
                self.current = Some(Current { number, node: choose(&target), target });
            }
        }
        let current = self.current.as_ref()?;
        Some((&mut self.commands, current.target.keys(current.node)))
    }
}

/// Packs one command of the user.
pub struct CallPacker<'a> {
    commands: &'a mut Commands,
}

/// Position of a command among those that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOrder {
    /// The command stands for itself. It can be sent again on a new connection.
    Single,
    /// The command belongs to the transaction of the one before it.
    Follows,
    /// The command is never sent again.
    Once,
}

impl CallPacker<'_> {
    /// Appends one word.
    pub fn arg(&mut self, word: &[u8]) {
        self.commands.arg(word);
    }

    /// Appends the key that decides the node of a Cluster.
    pub fn key(&mut self, word: &[u8]) {
        self.commands.key(word);
    }

    /// Routes the command, which has no key, to the node of Cluster that has `key`.
    pub fn route_with(&mut self, key: &[u8]) {
        self.commands.route_with(key);
    }

    /// Ends the command. Its reply goes to `request` under `index`; `last` marks the last reply of the request.
    pub fn end(self, request: RequestId, index: u32, last: bool, order: CallOrder) {
        let index = if last { index | LAST } else { index };
        let to = Destination::Sink(ReplyTag { kind: ReplyKind::Call as u8, index, id: u64::from(request) });
        match order {
            CallOrder::Single => self.commands.end(to),
            CallOrder::Follows => self.commands.end_following(to),
            CallOrder::Once => self.commands.end_once(to),
        }
    }
}
