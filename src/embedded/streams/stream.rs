//! A stream: entries, and the groups that read them.

use std::collections::BTreeMap;

use crate::embedded::key::Key;
use crate::embedded::streams::group::ConsumerGroup;
use crate::embedded::streams::log::Log;

/// Memory of an empty stream, in bytes.
const OVERHEAD: usize = 256;

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Its entries.
    pub log: Log,
    /// Its groups by their names.
    pub groups: BTreeMap<Key, ConsumerGroup>,
}

impl Stream {
    /// Memory of the stream, in bytes.
    pub fn size(&self) -> usize {
        OVERHEAD
            + self.log.size
            + self.groups.iter().map(|(name, group)| name.len() + group.size()).sum::<usize>()
    }
}
