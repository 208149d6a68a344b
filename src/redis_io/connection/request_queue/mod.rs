//! Queue of the commands without a reply. Pure: no I/O.
//!
//! The same bytes serve for writing and for writing again: a reply advances `answered`, the socket advances `written`,
//! and after a lost connection `written` goes back to `answered`.
//!
//! ```text
//! chunks:  [ answered ≤      ][      ][ written ≤ ][      ]
//!                     └ sent, no reply ┘└ to be sent ──────┘
//! ```
//!
//! A chunk is freed when all of its commands have their reply, so the queue takes little more memory than its bytes. No
//! command lies in two chunks.

pub(crate) mod lost_connection;

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::redis_io::command::{CommandMeta, Commands};
use crate::redis_io::link::ReplyProgress;
use crate::redis_io::options::{QueueExtent, QueueLimit};

/// Size up to which commands share a chunk, in bytes. A larger batch gets a chunk of its own.
const CHUNK: usize = 64 * 1_024;
/// Capacity that the last chunk keeps when the queue is empty, in bytes.
const KEPT_CHUNK: usize = 1_024 * 1_024;
/// Capacity for pending commands that an empty queue keeps.
const KEPT_PENDING: usize = 4 * 1_024;

/// A command without a reply.
#[derive(Debug)]
pub struct PendingCommand {
    /// Facts about the command.
    pub meta: CommandMeta,
    /// Time at which the command fails without a reply.
    pub deadline: Option<Instant>,
    /// True once its caller has an error instead of the reply.
    pub is_given_up: bool,
}

/// Commands without a reply, in order.
#[derive(Debug, Default)]
pub struct RequestQueue {
    /// Chunks of bytes. None is empty, unless it is the only one.
    chunks: VecDeque<Vec<u8>>,
    /// Answered bytes of the first chunk.
    answered: usize,
    /// Index of the first chunk that is not written in full, or of the last one.
    writing: usize,
    /// Written bytes of that chunk.
    written: usize,
    /// Size of all commands without a reply, in bytes.
    size: usize,
    pending: VecDeque<PendingCommand>,
    /// Number of commands with a reply so far.
    answers: u64,
    /// Number of the first commands that a lost connection has written, in full or in part.
    uncertain: usize,
}

impl RequestQueue {
    /// Takes all of `commands`. `deadline` applies to those that can be sent twice, since the others wait on purpose.
    pub fn append(&mut self, commands: &mut Commands, deadline: Option<Instant>) {
        self.size += commands.bytes.len();
        match self.chunks.back_mut() {
            // Nothing to keep in order with: take the whole buffer instead of copying it.
            Some(last) if last.is_empty() => std::mem::swap(last, &mut commands.bytes),
            Some(last) if last.len() + commands.bytes.len() <= CHUNK => {
                last.extend_from_slice(&commands.bytes)
            }
            _ if commands.bytes.is_empty() => {}
            _ => self.chunks.push_back(std::mem::take(&mut commands.bytes)),
        }
        commands.bytes.clear();
        self.move_on();
        self.pending.extend(commands.metas.drain(..).map(|meta| {
            let deadline = deadline.filter(|_| meta.resend);
            PendingCommand { meta, deadline, is_given_up: false }
        }));
    }

    /// Splits off the commands that fit into the limit and returns them. Commands beyond the limit stay in `commands`.
    /// Returns `None` if all fit.
    pub fn fitting(&self, commands: &mut Commands, limit: QueueLimit) -> Option<Commands> {
        if self.fits(commands, limit) {
            return None;
        }
        let (waiting, size) = (self.pending.len(), self.size);
        let least = usize::from(waiting == 0);
        let room = limit - QueueExtent { commands: waiting, bytes: size };
        Some(commands.take_fitting(room, least))
    }

    /// Returns true if there is room for all of `commands`. A single one always fits behind nothing.
    pub fn fits(&self, commands: &Commands, limit: QueueLimit) -> bool {
        let (waiting, size) = (self.pending.len(), self.size);
        let fits = waiting + commands.len() <= limit.commands && size + commands.size() <= limit.bytes;
        fits || commands.len() <= usize::from(waiting == 0)
    }

    /// Returns the next bytes to write. Empty if everything was written.
    pub fn unwritten(&self) -> &[u8] {
        self.chunks.get(self.writing).map_or(&[], |chunk| &chunk[self.written..])
    }

    /// Marks bytes as written.
    pub fn mark_written(&mut self, count: usize) {
        self.written += count;
        self.move_on();
    }

    /// Removes the first command, which has its reply. Returns it with its bytes if they are wanted. Returns `None` if no
    /// command was written in full, so that the reply belongs to none.
    pub fn answer(&mut self, bytes_wanted: bool) -> Option<(PendingCommand, Vec<u8>)> {
        let end = self.answered + self.pending.front()?.meta.length;
        if self.writing == 0 && end > self.written {
            return None;
        }
        let pending = self.pending.pop_front()?;
        // One that follows another cannot be sent again without it.
        let bytes = match self.chunks.front() {
            Some(chunk) if bytes_wanted && !pending.meta.follows => chunk[self.answered..end].to_vec(),
            _ => Vec::new(),
        };
        self.leave_behind(&pending);
        Some((pending, bytes))
    }

    /// Returns true if the first command was written in full, has this name, and has `word` as its last word.
    pub fn is_next(&self, name: &str, word: &[u8]) -> bool {
        let Some(first) = self.pending.front().filter(|first| first.meta.name == name) else { return false };
        let end = self.answered + first.meta.length;
        let is_written = self.writing > 0 || end <= self.written;
        let bytes = self.chunks.front().and_then(|chunk| chunk.get(self.answered..end)).unwrap_or_default();
        let before = bytes.strip_suffix(b"\r\n").and_then(|bytes| bytes.strip_suffix(word));
        is_written && before.is_some_and(|before| before.ends_with(b"\r\n"))
    }

    /// Removes the first command for an error that arrives before it is written in full. Redis sends such an error before
    /// it closes the connection, for example about a value that is too long. A second attempt would fail as well.
    pub fn refuse(&mut self) -> Option<(PendingCommand, Vec<u8>)> {
        if !self.has_unanswered() {
            return None;
        }
        let pending = self.pending.pop_front()?;
        self.written = self.answered + pending.meta.length;
        self.leave_behind(&pending);
        Some((pending, Vec::new()))
    }

    /// Begins the time that the commands wait for another node.
    pub(crate) fn wait_since(&mut self, now: Instant) {
        for pending in &mut self.pending {
            pending.meta.redirects.since.get_or_insert(now);
        }
    }

    /// Number and size of the commands.
    pub(crate) fn extent(&self) -> QueueExtent {
        QueueExtent { commands: self.pending.len(), bytes: self.size }
    }

    /// Returns the first command.
    pub(crate) fn first(&self) -> Option<&CommandMeta> {
        self.pending.front().map(|pending| &pending.meta)
    }

    /// Returns the bytes of the first command.
    pub(crate) fn first_bytes(&self) -> Option<&[u8]> {
        let end = self.answered + self.pending.front()?.meta.length;
        self.chunks.front()?.get(self.answered..end)
    }

    /// Returns true if a written command has no reply.
    pub fn has_unanswered(&self) -> bool {
        self.writing > 0 || self.written > self.answered
    }

    /// Removes all commands and returns them.
    pub fn clear(&mut self) -> Vec<PendingCommand> {
        let pending = std::mem::take(&mut self.pending).into();
        *self = Self { answers: self.answers, ..Self::default() };
        pending
    }

    /// Removes all commands for another connection. A command that was written in part counts as unwritten.
    pub fn take_commands(&mut self) -> Commands {
        self.drop_given_up();
        let mut bytes = Vec::with_capacity(self.size);
        for chunk in std::mem::take(&mut self.chunks) {
            bytes.extend_from_slice(&chunk[std::mem::take(&mut self.answered)..]);
        }
        let metas = std::mem::take(&mut self.pending).into_iter().map(|pending| pending.meta).collect();
        *self = Self::default();
        Commands { bytes, metas }
    }

    /// Returns the progress of the replies.
    pub fn progress(&self) -> ReplyProgress {
        ReplyProgress { answers: self.answers, is_due: !self.pending.is_empty() }
    }

    /// Returns the earliest deadline. All commands have the same time limit, so it is the first one.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.pending.iter().find_map(|pending| pending.deadline)
    }

    /// Returns the commands whose deadline has passed. They stay in place, so that their late replies are dropped.
    pub fn expired(&mut self, now: Instant) -> impl Iterator<Item = &mut PendingCommand> {
        self.pending
            .iter_mut()
            .filter(move |pending| pending.deadline.is_some_and(|deadline| deadline <= now))
    }

    /// Returns true if every command has its reply.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Advances from a chunk that was written in full to the next.
    fn move_on(&mut self) {
        while self.writing + 1 < self.chunks.len() && self.written == self.chunks[self.writing].len() {
            self.writing += 1;
            self.written = 0;
        }
    }

    /// Removes the first command from the counts, and frees its chunk if it was the last one there.
    fn leave_behind(&mut self, pending: &PendingCommand) {
        self.answers += 1;
        self.answered += pending.meta.length;
        self.size -= pending.meta.length;
        self.move_on();
        if self.chunks.front().is_some_and(|chunk| self.answered < chunk.len()) {
            return;
        }
        self.answered = 0;
        if self.writing > 0 {
            self.chunks.pop_front();
            self.writing -= 1;
            return;
        }
        self.written = 0;
        if let Some(chunk) = self.chunks.front_mut() {
            chunk.clear();
            if chunk.capacity() > KEPT_CHUNK {
                *chunk = Vec::new();
            }
        }
        if self.pending.capacity() > KEPT_PENDING * 16 {
            self.pending.shrink_to(KEPT_PENDING);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::redis_io::command::Destination;

    pub(super) fn submit(queue: &mut RequestQueue, name: &'static str, resend: bool) {
        let mut commands = Commands::default();
        commands.begin(name, 1);
        match resend {
            true => commands.end(Destination::Nowhere),
            false => commands.end_once(Destination::Nowhere),
        }
        queue.append(&mut commands, None);
    }

    pub(super) fn names(pending: &[PendingCommand]) -> Vec<&'static str> {
        pending.iter().map(|pending| pending.meta.name).collect()
    }

    #[test]
    fn the_next_command_is_known_by_its_name_and_its_last_word_once_it_is_written() {
        let mut queue = RequestQueue::default();
        let mut commands = Commands::default();
        commands.begin("SUNSUBSCRIBE", 2).arg(b"a channel").end(Destination::Nowhere);
        queue.append(&mut commands, None);
        assert!(!queue.is_next("SUNSUBSCRIBE", b"a channel"), "not written");
        queue.mark_written(queue.unwritten().len());
        assert!(queue.is_next("SUNSUBSCRIBE", b"a channel"));
        assert!(!queue.is_next("SUNSUBSCRIBE", b"channel") && !queue.is_next("SSUBSCRIBE", b"a channel"));
        assert!(queue.answer(false).is_some() && !queue.is_next("SUNSUBSCRIBE", b"a channel"));
    }

    #[test]
    fn replies_come_in_the_order_of_the_commands() {
        let mut queue = RequestQueue::default();
        submit(&mut queue, "A", true);
        submit(&mut queue, "B", true);
        queue.mark_written(queue.unwritten().len());
        let (first, bytes) = queue.answer(true).expect("pending");
        assert_eq!((first.meta.name, bytes.as_slice()), ("A", b"*1\r\n$1\r\nA\r\n".as_slice()));
        assert_eq!(queue.answer(false).map(|(pending, _)| pending.meta.name), Some("B"));
        assert!(queue.is_empty() && queue.answer(false).is_none());
    }

    #[test]
    fn what_is_refused_before_it_was_written_whole_is_not_sent_again() {
        let mut queue = RequestQueue::default();
        submit(&mut queue, "A", true);
        submit(&mut queue, "B", true);
        assert!(queue.refuse().is_none(), "nothing was written that could be refused");
        queue.mark_written(5);
        assert!(queue.answer(false).is_none());
        assert_eq!(queue.refuse().map(|(pending, _)| pending.meta.name), Some("A"));
        assert!(queue.prepare_resend(false).is_empty());
        assert_eq!(queue.unwritten(), b"*1\r\n$1\r\nB\r\n");
    }

    #[test]
    fn what_was_not_written_in_full_has_no_reply() {
        let mut queue = RequestQueue::default();
        assert!(queue.answer(false).is_none());
        submit(&mut queue, "A", true);
        queue.mark_written(queue.unwritten().len() - 1);
        assert!(queue.answer(false).is_none());
        queue.mark_written(1);
        assert!(queue.answer(false).is_some());
    }

    #[test]
    fn a_buffer_is_taken_over_rather_than_copied() {
        let mut queue = RequestQueue::default();
        let mut commands = Commands::default();
        commands.begin("A", 1).end(Destination::Nowhere);
        let address = commands.bytes.as_ptr();
        queue.append(&mut commands, None);
        assert_eq!(queue.unwritten().as_ptr(), address);
        assert!(commands.is_empty() && commands.bytes.is_empty());
    }

    #[test]
    fn what_goes_beyond_the_limit_stays_behind_but_one_command_alone_always_fits() {
        let pack = |count: usize| {
            let mut commands = Commands::default();
            for _ in 0..count {
                commands.begin("A", 1).end(Destination::Nowhere);
            }
            commands
        };
        let each = pack(1).size();
        let mut queue = RequestQueue::default();
        let narrow = QueueLimit { commands: 9, bytes: 1 };
        assert!(queue.fitting(&mut pack(1), narrow).is_none());
        for limit in
            [QueueLimit { commands: 3, bytes: usize::MAX }, QueueLimit { commands: 9, bytes: each * 3 }]
        {
            let mut first = pack(2);
            assert!(queue.fitting(&mut first, limit).is_none());
            queue.append(&mut first, None);
            let mut second = pack(2);
            let fitting = queue.fitting(&mut second, limit).expect("one is too many");
            assert_eq!((fitting.len(), second.len()), (1, 1));
            assert_eq!(queue.clear().len(), 2);
        }
    }

    #[test]
    fn a_burst_is_given_back_when_it_is_answered() {
        let mut queue = RequestQueue::default();
        for _ in 0..200_000 {
            submit(&mut queue, "A", true);
        }
        write_all(&mut queue);
        while queue.answer(false).is_some() {}
        let kept: usize = queue.chunks.iter().map(Vec::capacity).sum();
        assert!(kept <= KEPT_CHUNK, "{kept}");
        assert!(queue.pending.capacity() <= KEPT_PENDING * 16, "{}", queue.pending.capacity());
    }

    pub(super) fn submit_large(queue: &mut RequestQueue, name: &'static str, resend: bool) {
        let mut commands = Commands::default();
        commands.begin(name, 2).arg(&[b'x'; CHUNK]);
        match resend {
            true => commands.end(Destination::Nowhere),
            false => commands.end_once(Destination::Nowhere),
        }
        queue.append(&mut commands, None);
    }

    /// Returns all bytes written by a socket that takes everything, and the number of writes.
    pub(super) fn write_all(queue: &mut RequestQueue) -> (Vec<u8>, usize) {
        let (mut bytes, mut writes) = (Vec::new(), 0);
        while !queue.unwritten().is_empty() {
            bytes.extend_from_slice(queue.unwritten());
            queue.mark_written(queue.unwritten().len());
            writes += 1;
        }
        (bytes, writes)
    }

    #[test]
    fn a_large_command_is_given_up_when_it_has_its_reply_whatever_waits_behind_it() {
        let mut queue = RequestQueue::default();
        for name in ["A", "B", "C"] {
            submit_large(&mut queue, name, true);
        }
        submit(&mut queue, "D", true);
        submit(&mut queue, "E", true);
        let (bytes, writes) = write_all(&mut queue);
        assert_eq!(writes, 4, "small ones leave together");
        assert!(bytes.ends_with(b"*1\r\n$1\r\nD\r\n*1\r\n$1\r\nE\r\n"));
        for (name, left) in [("A", 3), ("B", 2), ("C", 1), ("D", 1), ("E", 1)] {
            assert_eq!(queue.answer(false).map(|(pending, _)| pending.meta.name), Some(name));
            assert_eq!(queue.chunks.len(), left, "after {name}");
        }
        assert!(queue.size == 0 && queue.unwritten().is_empty() && !queue.has_unanswered());
    }

    #[test]
    fn answered_bytes_are_given_up() {
        let mut queue = RequestQueue::default();
        for _ in 0..20_000 {
            submit(&mut queue, "A", true);
        }
        write_all(&mut queue);
        for _ in 0..19_999 {
            queue.answer(false);
        }
        assert!(queue.chunks.len() == 1 && queue.chunks[0].len() <= CHUNK);
        assert_eq!(queue.prepare_resend(false).len(), 0);
        assert_eq!(queue.unwritten(), b"*1\r\n$1\r\nA\r\n");
    }
}
