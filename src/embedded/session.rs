//! One connection: reads requests, executes them, writes replies.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::Interest;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::redis_io::locked::Locked;
use crate::redis_io::resp::Scanner;

use crate::embedded::clients::client::CloseReason;
use crate::embedded::clients::client_id::ClientId;
use crate::embedded::core::Core;
use crate::embedded::dispatch;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::protocol::request::{self, Request};
use crate::embedded::socket::ServerSocket;

/// Size of one read, in bytes.
const READ: usize = 64 * 1024;
/// Size of unwritten output above which no request is executed, in bytes. A client that does not read cannot fill the
/// memory.
const MOST_UNWRITTEN: usize = 1024 * 1024;
/// Maximum input that is read while a client is blocked, in bytes.
const MOST_UNREAD: usize = 1024 * 1024;
/// Maximum size of a request, in bytes. The default of Redis.
const LONGEST_REQUEST: usize = 1024 * 1024 * 1024;
/// A buffer that is larger than this is given back when it is empty.
const KEPT: usize = 256 * 1024;

/// A connection, which owns its place among the server's clients.
pub struct Session {
    core: Arc<Mutex<Core>>,
    socket: ServerSocket,
    id: ClientId,
    wake: Arc<Notify>,
    input: Vec<u8>,
    scanner: Scanner,
    output: Vec<u8>,
    written: usize,
}

/// Next step of a session.
struct SessionStep {
    /// Time of the next step if nothing happens before.
    until: Option<Instant>,
    /// True if more work follows as soon as everything is written.
    has_more: bool,
    /// True if the rest of a request is missing.
    is_partial: bool,
}

impl Session {
    /// A session of a client that has just connected.
    pub fn new(core: Arc<Mutex<Core>>, socket: ServerSocket) -> io::Result<Self> {
        let (peer, local) = socket.begin()?;
        let wake = Arc::new(Notify::new());
        let id = lock(&core).connect(peer, local, wake.clone());
        Ok(Self {
            core,
            socket,
            id,
            wake,
            input: Vec::new(),
            scanner: Scanner::default(),
            output: Vec::new(),
            written: 0,
        })
    }

    /// Serves the client until it disconnects or must be closed.
    pub async fn run(mut self) {
        while let Some(step) = self.serve() {
            if self.flush().is_err() {
                break;
            }
            if step.has_more && self.is_written() {
                continue;
            }
            if !self.wait(&step).await {
                break;
            }
        }
    }

    /// Executes the requests that were read, as far as possible now. Returns `None` when the client must be closed.
    fn serve(&mut self) -> Option<SessionStep> {
        let core = self.core.clone();
        let mut core = lock(&core);
        let most = longest_reply(&core);
        let mut reply =
            ReplyBuffer::continuing(std::mem::take(&mut core.clients.get_mut(&self.id)?.out)).at_most(most);
        let is_partial = self.consume(&mut core, &mut reply);
        let is_full = reply.len() >= MOST_UNWRITTEN;
        let client = core.clients.get_mut(&self.id)?;
        client.out = reply.into_bytes();
        if self.is_written() {
            self.output.clear();
            self.written = 0;
            std::mem::swap(&mut self.output, &mut client.out);
        }
        match client.ending {
            CloseReason::AtOnce => return None,
            CloseReason::AfterReplies if self.output.is_empty() => return None,
            CloseReason::AfterReplies | CloseReason::Stays => {}
        }
        let has_more = is_full || client.ending == CloseReason::AfterReplies || !client.out.is_empty();
        let deadline = client.blocked.as_ref().and_then(|blocked| blocked.deadline).map(|at| at.real);
        let is_postponed = client.is_postponed;
        let pause = core.pause.filter(|_| is_postponed).map(|pause| pause.until);
        let until = deadline.or(pause);
        if is_partial && self.input.len() > longest_request(&core) {
            return None;
        }
        Some(SessionStep { until, has_more, is_partial })
    }

    /// Returns whether the rest of a request is missing.
    fn consume(&mut self, core: &mut Core, reply: &mut ReplyBuffer) -> bool {
        let mut at = 0;
        let mut is_partial = false;
        while reply.len() < MOST_UNWRITTEN && self.is_free(core) {
            let rest = &self.input[at..];
            let (mut words, typed);
            let length = match request::read(&mut self.scanner, rest) {
                Request::Partial => {
                    is_partial = true;
                    break;
                }
                Request::Empty(length) => {
                    at += length;
                    continue;
                }
                Request::Broken(refusal) => {
                    reply.error(&refusal);
                    end(core, self.id, CloseReason::AfterReplies);
                    break;
                }
                Request::Line(length, line) => {
                    typed = line;
                    words = typed.iter().map(Vec::as_slice).collect();
                    length
                }
                Request::Array(length) => {
                    words = Vec::new();
                    request::words(&rest[..length], &mut words);
                    length
                }
            };
            if !self.attempt(core, &words, reply) {
                break;
            }
            at += length;
        }
        self.input.drain(..at);
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = Vec::new();
        }
        is_partial
    }

    /// Executes a command, unless it must wait for the end of a pause. Returns true if it was executed.
    fn attempt(&self, core: &mut Core, words: &[&[u8]], reply: &mut ReplyBuffer) -> bool {
        let is_postponed = dispatch::is_postponed(core, words);
        if let Some(client) = core.clients.get_mut(&self.id) {
            client.is_postponed = is_postponed;
        }
        if is_postponed {
            return false;
        }
        dispatch::execute(core, self.id, words, reply);
        if core.chaos.drops() || reply.is_over() {
            end(core, self.id, CloseReason::AtOnce);
        }
        true
    }

    /// Returns true if the client can call a command.
    fn is_free(&self, core: &Core) -> bool {
        core.clients
            .get(&self.id)
            .is_some_and(|client| client.blocked.is_none() && client.ending == CloseReason::Stays)
    }

    fn is_written(&self) -> bool {
        self.written == self.output.len()
    }

    /// Writes as much as the socket takes.
    fn flush(&mut self) -> io::Result<()> {
        while !self.is_written() {
            match self.socket.try_write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.output.capacity() > KEPT {
            self.output = Vec::new();
            self.written = 0;
        }
        Ok(())
    }

    /// Waits until there is something to do. Returns whether the client is still there.
    async fn wait(&mut self, step: &SessionStep) -> bool {
        let until = step.until;
        let mut interest = None;
        if step.is_partial || self.input.len() < MOST_UNREAD {
            interest = Some(Interest::READABLE);
        }
        if !self.is_written() {
            interest = Some(interest.map_or(Interest::WRITABLE, |readable| readable | Interest::WRITABLE));
        }
        tokio::select! {
            biased;
            () = self.wake.notified() => true,
            ready = self.socket.ready(interest.unwrap_or(Interest::READABLE)), if interest.is_some() => {
                !ready.unwrap_or(false) || self.read().await
            }
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                lock(&self.core).expire_waits();
                true
            }
        }
    }

    /// Reads what is there. Returns whether the client is still there.
    async fn read(&mut self) -> bool {
        self.input.reserve(READ);
        match self.socket.try_read_buf(&mut self.input) {
            Ok(0) => return false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
            Ok(_) => {}
        }
        let delay = lock(&self.core).chaos.delay();
        if let Some(delay) = delay.filter(|&delay| delay > Duration::ZERO) {
            sleep(delay).await;
        }
        true
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        lock(&self.core).disconnect(self.id);
    }
}

/// Maximum size of a request by the memory limit, in bytes.
fn longest_request(core: &Core) -> usize {
    if core.max_memory == 0 { LONGEST_REQUEST } else { core.max_memory.clamp(MOST_UNREAD, LONGEST_REQUEST) }
}

/// Maximum size of a reply by the memory limit, in bytes. All data fits in it, and a request that repeats a key cannot fill the memory.
fn longest_reply(core: &Core) -> usize {
    if core.max_memory == 0 { usize::MAX } else { 2 * longest_request(core) }
}

fn end(core: &mut Core, id: ClientId, ending: CloseReason) {
    if let Some(client) = core.clients.get_mut(&id) {
        client.ending = ending;
    }
}

/// The state; a panic under the lock is no reason for others to fail.
pub fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.locked()
}
