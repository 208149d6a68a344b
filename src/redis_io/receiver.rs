//! Takes replies out of what was read and hands them to who waits.

use std::ops::Range;
use std::sync::Arc;

use super::codec::{Cursor, Reply, Scanner, Token};
use super::command::{Commands, Destination};
use super::connection::{Order, Shared};
use super::error::{RedisError, RedisErrorKind};
use super::link::{BoxFuture, Verdict};
use super::outbox::Pending;

/// How much is read at once.
const READ_SIZE: usize = 64 * 1_024;
/// A buffer that a large reply made grow beyond this is given back.
const KEPT_SIZE: usize = 1_024 * 1_024;

/// The read buffer of one session.
pub(super) struct Receiver {
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    scanner: Scanner,
    /// Complete replies in the buffer.
    replies: Vec<Range<usize>>,
    /// The commands these replies are for.
    answered: Vec<(Pending, Vec<u8>)>,
}

impl Receiver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let buffer = Vec::with_capacity(READ_SIZE);
        Self { shared, buffer, scanner: Scanner::default(), replies: Vec::new(), answered: Vec::new() }
    }

    /// Where to read to.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare < READ_SIZE / 4 {
            // A reply that is larger than the buffer makes it grow by as much again each time.
            self.buffer.reserve(READ_SIZE.max(self.buffer.len()));
        }
        &mut self.buffer
    }

    /// Hands out every complete reply, then says once that this was all.
    pub(super) fn hand_out(&mut self) -> Result<(), RedisError> {
        let end = self.find_replies()?;
        if self.replies.is_empty() {
            return Ok(());
        }
        match self.shared.pushes.is_some() {
            true => self.hand_out_mixed(),
            false => self.hand_out_answers(),
        }
        self.replies.clear();
        self.buffer.drain(..end);
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_SIZE {
            self.buffer = Vec::with_capacity(READ_SIZE);
        }
        self.shared.burst_end();
        Ok(())
    }

    fn find_replies(&mut self) -> Result<usize, RedisError> {
        let mut start = 0;
        loop {
            match self.scanner.scan(&self.buffer[start..]) {
                Ok(Some(length)) => {
                    self.replies.push(start..start + length);
                    start += length;
                }
                Ok(None) => return Ok(start),
                Err(_) => {
                    let message = "The server sent bytes that are no reply.";
                    return Err(RedisError::local(RedisErrorKind::Protocol, message, &self.shared.node));
                }
            }
        }
    }

    /// Each reply answers the next command; the lock is taken once for all of them.
    fn hand_out_answers(&mut self) {
        {
            let judges = self.shared.policy.judges();
            let mut inner = self.shared.lock();
            for range in &self.replies {
                let is_error = self.buffer[range.start] == b'-';
                self.answered.extend(inner.outbox.answer(judges && is_error));
            }
        }
        for (range, (pending, bytes)) in self.replies.iter().zip(self.answered.drain(..)) {
            if let Some(reply) = Reply::new(&self.buffer[range.clone()]) {
                answer(&self.shared, pending, bytes, reply);
            }
        }
    }

    /// A subscriber's replies come with published messages in between.
    fn hand_out_mixed(&mut self) {
        let Some(pushes) = self.shared.pushes.clone() else { return };
        for range in &self.replies {
            let Some(reply) = Reply::new(&self.buffer[range.clone()]) else { continue };
            if let Some(message) = Message::of(&reply) {
                pushes.message(message.pattern, message.channel, message.payload);
                continue;
            }
            let answered = self.shared.lock().outbox.answer(false);
            if let Some((pending, _)) = answered {
                answer(&self.shared, pending, Vec::new(), reply);
            }
        }
    }
}

fn answer(shared: &Arc<Shared>, pending: Pending, bytes: Vec<u8>, reply: Reply<'_>) {
    let Reply::Error(text) = reply else {
        shared.deliver(pending.mark.destination, Ok(reply));
        return;
    };
    let error = RedisError::reply(text, pending.mark.name, &shared.node);
    match shared.policy.judge(&error) {
        None => shared.deliver(pending.mark.destination, Err(error)),
        Some(verdict) => {
            let judged = Judged { pending, bytes, error };
            shared.runtime.spawn(judged.wait(shared.clone(), verdict));
        }
    }
}

/// An error reply that waits for `reconnectOnError`.
struct Judged {
    pending: Pending,
    bytes: Vec<u8>,
    error: RedisError,
}

impl Judged {
    async fn wait(self, shared: Arc<Shared>, verdict: BoxFuture<Verdict>) {
        let verdict = verdict.await;
        if verdict != Verdict::Deliver {
            shared.order(Order::Reset);
        }
        if verdict == Verdict::ReconnectAndResend {
            let mut commands = Commands { bytes: self.bytes, marks: vec![self.pending.mark] };
            let mut inner = shared.lock();
            if !inner.closing {
                shared.take(&mut inner, &mut commands);
                return;
            }
            drop(inner);
            let destination = commands.marks.pop().map_or(Destination::Nowhere, |mark| mark.destination);
            shared.deliver(destination, Err(shared.closed()));
        } else {
            shared.deliver(self.pending.mark.destination, Err(self.error));
        }
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
            b"message" => {
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

fn bulk<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    match cursor.token()? {
        Token::Bulk(bytes) => Some(bytes),
        _ => None,
    }
}
