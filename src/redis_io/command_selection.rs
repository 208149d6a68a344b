//! Selection of packed commands: those that fit into a queue, and those that are refused.

use crate::redis_io::command::Commands;
use crate::redis_io::command_meta::CommandMeta;
use crate::redis_io::options::QueueLimit;

impl Commands {
    /// Takes the first commands that fit into `room`, but at least `least`. Commands of one request or transaction are
    /// taken together or not at all, since the last reply of a request must come last.
    pub(crate) fn take_fitting(&mut self, room: QueueLimit, least: usize) -> Self {
        let (mut count, mut size) = (0, 0);
        for unit in self.metas.chunk_by(|before, meta| meta.belongs_to(before)) {
            let (next_count, length) =
                (count + unit.len(), unit.iter().map(|meta| meta.length).sum::<usize>());
            let fits = next_count <= room.commands && size + length <= room.bytes;
            if !fits && next_count > least {
                break;
            }
            (count, size) = (next_count, size + length);
        }
        let rest = Self { bytes: self.bytes.split_off(size), metas: self.metas.split_off(count) };
        std::mem::replace(self, rest)
    }

    /// Takes the requests and transactions that exceed a limit by themselves. One command alone never does. Their bytes are
    /// dropped, since they can never be sent.
    pub(crate) fn take_too_large(&mut self, limit: QueueLimit) -> Vec<CommandMeta> {
        let is_too_large = |unit: &[CommandMeta]| {
            let size = unit.iter().map(|meta| meta.length).sum::<usize>();
            unit.len() > 1 && (unit.len() > limit.commands || size > limit.bytes)
        };
        let units = self.metas.chunk_by(|before, meta| meta.belongs_to(before));
        let marks: Vec<bool> =
            units.flat_map(|unit| std::iter::repeat_n(is_too_large(unit), unit.len())).collect();
        if !marks.contains(&true) {
            return Vec::new();
        }
        self.take_marked(&marks)
    }

    /// Takes the commands that must not wait. Their bytes are dropped.
    pub(crate) fn take_expiring(&mut self) -> Vec<CommandMeta> {
        if !self.metas.iter().any(|meta| meta.expires) {
            return Vec::new();
        }
        let marks: Vec<bool> = self.metas.iter().map(|meta| meta.expires).collect();
        self.take_marked(&marks)
    }

    /// Takes the commands with a mark. Their bytes are dropped.
    fn take_marked(&mut self, marks: &[bool]) -> Vec<CommandMeta> {
        let (mut taken, mut start, mut end) = (Vec::new(), 0, 0);
        for (meta, is_taken) in std::mem::take(&mut self.metas).into_iter().zip(marks) {
            let next = start + meta.length;
            if *is_taken {
                taken.push(meta);
            } else {
                self.bytes.copy_within(start..next, end);
                end += meta.length;
                self.metas.push(meta);
            }
            start = next;
        }
        self.bytes.truncate(end);
        taken
    }
}

#[cfg(test)]
mod tests {
    use crate::redis_io::command::{Commands, Destination, ReplyTag};
    use crate::redis_io::options::QueueLimit;

    #[test]
    fn as_many_commands_are_taken_as_there_is_room_for() {
        let pack = || {
            let mut commands = Commands::default();
            for name in ["A", "B", "C"] {
                commands.begin(name, 1).end(Destination::Nowhere);
            }
            commands
        };
        let each = pack().size() / 3;
        for (room, expected) in [
            (QueueLimit { commands: 2, bytes: usize::MAX }, 2),
            (QueueLimit { commands: 9, bytes: each * 2 - 1 }, 1),
            (QueueLimit { commands: 0, bytes: 9 }, 0),
            (QueueLimit { commands: 3, bytes: each * 3 }, 3),
        ] {
            let mut commands = pack();
            let fitting = commands.take_fitting(room, 0);
            assert_eq!((fitting.len(), commands.len()), (expected, 3 - expected));
            assert_eq!((fitting.size(), commands.size()), (expected * each, (3 - expected) * each));
        }
        assert_eq!(pack().take_fitting(QueueLimit { commands: 3, bytes: 0 }, 1).len(), 1);
    }

    #[test]
    fn commands_that_expire_are_taken_from_the_others() {
        let mut commands = Commands::default();
        for name in ["A", "BB", "C"] {
            commands.begin(name, 1).end(Destination::Nowhere);
        }
        assert!(commands.take_expiring().is_empty());
        commands.begin("DDD", 1).end(Destination::Nowhere);
        commands.last_expires();
        commands.metas[1].expires = true;
        let names: Vec<_> = commands.take_expiring().iter().map(|meta| meta.name).collect();
        assert_eq!(
            (names, commands.bytes.as_slice()),
            (vec!["BB", "DDD"], b"*1\r\n$1\r\nA\r\n*1\r\n$1\r\nC\r\n".as_slice())
        );
        commands.all_expire();
        assert!(commands.metas.iter().all(|meta| meta.expires && !meta.resend));
        assert_eq!((commands.take_expiring().len(), commands.size(), commands.len()), (2, 0, 0));
    }

    #[test]
    fn a_transaction_finds_room_whole_or_not_at_all() {
        let mut commands = Commands::default();
        commands.begin("A", 1).end(Destination::Nowhere);
        commands.begin("MULTI", 1).end(Destination::Nowhere);
        commands.begin("EXEC", 1).end_following(Destination::Nowhere);
        let fitting = commands.take_fitting(QueueLimit { commands: 2, bytes: usize::MAX }, 1);
        assert_eq!((fitting.len(), commands.len()), (1, 2));
        assert!(commands.take_fitting(QueueLimit { commands: 1, bytes: usize::MAX }, 1).is_empty());
        assert_eq!(commands.take_fitting(QueueLimit { commands: 2, bytes: usize::MAX }, 1).len(), 2);
    }

    #[test]
    fn requests_that_exceed_the_limit_by_themselves_are_taken_from_the_others() {
        let mut commands = Commands::default();
        for (id, name) in [(1, "A"), (2, "BB"), (2, "BB"), (2, "BB"), (3, "C"), (3, "C"), (4, "DDDDDDDDDD")] {
            commands.begin(name, 1).end(Destination::Sink(ReplyTag { kind: 0, index: 0, id }));
        }
        let limit = QueueLimit { commands: 2, bytes: usize::MAX };
        let too_large = commands.take_too_large(limit);
        assert_eq!(too_large.iter().map(|meta| meta.name).collect::<Vec<_>>(), ["BB", "BB", "BB"]);
        assert!(commands.take_too_large(limit).is_empty());
        let too_large = commands.take_too_large(QueueLimit { commands: 9, bytes: 15 });
        assert_eq!(too_large.iter().map(|meta| meta.name).collect::<Vec<_>>(), ["C", "C"]);
        let mut left = Vec::new();
        commands.take_each(|meta, bytes| left.push((meta.name, String::from_utf8_lossy(bytes).into_owned())));
        let word = |word: &str| format!("*1\r\n${}\r\n{word}\r\n", word.len());
        assert_eq!(left, [("A", word("A")), ("DDDDDDDDDD", word("DDDDDDDDDD"))]);
    }

    #[test]
    fn a_request_finds_room_whole_or_not_at_all() {
        let mut commands = Commands::default();
        for id in [1, 1, 2, 2] {
            commands.begin("GET", 1).end(Destination::Sink(ReplyTag { kind: 0, index: 0, id }));
        }
        let fitting = commands.take_fitting(QueueLimit { commands: 3, bytes: usize::MAX }, 1);
        assert_eq!((fitting.len(), commands.len()), (2, 2));
        assert!(commands.take_fitting(QueueLimit { commands: 1, bytes: usize::MAX }, 1).is_empty());
    }
}
