//! Extracts replies from the bytes that were read, and delivers them.

use std::ops::Range;
use std::sync::Arc;

use crate::redis_io::command::Commands;
use crate::redis_io::connection::inner::DriverCommand;
use crate::redis_io::connection::request_queue::PendingCommand;
use crate::redis_io::connection::state::ConnectionState;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, ErrorAction, PushSink};
use crate::redis_io::resp::{Cursor, Reply, Scanner, Token};

/// Command that ends a sharded subscription. A node that loses a slot sends its reply without the command.
pub(crate) const SUNSUBSCRIBE: &str = "SUNSUBSCRIBE";
/// Size of one read in bytes.
const READ_SIZE: usize = 64 * 1_024;
/// Capacity that the buffer keeps after a large reply, in bytes.
const KEPT_SIZE: usize = 1_024 * 1_024;
/// Maximum size by which the buffer grows at once for an announced reply. Beyond it the buffer grows with the bytes that
/// arrive.
const LARGEST_STEP: usize = 4 * 1_024 * 1_024;

/// Read buffer of one session.
pub(crate) struct Receiver {
    shared: Arc<ConnectionState>,
    buffer: Vec<u8>,
    scanner: Scanner,
    /// Complete replies in the buffer.
    replies: Vec<Range<usize>>,
    /// Commands of these replies.
    answered: Vec<(PendingCommand, Vec<u8>)>,
}

impl Receiver {
    pub(crate) fn new(shared: Arc<ConnectionState>) -> Self {
        let buffer = Vec::with_capacity(READ_SIZE);
        Self { shared, buffer, scanner: Scanner::default(), replies: Vec::new(), answered: Vec::new() }
    }

    /// Returns the free part of the buffer.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        let spare = self.buffer.capacity() - self.buffer.len();
        let missing = self.scanner.announced().saturating_sub(self.buffer.len());
        if missing > spare && missing > READ_SIZE {
            // Exactly what a large reply takes: twice as much would be read to only in part.
            self.buffer.reserve_exact(missing.min(LARGEST_STEP.max(self.buffer.len())));
        } else if missing > spare || (missing == 0 && spare < READ_SIZE / 4) {
            self.buffer.reserve(READ_SIZE.max(self.buffer.len()));
        }
        &mut self.buffer
    }

    /// Delivers every complete reply, then ends the burst. Replies before a fault count, since their commands must not be
    /// sent again.
    pub(crate) fn hand_out(&mut self) -> Result<(), RedisError> {
        let (end, found) = self.find_replies();
        if self.replies.is_empty() {
            self.shared.lock().mark_received(self.shared.pushes.is_some());
            return found;
        }
        let handed_out = match self.shared.pushes.clone() {
            Some(pushes) => self.hand_out_mixed(pushes.as_ref()),
            None => self.hand_out_answers(),
        };
        self.replies.clear();
        self.buffer.drain(..end);
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_SIZE {
            self.buffer = Vec::with_capacity(READ_SIZE);
        }
        self.shared.burst_end();
        handed_out.and(found)
    }

    /// Returns the end of the complete replies, and an error if the rest cannot become a reply.
    fn find_replies(&mut self) -> (usize, Result<(), RedisError>) {
        let mut start = 0;
        loop {
            match self.scanner.scan(&self.buffer[start..]) {
                Ok(Some(length)) => {
                    self.replies.push(start..start + length);
                    start += length;
                }
                Ok(None) => return (start, Ok(())),
                Err(_) => return (start, Err(self.fault("The server sent bytes that are no reply."))),
            }
        }
    }

    /// Matches each reply with the next command. Takes the lock once for all of them.
    fn hand_out_answers(&mut self) -> Result<(), RedisError> {
        let mut hangs_up = false;
        {
            let mut inner = self.shared.lock();
            for range in &self.replies {
                let bytes_wanted = self.can_retry(range);
                let mut answered = inner.answer(bytes_wanted, &self.buffer[range.clone()]);
                if answered.is_none() && self.buffer[range.start] == b'-' {
                    inner.stop_flow();
                    answered = inner.queue.refuse();
                    hangs_up = true;
                }
                self.answered.extend(answered);
            }
            inner.mark_received(false);
        }
        let is_surplus = self.answered.len() < self.replies.len();
        for (range, (pending, bytes)) in self.replies.iter().zip(self.answered.drain(..)) {
            if let Some(reply) = Reply::new(&self.buffer[range.clone()]) {
                answer(&self.shared, pending, bytes, reply);
            }
        }
        if is_surplus || hangs_up { Err(self.surplus()) } else { Ok(()) }
    }

    /// Delivers the replies of a subscriber and the messages between them.
    fn hand_out_mixed(&self, pushes: &dyn PushSink) -> Result<(), RedisError> {
        for range in &self.replies {
            let Some(reply) = Reply::new(&self.buffer[range.clone()]) else { continue };
            if let Some(message) = Message::of(&reply) {
                pushes.message(message.pattern, message.channel, message.payload);
                continue;
            }
            if let Some(channel) = ended_channel(&reply)
                && !self.shared.lock().queue.is_next(SUNSUBSCRIBE, channel)
            {
                pushes.sharded_ended();
                continue;
            }
            let bytes_wanted = self.can_retry(range);
            let answered = self.shared.lock().queue.answer(bytes_wanted);
            let Some((pending, bytes)) = answered else { return Err(self.surplus()) };
            answer(&self.shared, pending, bytes, reply);
        }
        self.shared.lock().mark_received(true);
        Ok(())
    }

    /// Returns true if the reply can lead to another attempt, which needs the bytes of the command.
    fn can_retry(&self, range: &Range<usize>) -> bool {
        self.buffer[range.start] == b'-'
            && (self.shared.policy.inspects_errors() || self.shared.redirector.is_some())
    }

    fn surplus(&self) -> RedisError {
        self.fault("The server sent a reply to no command.")
    }

    fn fault(&self, message: &str) -> RedisError {
        RedisError::local(RedisErrorKind::Protocol, message, &self.shared.node())
    }
}

fn answer(shared: &Arc<ConnectionState>, pending: PendingCommand, bytes: Vec<u8>, reply: Reply<'_>) {
    let Reply::Error(text) = reply else {
        shared.deliver(pending.meta.destination, Ok(reply));
        return;
    };
    let error = RedisError::reply(text, pending.meta.name, &shared.node());
    if let Some(redirector) = &shared.redirector
        && !pending.meta.follows
        && redirector.should_redirect(&error)
    {
        redirector.redirect(pending.meta, bytes, error);
        return;
    }
    match shared.policy.on_error_reply(&error) {
        None => shared.deliver(pending.meta.destination, Err(error)),
        Some(verdict) => {
            let judged = Judged { pending, bytes, error };
            shared.tasks.spawn(judged.wait(shared.clone(), verdict));
        }
    }
}

/// Resolves an error reply with `reconnectOnError`.
struct Judged {
    pending: PendingCommand,
    bytes: Vec<u8>,
    error: RedisError,
}

impl Judged {
    async fn wait(mut self, shared: Arc<ConnectionState>, verdict: BoxFuture<ErrorAction>) {
        let verdict = tokio::select! {
            biased;
            () = shared.gone() => return self.deliver(&shared, shared.closed()),
            verdict = verdict => verdict,
        };
        if verdict != ErrorAction::Deliver {
            // Before the command is submitted again, so that it waits for the new connection.
            shared.send_command(DriverCommand::Reset);
        }
        if verdict != ErrorAction::ReconnectAndResend || self.bytes.is_empty() {
            let error = self.error.clone();
            return self.deliver(&shared, error);
        }
        let mut commands =
            Commands { bytes: std::mem::take(&mut self.bytes), metas: vec![self.pending.meta] };
        if let Err(error) = shared.submit_again(&mut commands) {
            shared.refuse(&mut commands, &error);
        }
    }

    fn deliver(self, shared: &ConnectionState, error: RedisError) {
        let error = error.of(self.pending.meta.name);
        shared.deliver(self.pending.meta.destination, Err(error));
        shared.burst_end();
    }
}

/// A published message.
struct Message<'a> {
    pattern: Option<&'a [u8]>,
    channel: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    fn of(reply: &Reply<'a>) -> Option<Self> {
        let Reply::Array(cursor) = reply else { return None };
        let mut cursor = cursor.clone();
        match bulk(&mut cursor)? {
            b"message" | b"smessage" => {
                Some(Self { pattern: None, channel: bulk(&mut cursor)?, payload: bulk(&mut cursor)? })
            }
            b"pmessage" => Some(Self {
                pattern: Some(bulk(&mut cursor)?),
                channel: bulk(&mut cursor)?,
                payload: bulk(&mut cursor)?,
            }),
            _ => None,
        }
    }
}

/// Returns the channel of a reply to SUNSUBSCRIBE.
fn ended_channel<'a>(reply: &Reply<'a>) -> Option<&'a [u8]> {
    let Reply::Array(cursor) = reply else { return None };
    let mut cursor = cursor.clone();
    (bulk(&mut cursor)? == b"sunsubscribe").then(|| bulk(&mut cursor))?
}

fn bulk<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    match cursor.token()? {
        Token::Bulk(bytes) => Some(bytes),
        _ => None,
    }
}
