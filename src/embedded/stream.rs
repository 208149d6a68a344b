//! A stream: entries, and the groups that read them.

use std::collections::BTreeMap;

use crate::embedded::group::Group;
use crate::embedded::key::Key;
use crate::embedded::log::Log;

/// What an empty stream takes.
const OVERHEAD: usize = 256;

/// A stream.
#[derive(Debug, Default)]
pub struct Stream {
    /// Its entries.
    pub log: Log,
    /// Its groups by their names.
    pub groups: BTreeMap<Key, Group>,
}

impl Stream {
    /// How much memory it takes.
    pub fn size(&self) -> usize {
        OVERHEAD
            + self.log.size
            + self.groups.iter().map(|(name, group)| name.len() + group.size()).sum::<usize>()
    }
}
