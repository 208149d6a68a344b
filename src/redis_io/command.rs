//! Packed commands: RESP2 bytes, and the facts about each command.

pub use crate::redis_io::command_meta::{CommandMeta, CommandRoute, RedirectHistory};
pub use crate::redis_io::destination::{Destination, ReplyCollector, ReplySink, ReplyTag};

use crate::redis_io::error::RedisError;
use crate::redis_io::key_slot::slot_of;
use crate::redis_io::options::QueueExtent;

/// Size from which a word counts as a payload, in bytes.
const LARGE_WORD: usize = 64 * 1_024;
/// Upper bound for the RESP framing of one argument, in bytes.
const FRAME: usize = 32;

/// Commands packed for one write.
#[derive(Debug, Default)]
pub struct Commands {
    pub(crate) bytes: Vec<u8>,
    pub(crate) metas: Vec<CommandMeta>,
}

impl Commands {
    /// Starts a command of `count` words, of which `name` is the first. The rest follow by `arg…`, then
    /// [`Commands::end`].
    pub fn begin(&mut self, name: &'static str, count: usize) -> &mut Self {
        let start = self.bytes.len();
        self.metas.push(CommandMeta::beginning(name, start));
        self.header(b'*', count);
        self.arg(name.as_bytes())
    }

    /// Starts a command of `count` words with a name that errors do not show.
    pub fn begin_unnamed(&mut self, count: usize) -> &mut Self {
        let start = self.bytes.len();
        self.metas.push(CommandMeta::beginning("", start));
        self.header(b'*', count);
        self
    }

    /// Appends one word.
    pub fn arg(&mut self, word: &[u8]) -> &mut Self {
        if word.len() > LARGE_WORD.max(self.bytes.len()) {
            // Growing by as much again would leave half of it unused.
            self.bytes.reserve_exact(word.len() + FRAME);
        }
        self.header(b'$', word.len());
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Appends one word made of several parts, as keys are.
    pub fn arg_parts(&mut self, parts: &[&[u8]]) -> &mut Self {
        self.header(b'$', parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Appends one word that is a key of the command. The first key decides the node.
    pub fn key(&mut self, key: &[u8]) -> &mut Self {
        self.key_parts(&[key])
    }

    /// As [`Commands::key`], made of several parts.
    pub fn key_parts(&mut self, parts: &[&[u8]]) -> &mut Self {
        self.arg_parts(parts);
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let end = self.bytes.len() - b"\r\n".len();
        if let Some(meta) = self.metas.last_mut().filter(|meta| meta.place == CommandRoute::Anywhere) {
            // Until the command ends, its meta says where it began.
            meta.place =
                CommandRoute::Key { start: (end - length - meta.length) as u32, length: length as u32 };
        }
        self
    }

    /// Routes the command, which has no key, to the node of `key`.
    pub fn route_with(&mut self, key: &[u8]) -> &mut Self {
        if let Some(meta) = self.metas.last_mut() {
            meta.place = CommandRoute::Slot(slot_of(key));
        }
        self
    }

    /// Appends one word: a whole number as decimal text.
    pub fn arg_number(&mut self, number: u64) -> &mut Self {
        let mut digits = [0u8; 20];
        let text = decimal(number, &mut digits);
        self.arg(text)
    }

    /// Ends the last command and sets the destination of its reply.
    pub fn end(&mut self, destination: Destination) {
        let end = self.bytes.len();
        if let Some(meta) = self.metas.last_mut() {
            meta.length = end - meta.length;
            meta.destination = destination;
        }
    }

    /// As [`Commands::end`], for a command that must not be sent twice.
    pub fn end_once(&mut self, destination: Destination) {
        self.end(destination);
        self.last_once();
    }

    /// Marks the last command as one that adds the entry of a producer.
    pub fn mark_send(&mut self) -> &mut Self {
        if let Some(meta) = self.metas.last_mut() {
            meta.is_send = true;
        }
        self
    }

    /// Marks the last command as one that must not run late: see [`CommandMeta::is_fenced`].
    pub fn mark_fenced(&mut self) -> &mut Self {
        if let Some(meta) = self.metas.last_mut() {
            meta.is_fenced = true;
        }
        self
    }

    /// Forbids a second attempt for the last command.
    pub fn last_once(&mut self) {
        if let Some(meta) = self.metas.last_mut() {
            meta.resend = false;
        }
    }

    /// Forbids a second attempt for all packed commands.
    pub fn send_once(&mut self) {
        for meta in &mut self.metas {
            meta.resend = false;
        }
    }

    /// Forbids a second attempt for the last command, and any wait before the first one: see [`CommandMeta::expires`].
    pub fn last_expires(&mut self) {
        if let Some(meta) = self.metas.last_mut() {
            (meta.resend, meta.expires) = (false, true);
        }
    }

    /// As [`Commands::last_expires`], for all packed commands.
    pub fn all_expire(&mut self) {
        for meta in &mut self.metas {
            (meta.resend, meta.expires) = (false, true);
        }
    }

    /// Makes one transaction of the packed commands. None of them is sent again or redirected alone.
    pub fn bind(&mut self) {
        self.bind_from(0);
    }

    /// As [`Commands::bind`], for the commands behind the first `count`.
    pub fn bind_from(&mut self, count: usize) {
        for (at, meta) in self.metas[count..].iter_mut().enumerate() {
            meta.resend = false;
            meta.follows = at > 0;
        }
    }

    /// As [`Commands::end`], for a command that belongs to the one before it.
    pub fn end_following(&mut self, destination: Destination) {
        self.end(destination);
        if let Some(meta) = self.metas.last_mut() {
            meta.follows = true;
        }
    }

    /// Returns true if no command is packed.
    pub fn is_empty(&self) -> bool {
        self.metas.is_empty()
    }

    /// Number of packed commands.
    pub fn len(&self) -> usize {
        self.metas.len()
    }

    /// The tags of the replies that go to the sink of the link.
    pub fn tags(&self) -> impl Iterator<Item = ReplyTag> {
        self.metas.iter().filter_map(|meta| match meta.destination {
            Destination::Sink(tag) => Some(tag),
            _ => None,
        })
    }

    /// Takes the commands apart, in order.
    pub(crate) fn take_each(&mut self, mut each: impl FnMut(CommandMeta, &[u8])) {
        let mut start = 0;
        for meta in self.metas.drain(..) {
            let end = start + meta.length;
            each(meta, &self.bytes[start..end]);
            start = end;
        }
        self.bytes.clear();
    }

    /// Appends a command that was taken from elsewhere.
    pub(crate) fn append(&mut self, meta: CommandMeta, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.metas.push(meta);
    }

    /// Takes all of `others` behind its own.
    pub fn take_all(&mut self, others: &mut Self) {
        self.bytes.append(&mut others.bytes);
        self.metas.append(&mut others.metas);
    }

    /// Size of the commands in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Number and size of the commands.
    pub(crate) fn extent(&self) -> QueueExtent {
        QueueExtent { commands: self.len(), bytes: self.size() }
    }

    /// Fails all packed commands with `error`.
    pub fn refuse(&mut self, sink: &dyn ReplySink, error: &RedisError) {
        self.bytes.clear();
        for meta in self.metas.drain(..) {
            meta.destination.deliver(sink, Err(error.clone().of(meta.name)));
        }
        sink.burst_end();
    }

    fn header(&mut self, sigil: u8, number: usize) {
        let mut line = [0u8; 23];
        let [_, digits @ .., _, _] = &mut line;
        let start = digits.len() - decimal(number as u64, digits).len();
        line[start] = sigil;
        line[21..].copy_from_slice(b"\r\n");
        self.bytes.extend_from_slice(&line[start..]);
    }
}

/// Writes `number` into the end of `digits` and returns that part.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_length_prefixed_and_marked() {
        let mut commands = Commands::default();
        commands.begin("SET", 3).arg_parts(&[b"a:", b"b"]).arg_number(1024).end(Destination::Nowhere);
        commands.begin("PING", 1).end_once(Destination::Nowhere);
        assert_eq!(commands.bytes, b"*3\r\n$3\r\nSET\r\n$3\r\na:b\r\n$4\r\n1024\r\n*1\r\n$4\r\nPING\r\n");
        assert_eq!(commands.metas.iter().map(|meta| meta.length).sum::<usize>(), commands.bytes.len());
        assert_eq!(commands.metas.iter().map(|meta| meta.resend).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn what_is_taken_from_others_comes_behind() {
        let (mut commands, mut others) = (Commands::default(), Commands::default());
        commands.begin("A", 1).end(Destination::Nowhere);
        others.begin("B", 1).end_once(Destination::Nowhere);
        commands.take_all(&mut others);
        assert!(others.is_empty() && others.size() == 0);
        let mut taken = Vec::new();
        commands.take_each(|meta, bytes| taken.push((meta.name, meta.resend, bytes.to_vec())));
        assert_eq!(
            taken,
            [("A", true, b"*1\r\n$1\r\nA\r\n".to_vec()), ("B", false, b"*1\r\n$1\r\nB\r\n".to_vec())]
        );
    }

    #[test]
    fn the_first_key_says_where_a_command_goes() {
        let mut commands = Commands::default();
        commands.begin("PING", 1).end(Destination::Nowhere);
        commands.begin("SET", 3).key_parts(&[b"a:", b"b"]).arg(b"value").end(Destination::Nowhere);
        commands.begin("XREADGROUP", 3).key(b"first").key(b"second").end(Destination::Nowhere);
        let mut keys = Vec::new();
        commands.take_each(|meta, bytes| {
            keys.push(match meta.place {
                CommandRoute::Anywhere | CommandRoute::Slot(_) => None,
                CommandRoute::Key { start, length } => {
                    Some(bytes[start as usize..][..length as usize].to_vec())
                }
            });
        });
        assert_eq!(keys, [None, Some(b"a:b".to_vec()), Some(b"first".to_vec())]);
    }

    #[test]
    fn bound_commands_are_sent_once_and_behind_the_first() {
        let mut commands = Commands::default();
        for name in ["MULTI", "EXEC"] {
            commands.begin(name, 1).end(Destination::Nowhere);
        }
        commands.bind();
        let metas: Vec<_> = commands.metas.iter().map(|meta| (meta.resend, meta.follows)).collect();
        assert_eq!(metas, [(false, false), (false, true)]);
    }

    #[test]
    fn numbers_reach_from_zero_to_the_largest() {
        let mut digits = [0u8; 20];
        assert_eq!(decimal(0, &mut digits), b"0");
        assert_eq!(decimal(u64::MAX, &mut digits), b"18446744073709551615");
    }
}
