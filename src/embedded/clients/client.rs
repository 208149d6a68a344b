//! State of one connection.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::embedded::clients::client_id::ClientId;
use crate::embedded::clients::transaction::Transaction;
use crate::embedded::clients::waiting::Blocked;
use crate::embedded::key::Key;

/// Maximum output that is kept for a subscriber or monitor that does not read, as in Redis by default. Other clients
/// cannot send more requests, see the session.
const MOST_UNREAD: usize = 32 * 1024 * 1024;

/// Time at which a connection closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseReason {
    /// It is not.
    #[default]
    Stays,
    /// After all output is written.
    AfterReplies,
    /// Without writing anything more.
    AtOnce,
}

/// Replies that a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// All but the next.
    SkipNext,
    /// All except the reply of the current command.
    Skip,
}

/// Library of a client, by CLIENT SETINFO.
#[derive(Debug, Default)]
pub struct ClientLibrary {
    /// Its name.
    pub name: Vec<u8>,
    /// Its version.
    pub version: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub struct ClientState {
    /// Its number.
    pub id: ClientId,
    /// Remote address.
    pub peer: SocketAddr,
    /// Local address.
    pub local: SocketAddr,
    /// Name set by CLIENT SETNAME.
    pub name: Vec<u8>,
    /// Library of the client.
    pub library: ClientLibrary,
    /// True if the client can send commands.
    pub is_authenticated: bool,
    /// Time of the connection.
    pub since: Instant,
    /// Time of the last command.
    pub active: Instant,
    /// Name of the last command.
    pub last_command: &'static str,
    /// MULTI and WATCH.
    pub transaction: Transaction,
    /// Channels that it is subscribed to.
    pub channels: BTreeSet<Key>,
    /// Patterns that it is subscribed to.
    pub patterns: BTreeSet<Key>,
    /// True if it receives every command, as a monitor.
    pub is_monitor: bool,
    /// Read that it is blocked in.
    pub blocked: Option<Blocked>,
    /// True if its next command waits for the end of a pause.
    pub is_postponed: bool,
    /// Replies that it wants.
    pub replies: Replies,
    /// Time at which it closes.
    pub ending: CloseReason,
    /// Output to write. The session takes it while it executes commands.
    pub out: Vec<u8>,
    /// Wakes the session when something of this was changed by another.
    pub wake: Arc<Notify>,
}

impl ClientState {
    /// A client that has just connected.
    pub fn new(id: ClientId, peer: SocketAddr, local: SocketAddr, wake: Arc<Notify>) -> Self {
        let now = Instant::now();
        Self {
            id,
            peer,
            local,
            name: Vec::new(),
            library: ClientLibrary::default(),
            is_authenticated: false,
            since: now,
            active: now,
            last_command: "NULL",
            transaction: Transaction::default(),
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            is_monitor: false,
            blocked: None,
            is_postponed: false,
            replies: Replies::On,
            ending: CloseReason::Stays,
            out: Vec::new(),
            wake,
        }
    }

    /// Number of its channels and patterns.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Sends something unasked. A client that does not read what it asked to hear is closed.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > MOST_UNREAD {
            self.close();
            return;
        }
        self.out.extend_from_slice(bytes);
        self.wake.notify_one();
    }

    /// Has the connection closed at once.
    pub fn close(&mut self) {
        self.ending = CloseReason::AtOnce;
        self.wake.notify_one();
    }

    /// As CLIENT LIST says it.
    pub fn describe(&self) -> String {
        let name = String::from_utf8_lossy(&self.name);
        let queued = self.transaction.queued.as_ref().map_or(-1, |queued| queued.len() as i64);
        format!(
            "id={} addr={} laddr={} fd=0 name={name} age={} idle={} flags={} db=0 sub={} psub={} ssub=0 \
             multi={queued} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem={} tot-mem={} \
             events=r cmd={} user=default redir=-1 resp=2 lib-name={} lib-ver={}",
            self.id,
            self.peer,
            self.local,
            self.since.elapsed().as_secs(),
            self.active.elapsed().as_secs(),
            self.flags(),
            self.channels.len(),
            self.patterns.len(),
            self.out.len(),
            self.out.capacity() + std::mem::size_of::<Self>(),
            self.last_command,
            String::from_utf8_lossy(&self.library.name),
            String::from_utf8_lossy(&self.library.version),
        )
    }

    fn flags(&self) -> String {
        let states = [
            ('O', self.is_monitor),
            ('b', self.blocked.is_some() || self.is_postponed),
            ('P', self.subscriptions() > 0),
            ('x', self.transaction.queued.is_some()),
            ('d', self.transaction.is_dirty),
            ('c', self.ending == CloseReason::AfterReplies),
        ];
        let flags: String = states.iter().filter(|(_, is_so)| *is_so).map(|(flag, _)| flag).collect();
        if flags.is_empty() { "N".to_owned() } else { flags }
    }
}
