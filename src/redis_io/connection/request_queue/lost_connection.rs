//! The queue after a lost connection: commands that are written again, those that the server can have, and those whose
//! callers have an error already.

use crate::redis_io::command::CommandMeta;
use crate::redis_io::connection::request_queue::{PendingCommand, RequestQueue};
use crate::redis_io::world::fault::planted;

impl RequestQueue {
    /// Prepares the queue for a new connection. Commands that can be sent again stay. The other written commands and
    /// their followers are removed and returned, and so are all commands that must not wait. `all_written` removes every
    /// written command.
    pub fn prepare_resend(&mut self, all_written: bool) -> Vec<PendingCommand> {
        let written = (self.writing, self.written);
        if written == (0, 0) && !self.pending.iter().any(|pending| pending.meta.expires) {
            // Nothing was written, and the queue can be long.
            return Vec::new();
        }
        let mut waiting = std::mem::take(&mut self.pending).into_iter();
        let mut lost = Vec::new();
        let mut start = std::mem::take(&mut self.answered);
        let mut last_is_kept = false;
        self.uncertain = 0;
        for (number, chunk) in std::mem::take(&mut self.chunks).into_iter().enumerate() {
            let mut kept = Vec::new();
            while start < chunk.len()
                && let Some(pending) = waiting.next()
            {
                let end = start + pending.meta.length;
                let is_lost = pending.meta.expires
                    || (number, start) < written && (all_written || !pending.meta.resend);
                if planted("forgotten resend") && (number, start) < written && !is_lost {
                    start = end;
                    self.size -= pending.meta.length;
                    continue;
                }
                last_is_kept = !is_lost && (last_is_kept || !pending.meta.follows);
                if last_is_kept {
                    kept.extend_from_slice(&chunk[start..end]);
                    self.pending.push_back(pending);
                    self.uncertain += usize::from((number, start) < written);
                } else {
                    self.size -= pending.meta.length;
                    lost.push(pending);
                }
                start = end;
            }
            start = 0;
            if !kept.is_empty() {
                self.chunks.push_back(kept);
            }
        }
        (self.writing, self.written) = (0, 0);
        lost
    }

    /// Number of the first commands that a lost connection has written.
    pub(crate) fn uncertain(&self) -> usize {
        self.uncertain
    }

    /// Visits the commands that a lost connection has written, and those that follow the last one, with their positions.
    pub(crate) fn each_uncertain(&self, mut visit: impl FnMut(usize, &CommandMeta, &[u8])) {
        let mut waiting = self.pending.iter().enumerate().peekable();
        let mut start = self.answered;
        for chunk in &self.chunks {
            while start < chunk.len()
                && let Some((position, pending)) =
                    waiting.next_if(|(position, next)| *position < self.uncertain || next.meta.follows)
            {
                let end = start + pending.meta.length;
                visit(position, &pending.meta, &chunk[start..end]);
                start = end;
            }
            start = 0;
        }
    }

    /// Removes the commands at positions that `is_found` has, of those that a lost connection has written. From now on
    /// the others count as unwritten.
    pub(crate) fn take_found(&mut self, is_found: impl Fn(usize) -> bool) -> Vec<PendingCommand> {
        if !(0..std::mem::take(&mut self.uncertain).max(1)).any(&is_found) {
            // The queue can be long.
            return Vec::new();
        }
        let mut waiting = std::mem::take(&mut self.pending).into_iter().enumerate();
        let (mut found, mut start) = (Vec::new(), std::mem::take(&mut self.answered));
        for chunk in std::mem::take(&mut self.chunks) {
            let mut kept = Vec::new();
            while start < chunk.len()
                && let Some((position, pending)) = waiting.next()
            {
                let end = start + pending.meta.length;
                if is_found(position) {
                    self.size -= pending.meta.length;
                    found.push(pending);
                } else {
                    kept.extend_from_slice(&chunk[start..end]);
                    self.pending.push_back(pending);
                }
                start = end;
            }
            start = 0;
            if !kept.is_empty() {
                self.chunks.push_back(kept);
            }
        }
        found
    }

    /// Removes the sends whose callers have an error already, before a new connection writes. A transaction stays if one of its
    /// commands is waited for.
    pub(crate) fn drop_given_up(&mut self) {
        if (self.writing, self.written) != (0, 0) || !self.pending.iter().any(|pending| pending.is_given_up) {
            return;
        }
        let given_up = self.given_up_sends();
        let uncertain = self.uncertain;
        let is_dropped = |position: usize| given_up[position];
        self.uncertain = self.pending.len();
        drop(self.take_found(is_dropped));
        self.uncertain =
            given_up[..uncertain.min(given_up.len())].iter().filter(|dropped| !**dropped).count();
    }

    /// For each command, returns true if its request is a send that no caller waits for.
    fn given_up_sends(&self) -> Vec<bool> {
        let mut given_up = vec![false; self.pending.len()];
        let mut first = 0;
        while first < self.pending.len() {
            let followers = self.pending.range(first + 1..).take_while(|pending| pending.meta.follows);
            let end = first + 1 + followers.count();
            let is_send = self.pending.range(first..end).any(|pending| pending.meta.is_send);
            let is_given_up = self.pending.range(first..end).all(|pending| pending.is_given_up);
            given_up[first..end].fill(is_send && is_given_up);
            first = end;
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_io::command::{Commands, Destination};
    use crate::redis_io::connection::request_queue::tests::{names, submit, submit_large, write_all};

    fn submit_transaction(queue: &mut RequestQueue) {
        let mut commands = Commands::default();
        commands.begin("MULTI", 1).end(Destination::Nowhere);
        commands.begin("SET", 1).end_following(Destination::Nowhere);
        commands.begin("EXEC", 1).end_following(Destination::Nowhere);
        queue.append(&mut commands, None);
    }

    #[test]
    fn a_lost_connection_sends_again_what_may_be_sent_again() {
        let mut queue = RequestQueue::default();
        for (name, resend) in [("A", true), ("READ", false), ("B", true)] {
            submit(&mut queue, name, resend);
        }
        queue.mark_written(queue.unwritten().len());
        queue.answer(false);
        submit(&mut queue, "LATER", false);
        assert_eq!(names(&queue.prepare_resend(false)), ["READ"]);
        assert_eq!(queue.unwritten(), b"*1\r\n$1\r\nB\r\n*1\r\n$5\r\nLATER\r\n");
        queue.mark_written(1);
        assert_eq!(names(&queue.prepare_resend(true)), ["B"], "a command written in part counts as written");
        assert_eq!(names(&queue.clear()), ["LATER"]);
    }

    #[test]
    fn a_lost_connection_drops_what_expires_whether_it_was_written_or_not() {
        let submit_expiring = |queue: &mut RequestQueue, name| {
            let mut commands = Commands::default();
            commands.begin(name, 1).end(Destination::Nowhere);
            commands.last_expires();
            queue.append(&mut commands, None);
        };
        let mut queue = RequestQueue::default();
        submit_expiring(&mut queue, "X");
        submit(&mut queue, "A", true);
        assert_eq!(names(&queue.prepare_resend(false)), ["X"], "nothing was written");
        queue.mark_written(queue.unwritten().len());
        submit_expiring(&mut queue, "Y");
        submit(&mut queue, "B", true);
        assert_eq!(names(&queue.prepare_resend(false)), ["Y"]);
        assert_eq!((queue.unwritten(), queue.size), (b"*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n".as_slice(), 22));
    }

    #[test]
    fn what_a_lost_connection_has_written_is_known_until_it_is_looked_for() {
        let uncertain = |queue: &RequestQueue| {
            let mut found = Vec::new();
            queue.each_uncertain(|position, meta, bytes| found.push((position, meta.name, bytes.len())));
            found
        };
        let mut queue = RequestQueue::default();
        for name in ["A", "B", "C"] {
            submit(&mut queue, name, true);
        }
        assert_eq!(uncertain(&queue), []);
        queue.mark_written(queue.unwritten().len() / 3 + 1);
        queue.prepare_resend(false);
        assert_eq!(uncertain(&queue), [(0, "A", 11), (1, "B", 11)]);
        queue.prepare_resend(false);
        assert_eq!(queue.uncertain(), 2, "another attempt has written nothing");
        assert_eq!(names(&queue.take_found(|position| position == 1)), ["B"]);
        assert_eq!((uncertain(&queue).len(), queue.size), (0, 22));
        assert_eq!(queue.unwritten(), b"*1\r\n$1\r\nA\r\n*1\r\n$1\r\nC\r\n");
        let mut queue = RequestQueue::default();
        submit_transaction(&mut queue);
        queue.mark_written(1);
        queue.prepare_resend(false);
        assert_eq!(uncertain(&queue).len(), 3, "with the rest of the transaction");
    }

    #[test]
    fn a_transaction_is_sent_again_whole_or_not_at_all() {
        let mut queue = RequestQueue::default();
        submit_transaction(&mut queue);
        submit(&mut queue, "A", true);
        queue.mark_written(10);
        assert!(queue.prepare_resend(false).is_empty(), "nothing of it was answered");
        queue.mark_written(16);
        queue.answer(false);
        assert_eq!(names(&queue.prepare_resend(false)), ["SET", "EXEC"], "whether they were written or not");
        assert_eq!(queue.unwritten(), b"*1\r\n$1\r\nA\r\n");

        let mut queue = RequestQueue::default();
        submit_transaction(&mut queue);
        queue.mark_written(10);
        assert_eq!(names(&queue.prepare_resend(true)), ["MULTI", "SET", "EXEC"]);
    }

    #[test]
    fn pieces_are_sent_again_from_the_first_that_has_no_reply() {
        let mut queue = RequestQueue::default();
        for (name, resend) in [("A", true), ("READ", false), ("B", true), ("LATER", false)] {
            submit_large(&mut queue, name, resend);
        }
        for _ in 0..3 {
            queue.mark_written(queue.unwritten().len());
        }
        assert!(queue.answer(false).is_some());
        assert_eq!(names(&queue.prepare_resend(false)), ["READ"]);
        let size = queue.size;
        let (bytes, _) = write_all(&mut queue);
        assert!(bytes.starts_with(b"*2\r\n$1\r\nB\r\n") && bytes.len() == size);
        queue.prepare_resend(false);
        submit(&mut queue, "C", true);
        let (size, commands) = (queue.size, queue.take_commands());
        assert_eq!((commands.size(), commands.len()), (size, 2), "LATER was written, and is lost");
    }

    /// Gives the commands at some positions up.
    fn give_up(queue: &mut RequestQueue, positions: &[usize]) {
        for &position in positions {
            queue.pending[position].is_given_up = true;
        }
    }

    /// Marks the commands of a name as sends.
    fn mark_sends(queue: &mut RequestQueue, name: &str) {
        queue.pending.iter_mut().for_each(|pending| pending.meta.is_send |= pending.meta.name == name);
    }

    #[test]
    fn a_send_that_was_given_up_before_it_was_written_is_not_written() {
        let mut queue = RequestQueue::default();
        for name in ["XADD", "GET", "XADD", "XADD"] {
            submit(&mut queue, name, true);
        }
        mark_sends(&mut queue, "XADD");
        give_up(&mut queue, &[0, 1, 2]);
        queue.drop_given_up();
        assert_eq!((queue.pending.len(), queue.size), (2, 13 + 14));
        let (bytes, _) = write_all(&mut queue);
        assert_eq!(bytes, b"*1\r\n$3\r\nGET\r\n*1\r\n$4\r\nXADD\r\n");
        give_up(&mut queue, &[1]);
        queue.drop_given_up();
        assert_eq!(queue.pending.len(), 2, "a written one has a reply");
        queue.prepare_resend(false);
        assert_eq!(queue.uncertain(), 2);
        queue.drop_given_up();
        assert_eq!((queue.uncertain(), names(&queue.clear())), (1, vec!["GET"]));
    }

    #[test]
    fn a_transaction_is_dropped_whole_or_not_at_all() {
        let mut queue = RequestQueue::default();
        submit_transaction(&mut queue);
        submit_transaction(&mut queue);
        mark_sends(&mut queue, "SET");
        give_up(&mut queue, &[0, 1, 2, 3, 4]);
        queue.drop_given_up();
        assert_eq!(queue.pending.len(), 3);
        give_up(&mut queue, &[2]);
        queue.drop_given_up();
        assert!(queue.is_empty() && queue.unwritten().is_empty() && queue.size == 0);
        submit(&mut queue, "A", true);
        assert_eq!(queue.unwritten(), b"*1\r\n$1\r\nA\r\n");
    }
}
