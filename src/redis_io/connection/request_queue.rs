//! What was submitted and has no reply yet. Pure: no I/O.
//!
//! The same bytes serve for writing and for writing again: a reply moves `answered` on, the socket moves
//! `written`, and after a lost connection `written` goes back to `answered`.
//!
//! ```text
//! pieces:  [ answered ≤      ][      ][ written ≤ ][      ]
//!                     └ sent, no reply ┘└ to be sent ──────┘
//! ```
//!
//! A piece is given up when all of its commands have their reply, so what waits takes little more memory than it
//! has bytes. No command lies in two pieces.

use std::collections::VecDeque;
use std::time::Instant;

use crate::redis_io::command::{Commands, Mark};
use crate::redis_io::link::Progress;
use crate::redis_io::options::{QueueExtent, QueueLimit};

/// Commands are appended to a piece up to this size; more than that at once is a piece of its own.
const PIECE: usize = 64 * 1_024;
/// What is kept of the last piece when all have their reply.
const KEPT_PIECE: usize = 1_024 * 1_024;
/// What is kept of the room for so many commands when all have their reply.
const KEPT_PENDING: usize = 4 * 1_024;

/// A command without a reply.
#[derive(Debug)]
pub struct Pending {
    /// What is known of it.
    pub mark: Mark,
    /// When it fails for want of a reply.
    pub deadline: Option<Instant>,
}

/// Everything without a reply, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    /// None is empty, unless it is the only one.
    pieces: VecDeque<Vec<u8>>,
    /// How much of the first piece has been answered.
    answered: usize,
    /// Which piece is being written: the first that is not written in full, or the last.
    writing: usize,
    /// How much of that piece was written.
    written: usize,
    /// How many bytes the commands without a reply have.
    size: usize,
    pending: VecDeque<Pending>,
    /// How many commands have been answered.
    answers: u64,
}

impl Outbox {
    /// Takes all of `commands`; `deadline` applies to those that may be sent twice, since the others wait on
    /// purpose.
    pub fn append(&mut self, commands: &mut Commands, deadline: Option<Instant>) {
        self.size += commands.bytes.len();
        match self.pieces.back_mut() {
            // Nothing to keep in order with: take the whole buffer instead of copying it.
            Some(last) if last.is_empty() => std::mem::swap(last, &mut commands.bytes),
            Some(last) if last.len() + commands.bytes.len() <= PIECE => {
                last.extend_from_slice(&commands.bytes)
            }
            _ if commands.bytes.is_empty() => {}
            _ => self.pieces.push_back(std::mem::take(&mut commands.bytes)),
        }
        commands.bytes.clear();
        self.move_on();
        self.pending.extend(commands.marks.drain(..).map(|mark| {
            let deadline = deadline.filter(|_| mark.resend);
            Pending { mark, deadline }
        }));
    }

    /// Which of `commands` there is no room for any more; they stay behind there, and the others are returned.
    pub fn fitting(&self, commands: &mut Commands, limit: QueueLimit) -> Option<Commands> {
        let (waiting, size) = (self.pending.len(), self.size);
        let fits = waiting + commands.len() <= limit.commands && size + commands.size() <= limit.bytes;
        // The largest of commands can be sent if it waits for nothing before it.
        let least = usize::from(waiting == 0);
        if fits || commands.len() <= least {
            return None;
        }
        let room = limit - QueueExtent { commands: waiting, bytes: size };
        Some(commands.take_fitting(room, least))
    }

    /// What is to be written next; empty if everything was written.
    pub fn unwritten(&self) -> &[u8] {
        self.pieces.get(self.writing).map_or(&[], |piece| &piece[self.written..])
    }

    /// So many bytes of that were written.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
        self.move_on();
    }

    /// The first command has its reply; with its bytes if they are wanted. `None` if no command can have one, since
    /// none was written: then the reply is nobody's.
    pub fn answer(&mut self, bytes_wanted: bool) -> Option<(Pending, Vec<u8>)> {
        let end = self.answered + self.pending.front()?.mark.length;
        if self.writing == 0 && end > self.written {
            return None;
        }
        let pending = self.pending.pop_front()?;
        // One that follows another cannot be sent again without it.
        let bytes = match self.pieces.front() {
            Some(piece) if bytes_wanted && !pending.mark.follows => piece[self.answered..end].to_vec(),
            _ => Vec::new(),
        };
        self.leave_behind(&pending);
        Some((pending, bytes))
    }

    /// An error that comes before the first command was written whole is what Redis says to it before it hangs up, as
    /// to a value that is too long for it. Nothing can be written after that, and sent again it would be refused again.
    pub fn refuse(&mut self) -> Option<(Pending, Vec<u8>)> {
        if !self.is_owed() {
            return None;
        }
        let pending = self.pending.pop_front()?;
        self.written = self.answered + pending.mark.length;
        self.leave_behind(&pending);
        Some((pending, Vec::new()))
    }

    /// The connection is gone. What may be sent again will be; the rest of what was written is returned, with
    /// what follows any of that. `all_written` gives up everything that was written, whatever it is.
    pub fn rewind(&mut self, all_written: bool) -> Vec<Pending> {
        let written = (self.writing, self.written);
        if written == (0, 0) {
            // Nothing has happened to what waits, which may be a lot.
            return Vec::new();
        }
        let mut waiting = std::mem::take(&mut self.pending).into_iter();
        let mut lost = Vec::new();
        let mut start = std::mem::take(&mut self.answered);
        let mut last_is_kept = false;
        for (number, piece) in std::mem::take(&mut self.pieces).into_iter().enumerate() {
            let mut kept = Vec::new();
            while start < piece.len()
                && let Some(pending) = waiting.next()
            {
                let end = start + pending.mark.length;
                let is_lost = (number, start) < written && (all_written || !pending.mark.resend);
                last_is_kept = !is_lost && (last_is_kept || !pending.mark.follows);
                if last_is_kept {
                    kept.extend_from_slice(&piece[start..end]);
                    self.pending.push_back(pending);
                } else {
                    self.size -= pending.mark.length;
                    lost.push(pending);
                }
                start = end;
            }
            start = 0;
            if !kept.is_empty() {
                self.pieces.push_back(kept);
            }
        }
        (self.writing, self.written) = (0, 0);
        lost
    }

    /// Whether something that was written has no reply yet.
    pub fn is_owed(&self) -> bool {
        self.writing > 0 || self.written > self.answered
    }

    /// Gives everything up.
    pub fn clear(&mut self) -> Vec<Pending> {
        let pending = std::mem::take(&mut self.pending).into();
        *self = Self { answers: self.answers, ..Self::default() };
        pending
    }

    /// Gives everything up to be sent elsewhere. What was written in part is as good as new.
    pub fn take_commands(&mut self) -> Commands {
        let mut bytes = Vec::with_capacity(self.size);
        for piece in std::mem::take(&mut self.pieces) {
            bytes.extend_from_slice(&piece[std::mem::take(&mut self.answered)..]);
        }
        let marks = std::mem::take(&mut self.pending).into_iter().map(|pending| pending.mark).collect();
        *self = Self::default();
        Commands { bytes, marks }
    }

    /// Whether answers come.
    pub fn progress(&self) -> Progress {
        Progress { answers: self.answers, is_due: !self.pending.is_empty() }
    }

    /// The earliest deadline. All commands have the same time to run, so it is the first one's that has any.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.pending.iter().find_map(|pending| pending.deadline)
    }

    /// The commands whose deadline has come; they stay in place, so that their replies find nobody.
    pub fn expired(&mut self, now: Instant) -> impl Iterator<Item = &mut Pending> {
        self.pending
            .iter_mut()
            .filter(move |pending| pending.deadline.is_some_and(|deadline| deadline <= now))
    }

    /// Whether everything has its reply.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// From a piece that was written in full to the next.
    fn move_on(&mut self) {
        while self.writing + 1 < self.pieces.len() && self.written == self.pieces[self.writing].len() {
            self.writing += 1;
            self.written = 0;
        }
    }

    /// The first command is dealt with; its piece is given up if it was the last one there.
    fn leave_behind(&mut self, pending: &Pending) {
        self.answers += 1;
        self.answered += pending.mark.length;
        self.size -= pending.mark.length;
        self.move_on();
        if self.pieces.front().is_some_and(|piece| self.answered < piece.len()) {
            return;
        }
        self.answered = 0;
        if self.writing > 0 {
            self.pieces.pop_front();
            self.writing -= 1;
            return;
        }
        self.written = 0;
        if let Some(piece) = self.pieces.front_mut() {
            piece.clear();
            if piece.capacity() > KEPT_PIECE {
                *piece = Vec::new();
            }
        }
        if self.pending.capacity() > KEPT_PENDING * 16 {
            self.pending.shrink_to(KEPT_PENDING);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_io::command::Destination;

    fn submit(outbox: &mut Outbox, name: &'static str, resend: bool) {
        let mut commands = Commands::default();
        commands.begin(name, 1);
        match resend {
            true => commands.end(Destination::Nowhere),
            false => commands.end_once(Destination::Nowhere),
        }
        outbox.append(&mut commands, None);
    }

    fn names(pending: &[Pending]) -> Vec<&'static str> {
        pending.iter().map(|pending| pending.mark.name).collect()
    }

    #[test]
    fn replies_come_in_the_order_of_the_commands() {
        let mut outbox = Outbox::default();
        submit(&mut outbox, "A", true);
        submit(&mut outbox, "B", true);
        outbox.wrote(outbox.unwritten().len());
        let (first, bytes) = outbox.answer(true).expect("pending");
        assert_eq!((first.mark.name, bytes.as_slice()), ("A", b"*1\r\n$1\r\nA\r\n".as_slice()));
        assert_eq!(outbox.answer(false).map(|(pending, _)| pending.mark.name), Some("B"));
        assert!(outbox.is_empty() && outbox.answer(false).is_none());
    }

    #[test]
    fn a_lost_connection_sends_again_what_may_be_sent_again() {
        let mut outbox = Outbox::default();
        for (name, resend) in [("A", true), ("READ", false), ("B", true)] {
            submit(&mut outbox, name, resend);
        }
        outbox.wrote(outbox.unwritten().len());
        outbox.answer(false);
        submit(&mut outbox, "LATER", false);
        assert_eq!(names(&outbox.rewind(false)), ["READ"]);
        assert_eq!(outbox.unwritten(), b"*1\r\n$1\r\nB\r\n*1\r\n$5\r\nLATER\r\n");
        outbox.wrote(1);
        assert_eq!(names(&outbox.rewind(true)), ["B"], "a command written in part counts as written");
        assert_eq!(names(&outbox.clear()), ["LATER"]);
    }

    #[test]
    fn what_is_refused_before_it_was_written_whole_is_not_sent_again() {
        let mut outbox = Outbox::default();
        submit(&mut outbox, "A", true);
        submit(&mut outbox, "B", true);
        assert!(outbox.refuse().is_none(), "nothing was written that could be refused");
        outbox.wrote(5);
        assert!(outbox.answer(false).is_none());
        assert_eq!(outbox.refuse().map(|(pending, _)| pending.mark.name), Some("A"));
        assert!(outbox.rewind(false).is_empty());
        assert_eq!(outbox.unwritten(), b"*1\r\n$1\r\nB\r\n");
    }

    fn submit_transaction(outbox: &mut Outbox) {
        let mut commands = Commands::default();
        commands.begin("MULTI", 1).end(Destination::Nowhere);
        commands.begin("SET", 1).end_following(Destination::Nowhere);
        commands.begin("EXEC", 1).end_following(Destination::Nowhere);
        outbox.append(&mut commands, None);
    }

    #[test]
    fn a_transaction_is_sent_again_whole_or_not_at_all() {
        let mut outbox = Outbox::default();
        submit_transaction(&mut outbox);
        submit(&mut outbox, "A", true);
        outbox.wrote(10);
        assert!(outbox.rewind(false).is_empty(), "nothing of it was answered");
        outbox.wrote(16);
        outbox.answer(false);
        assert_eq!(names(&outbox.rewind(false)), ["SET", "EXEC"], "whether they were written or not");
        assert_eq!(outbox.unwritten(), b"*1\r\n$1\r\nA\r\n");

        let mut outbox = Outbox::default();
        submit_transaction(&mut outbox);
        outbox.wrote(10);
        assert_eq!(names(&outbox.rewind(true)), ["MULTI", "SET", "EXEC"]);
    }

    #[test]
    fn what_was_not_written_in_full_has_no_reply() {
        let mut outbox = Outbox::default();
        assert!(outbox.answer(false).is_none());
        submit(&mut outbox, "A", true);
        outbox.wrote(outbox.unwritten().len() - 1);
        assert!(outbox.answer(false).is_none());
        outbox.wrote(1);
        assert!(outbox.answer(false).is_some());
    }

    #[test]
    fn a_buffer_is_taken_over_rather_than_copied() {
        let mut outbox = Outbox::default();
        let mut commands = Commands::default();
        commands.begin("A", 1).end(Destination::Nowhere);
        let address = commands.bytes.as_ptr();
        outbox.append(&mut commands, None);
        assert_eq!(outbox.unwritten().as_ptr(), address);
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
        let mut outbox = Outbox::default();
        let narrow = QueueLimit { commands: 9, bytes: 1 };
        assert!(outbox.fitting(&mut pack(1), narrow).is_none());
        for limit in
            [QueueLimit { commands: 3, bytes: usize::MAX }, QueueLimit { commands: 9, bytes: each * 3 }]
        {
            let mut first = pack(2);
            assert!(outbox.fitting(&mut first, limit).is_none());
            outbox.append(&mut first, None);
            let mut second = pack(2);
            let fitting = outbox.fitting(&mut second, limit).expect("one is too many");
            assert_eq!((fitting.len(), second.len()), (1, 1));
            assert_eq!(outbox.clear().len(), 2);
        }
    }

    #[test]
    fn a_burst_is_given_back_when_it_is_answered() {
        let mut outbox = Outbox::default();
        for _ in 0..200_000 {
            submit(&mut outbox, "A", true);
        }
        write_all(&mut outbox);
        while outbox.answer(false).is_some() {}
        let kept: usize = outbox.pieces.iter().map(Vec::capacity).sum();
        assert!(kept <= KEPT_PIECE, "{kept}");
        assert!(outbox.pending.capacity() <= KEPT_PENDING * 16, "{}", outbox.pending.capacity());
    }

    fn submit_large(outbox: &mut Outbox, name: &'static str, resend: bool) {
        let mut commands = Commands::default();
        commands.begin(name, 2).arg(&[b'x'; PIECE]);
        match resend {
            true => commands.end(Destination::Nowhere),
            false => commands.end_once(Destination::Nowhere),
        }
        outbox.append(&mut commands, None);
    }

    /// What is written while the socket takes all, and how often it is asked to.
    fn write_all(outbox: &mut Outbox) -> (Vec<u8>, usize) {
        let (mut bytes, mut writes) = (Vec::new(), 0);
        while !outbox.unwritten().is_empty() {
            bytes.extend_from_slice(outbox.unwritten());
            outbox.wrote(outbox.unwritten().len());
            writes += 1;
        }
        (bytes, writes)
    }

    #[test]
    fn a_large_command_is_given_up_when_it_has_its_reply_whatever_waits_behind_it() {
        let mut outbox = Outbox::default();
        for name in ["A", "B", "C"] {
            submit_large(&mut outbox, name, true);
        }
        submit(&mut outbox, "D", true);
        submit(&mut outbox, "E", true);
        let (bytes, writes) = write_all(&mut outbox);
        assert_eq!(writes, 4, "small ones leave together");
        assert!(bytes.ends_with(b"*1\r\n$1\r\nD\r\n*1\r\n$1\r\nE\r\n"));
        for (name, left) in [("A", 3), ("B", 2), ("C", 1), ("D", 1), ("E", 1)] {
            assert_eq!(outbox.answer(false).map(|(pending, _)| pending.mark.name), Some(name));
            assert_eq!(outbox.pieces.len(), left, "after {name}");
        }
        assert!(outbox.size == 0 && outbox.unwritten().is_empty() && !outbox.is_owed());
    }

    #[test]
    fn pieces_are_sent_again_from_the_first_that_has_no_reply() {
        let mut outbox = Outbox::default();
        for (name, resend) in [("A", true), ("READ", false), ("B", true), ("LATER", false)] {
            submit_large(&mut outbox, name, resend);
        }
        for _ in 0..3 {
            outbox.wrote(outbox.unwritten().len());
        }
        assert!(outbox.answer(false).is_some());
        assert_eq!(names(&outbox.rewind(false)), ["READ"]);
        let size = outbox.size;
        let (bytes, _) = write_all(&mut outbox);
        assert!(bytes.starts_with(b"*2\r\n$1\r\nB\r\n") && bytes.len() == size);
        outbox.rewind(false);
        submit(&mut outbox, "C", true);
        let (size, commands) = (outbox.size, outbox.take_commands());
        assert_eq!((commands.size(), commands.len()), (size, 2), "LATER was written, and is lost");
    }

    #[test]
    fn answered_bytes_are_given_up() {
        let mut outbox = Outbox::default();
        for _ in 0..20_000 {
            submit(&mut outbox, "A", true);
        }
        write_all(&mut outbox);
        for _ in 0..19_999 {
            outbox.answer(false);
        }
        assert!(outbox.pieces.len() == 1 && outbox.pieces[0].len() <= PIECE);
        assert_eq!(outbox.rewind(false).len(), 0);
        assert_eq!(outbox.unwritten(), b"*1\r\n$1\r\nA\r\n");
    }
}
