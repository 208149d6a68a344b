//! Encodes replies in RESP2.

use crate::redis_io::streams::entry::EntryId;

use crate::embedded::protocol::command_error::CommandError;
use crate::embedded::protocol::number;

/// Output for one client.
#[derive(Debug)]
pub struct ReplyBuffer {
    bytes: Vec<u8>,
    most: usize,
    is_over: bool,
}

impl Default for ReplyBuffer {
    fn default() -> Self {
        Self::continuing(Vec::new())
    }
}

/// An array whose length is not known yet.
pub struct Open {
    at: usize,
}

impl ReplyBuffer {
    /// Appends to what is there already.
    pub fn continuing(bytes: Vec<u8>) -> Self {
        Self { bytes, most: usize::MAX, is_over: false }
    }

    /// Limits the size in bytes, since a few words can ask for the same entries many times.
    pub fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Returns true if the reply exceeded its limit, so that it is unusable.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the encoded bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Number of encoded bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns what was encoded beyond `length`.
    #[cfg(feature = "simulation")]
    pub fn since(&self, length: usize) -> &[u8] {
        &self.bytes[length.min(self.bytes.len())..]
    }

    /// Takes back what was encoded beyond `length`.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// `OK`.
    pub fn ok(&mut self) {
        self.simple("OK");
    }

    /// A status.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error.
    pub fn error(&mut self, refusal: &CommandError) {
        self.line(b'-', refusal.text());
    }

    /// A number.
    pub fn integer(&mut self, number: impl Into<i128>) {
        self.header(b':', number);
    }

    /// Encodes a count.
    pub fn count(&mut self, count: usize) {
        self.integer(count as u64);
    }

    /// A string of bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len() as u64);
        self.raw(bytes);
        self.raw(b"\r\n");
    }

    /// A string of bytes, or nothing.
    pub fn maybe(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.nil(),
        }
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// A number as a string.
    pub fn digits(&mut self, number: impl Into<i128>) {
        let mut digits = Vec::with_capacity(20);
        number::write(&mut digits, number);
        self.bulk(&digits);
    }

    /// The id of an entry.
    pub fn id(&mut self, id: EntryId) {
        let mut text = Vec::with_capacity(42);
        number::write(&mut text, id.time);
        text.push(b'-');
        number::write(&mut text, id.sequence);
        self.bulk(&text);
    }

    /// A missing string.
    pub fn nil(&mut self) {
        self.raw(b"$-1\r\n");
    }

    /// A missing array.
    pub fn nil_array(&mut self) {
        self.raw(b"*-1\r\n");
    }

    /// An array, whose elements follow.
    pub fn array(&mut self, length: usize) {
        self.header(b'*', length as u64);
    }

    /// An array, whose elements follow, and [`ReplyBuffer::close`] after them.
    pub fn open(&self) -> Open {
        Open { at: self.bytes.len() }
    }

    /// Ends an array of `length` elements.
    pub fn close(&mut self, open: Open, length: usize) {
        let mut header = vec![b'*'];
        number::write(&mut header, length as u64);
        header.extend_from_slice(b"\r\n");
        self.bytes.splice(open.at..open.at, header);
    }

    /// Appends bytes that were encoded before.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.is_over |= bytes.len() > self.most.saturating_sub(self.bytes.len());
        if !self.is_over {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, sigil: u8, text: &[u8]) {
        self.raw(&[sigil]);
        self.raw(text);
        self.raw(b"\r\n");
    }

    fn header(&mut self, sigil: u8, number: impl Into<i128>) {
        if self.is_over {
            return;
        }
        self.bytes.push(sigil);
        number::write(&mut self.bytes, number);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_encoded_than_may_be() {
        let mut reply = ReplyBuffer::continuing(b"+OK\r\n".to_vec()).at_most(30);
        reply.bulk(&[b'x'; 10]);
        assert!(!reply.is_over());
        for _ in 0..1000 {
            reply.bulk(&[b'x'; 10]);
            reply.integer(1);
        }
        assert!(reply.is_over());
        assert!(reply.len() < 40, "{}", reply.len());
    }

    #[test]
    fn an_array_is_closed_around_what_was_written_since() {
        let mut reply = ReplyBuffer::default();
        reply.ok();
        let open = reply.open();
        reply.integer(-5);
        reply.id(EntryId { time: 12, sequence: 0 });
        reply.close(open, 2);
        assert_eq!(reply.into_bytes(), b"+OK\r\n*2\r\n:-5\r\n$4\r\n12-0\r\n");
    }
}
