//! Position of a group in its stream, as Redis reports it. Pure.

use crate::redis_io::streams::entry::EntryId;

use crate::engine::protocol::group_info::GroupInfo;
use crate::engine::protocol::stream_info::StreamInfo;

/// Position of a group in its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupPosition {
    /// Number of entries ever added to the stream.
    pub added: u64,
    /// Number of these that were removed.
    pub removed: u64,
    /// First entry of the stream.
    pub first: Option<EntryId>,
    /// Id of the last entry that was added.
    pub last: EntryId,
    /// Id of the last entry that was delivered to the group.
    pub delivered: EntryId,
    /// Number of entries read or passed by the group, if Redis knows it.
    pub read: Option<u64>,
    /// Number of consumers in the group.
    pub consumers: u64,
}

impl GroupPosition {
    /// Combines the replies for a group and its stream.
    pub fn new(group: GroupInfo, extent: StreamInfo) -> Self {
        let GroupInfo { delivered, read, consumers, .. } = group;
        let StreamInfo { added, length, first, last } = extent;
        let (removed, read) = (added.saturating_sub(length), read.flatten());
        Self { added, removed, first, last, delivered, read, consumers }
    }

    /// Returns true if the group has read the whole stream.
    pub(crate) fn is_at_end(&self) -> bool {
        self.delivered >= self.last
    }

    /// Number of entries that the group has passed, delivered or trimmed; `None` while some of the delivered ones are
    /// still in the stream.
    pub(crate) fn passed(&self) -> Option<u64> {
        match self.first {
            _ if self.is_at_end() => Some(self.added),
            Some(first) if first <= self.delivered => None,
            _ => Some(self.removed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(time: u64) -> EntryId {
        EntryId { time, sequence: 0 }
    }

    #[test]
    fn missing_entries_count_as_removed() {
        let group = GroupInfo { delivered: id(4), read: Some(Some(2)), consumers: 1, pending: 0, lag: None };
        let position =
            GroupPosition::new(group, StreamInfo { added: 8, length: 3, first: Some(id(7)), last: id(9) });
        assert_eq!((position.removed, position.passed(), position.is_at_end()), (5, Some(5), false));
    }
}
