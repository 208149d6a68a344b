//! Packs XTRIM below an id.

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::streams::entry::EntryId;

/// Removal of the entries of a stream below an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// First id that stays.
    pub below: EntryId,
    /// Maximum number of entries that are removed, as whole nodes of the stream. `None` removes all of them exactly.
    pub limit: Option<u64>,
    /// True if Redis keeps entries that a group has not acknowledged, from Redis 8.2 on.
    pub checks_groups: bool,
}

impl Trim {
    /// Packs `XTRIM key MINID = id [ACKED]` or `XTRIM key MINID ~ id LIMIT count [ACKED]`. It is not sent again after a
    /// failover, since the new primary can know fewer acknowledgements.
    pub fn pack(&self, commands: &mut Commands, key: &str, to: Destination) {
        let words = 5 + if self.limit.is_some() { 2 } else { 0 } + usize::from(self.checks_groups);
        commands.begin("XTRIM", words).key(key.as_bytes()).arg(b"MINID");
        commands.arg(if self.limit.is_some() { b"~" } else { b"=" }).arg(self.below.to_string().as_bytes());
        if let Some(limit) = self.limit {
            commands.arg(b"LIMIT").arg_number(limit);
        }
        if self.checks_groups {
            commands.arg(b"ACKED");
        }
        commands.end_once(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_not_sent_again() {
        let mut commands = Commands::default();
        for limit in [None, Some(10)] {
            let below = EntryId { time: 1, sequence: 0 };
            Trim { below, limit, checks_groups: true }.pack(&mut commands, "stream", Destination::Nowhere);
        }
        let mut resent = Vec::new();
        commands.take_each(|meta, _| resent.push(meta.resend));
        assert_eq!(resent, [false, false]);
    }
}
