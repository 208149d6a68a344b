//! A server without sockets, with a clock that stands still, for property tests and fuzzers.

use crate::redis_io::world::map::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::redis_io::resp::Scanner;

use crate::embedded::clients::client::CloseReason;
use crate::embedded::clients::client_id::ClientId;
use crate::embedded::core::Core;
use crate::embedded::dispatch;
use crate::embedded::keyspace::StoredValue;
use crate::embedded::options::ServerOptions;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::protocol::request::{self, Request};
use crate::embedded::serving;
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id::{GREATEST, LEAST};

/// A server whose clients are numbers.
pub struct OfflineServer {
    core: Core,
}

impl OfflineServer {
    /// A server with a memory limit in bytes.
    pub fn new(max_memory: usize) -> Self {
        let options = ServerOptions { max_memory, manual_clock: true, ..ServerOptions::default() };
        let names = dispatch::table().all().map(|command| command.spec.name);
        Self { core: Core::new(&options, 1, names) }
    }

    /// Connects a client.
    pub fn connect(&mut self) -> ClientId {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        self.core.connect(address, address, Arc::default())
    }

    /// Disconnects a client.
    pub fn disconnect(&mut self, client: ClientId) {
        self.core.disconnect(client);
    }

    /// Returns true if the client can call a command.
    pub fn is_free(&self, client: ClientId) -> bool {
        let client = self.core.clients.get(&client);
        client.is_some_and(|client| client.blocked.is_none() && client.ending == CloseReason::Stays)
    }

    /// Executes a command. Returns all output for the client, which can begin with pushed messages.
    pub fn execute(&mut self, client: ClientId, words: &[&[u8]]) -> Vec<u8> {
        let mut reply = ReplyBuffer::continuing(self.output(client));
        if self.is_free(client) && !words.is_empty() {
            dispatch::execute(&mut self.core, client, words, &mut reply);
        }
        let mut bytes = reply.into_bytes();
        bytes.extend(self.output(client));
        bytes
    }

    /// Executes the requests that `bytes` begins with, as a session does. Returns their output and the length of the
    /// complete requests.
    pub fn receive(&mut self, client: ClientId, scanner: &mut Scanner, bytes: &[u8]) -> (Vec<u8>, usize) {
        let (mut output, mut at) = (Vec::new(), 0);
        while self.is_free(client) {
            let rest = &bytes[at..];
            let mut words = Vec::new();
            let typed;
            at += match request::read(scanner, rest) {
                Request::Partial => break,
                Request::Empty(length) => length,
                Request::Broken(refusal) => {
                    let mut reply = ReplyBuffer::continuing(output);
                    reply.error(&refusal);
                    if let Some(client) = self.core.clients.get_mut(&client) {
                        client.ending = CloseReason::AfterReplies;
                    }
                    return (reply.into_bytes(), bytes.len());
                }
                Request::Line(length, line) => {
                    typed = line;
                    words.extend(typed.iter().map(Vec::as_slice));
                    length
                }
                Request::Array(length) => {
                    request::words(&rest[..length], &mut words);
                    length
                }
            };
            output.extend(self.execute(client, &words));
        }
        (output, at)
    }

    /// Takes the output of a client, for example of a read that was blocked.
    pub fn output(&mut self, client: ClientId) -> Vec<u8> {
        self.core.clients.get_mut(&client).map(|client| std::mem::take(&mut client.out)).unwrap_or_default()
    }

    /// Moves the clock, in ms.
    pub fn advance(&mut self, ms: u64) {
        self.core.clock.advance(ms);
        self.core.expire();
        self.core.expire_waits();
        serving::serve_ready(&mut self.core);
    }

    /// Time of the clock, in ms.
    pub fn now(&self) -> u64 {
        self.core.clock.now()
    }

    /// Counted memory of the keys, in bytes.
    pub fn used_memory(&self) -> usize {
        self.core.keyspace.used()
    }

    /// Panics if counts and indexes contradict the entries and pending entries that they describe.
    pub fn check(&self) {
        for (_, key, value) in self.core.keyspace.from(0) {
            if let StoredValue::Stream(stream) = value {
                check_stream(key, stream);
            }
        }
        for client in self.core.clients.values() {
            let watched = &client.transaction.watched;
            assert_eq!(
                watched.len(),
                watched.iter().collect::<HashSet<_>>().len(),
                "each key is watched once"
            );
        }
    }
}

fn check_stream(key: &[u8], stream: &Stream) {
    let name = String::from_utf8_lossy(key);
    let log = &stream.log;
    let entries: Vec<_> = log.range(LEAST, GREATEST).collect();
    assert_eq!(entries.len(), log.length, "{name} counts its entries");
    assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id), "{name} is in order");
    assert!(entries.iter().all(|entry| log.get(entry.id).is_some_and(|found| found.id == entry.id)));
    assert_eq!(log.first_id(), entries.first().map_or(LEAST, |entry| entry.id));
    assert_eq!(log.last_valid_id(), entries.last().map_or(LEAST, |entry| entry.id));
    let size: usize = entries.iter().map(|entry| entry.size()).sum();
    assert!(log.size >= size && (log.length > 0 || log.size == 0), "{name} counts its memory");
    for group in stream.groups.values() {
        let owned: usize = group.consumers.values().map(|consumer| consumer.pending.len()).sum();
        assert_eq!(owned, group.pending.len(), "each pending entry of {name} has one owner");
        for (id, pending) in &group.pending {
            let owner = group.consumers.get(&pending.consumer);
            assert!(owner.is_some_and(|owner| owner.pending.contains(id)), "{id} of {name} has its owner");
        }
    }
}
