//! State of a connection under its lock: the queue, the flow of bytes, and the command to the driver.

use std::sync::Arc;

use crate::redis_io::command::{CommandMeta, CommandRoute};
use crate::redis_io::connection::liveness::Liveness;
use crate::redis_io::connection::request_queue::{PendingCommand, RequestQueue};
use crate::redis_io::connection::resend_check::ClientIdentity;
use crate::redis_io::connection::sent_streams::SentStreams;
use crate::redis_io::connection::socket::Plain;
use crate::redis_io::error::RedisError;
use crate::redis_io::metrics::Traffic;
use crate::redis_io::resp::Reply;

/// Command to the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DriverCommand {
    /// Reconnects.
    Reset,
    /// Reconnects, since the socket takes no more bytes.
    Lost(RedisError),
    /// Close for good.
    Close,
}

/// State of a connection under its lock.
#[derive(Default)]
pub(crate) struct ConnectionInner {
    pub(crate) queue: RequestQueue,
    pub(crate) liveness: Liveness,
    traffic: Arc<Traffic>,
    /// Socket for direct writes by submitters while commands flow.
    pub(crate) direct: Option<Arc<Plain>>,
    /// True while commands can be written.
    pub(crate) flowing: bool,
    pub(crate) command: Option<DriverCommand>,
    /// Error that ended the last session or connection attempt.
    pub(crate) cause: Option<RedisError>,
    /// QUIT was submitted: new commands are refused, and the end of the connection is no error.
    pub(crate) quitting: bool,
    /// Streams that jobs were sent to, if sends are searched for.
    pub(crate) sent: Option<SentStreams>,
    /// Client of the last session that commands were written to.
    pub(crate) client: Option<ClientIdentity>,
    /// Number of searches for sends that have failed since then.
    pub(crate) failed_searches: u32,
    /// Closed for good: nothing more is taken.
    pub(crate) closing: bool,
    pub(crate) started: bool,
}

impl ConnectionInner {
    /// State of a connection that was not started.
    pub(crate) fn new(traffic: Arc<Traffic>, checks_sends: bool) -> Self {
        let sent = checks_sends.then(SentStreams::default);
        Self { traffic, sent, ..Self::default() }
    }

    /// As [`RequestQueue::answer`], and notes the entry that the reply names.
    pub(crate) fn answer(&mut self, bytes_wanted: bool, reply: &[u8]) -> Option<(PendingCommand, Vec<u8>)> {
        if let Some(sent) = &mut self.sent
            && let Some(first) = self.queue.first()
            // Most replies are of neither kind, and the bytes of a command are not looked up for them.
            && (first.is_send || sent.has_queued())
        {
            note_entry(sent, first, self.queue.first_bytes(), reply);
        }
        self.queue.answer(bytes_wanted)
    }

    /// Returns true if new commands are refused.
    pub(crate) fn is_over(&self) -> bool {
        self.closing || self.quitting
    }

    /// Returns true if commands can be written.
    pub(crate) fn is_flowing(&self) -> bool {
        self.flowing
    }

    /// Allows writes, and direct writes to `direct` by submitters, unless the session is over already.
    pub(crate) fn start_flow(&mut self, direct: Option<Arc<Plain>>) {
        self.flowing = !self.closing && self.command.is_none();
        self.liveness = Liveness::default();
        self.direct = direct.filter(|_| self.flowing);
    }

    pub(crate) fn stop_flow(&mut self) {
        self.flowing = false;
        self.direct = None;
    }

    /// Marks bytes as written.
    pub(crate) fn mark_written(&mut self, count: usize) {
        self.queue.mark_written(count);
        self.traffic.send(count);
        self.liveness.mark_written();
    }

    /// Notes received bytes. A connection that listens can receive more at any time.
    pub(crate) fn mark_received(&mut self, listens: bool) {
        self.liveness.mark_received(listens || self.queue.has_unanswered());
    }

    /// Writes until nothing is left or the socket is full. Returns true if it is full.
    pub(crate) fn write_now(&mut self, socket: &Plain) -> std::io::Result<bool> {
        while self.flowing && !self.queue.unwritten().is_empty() {
            match socket.try_write(self.queue.unwritten()) {
                Ok(count) => self.mark_written(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

fn note_entry(sent: &mut SentStreams, meta: &CommandMeta, bytes: Option<&[u8]>, reply: &[u8]) {
    if meta.is_send {
        let CommandRoute::Key { start, length } = meta.place else { return };
        let key = bytes
            .and_then(|bytes| bytes.get(start as usize..))
            .and_then(|bytes| bytes.get(..length as usize));
        let Some(key) = key else {
            return;
        };
        match Reply::new(reply) {
            Some(Reply::Bulk(id)) => sent.add(key, id),
            Some(Reply::Simple(_)) => sent.queue(key),
            _ => {}
        }
    } else if meta.name == "EXEC" {
        match Reply::new(reply) {
            Some(Reply::Array(replies)) => sent.executed(Some(&replies)),
            _ => sent.executed(None),
        }
    }
}
