//! Rate limit of a buffered entry. Pure.

/// Rate limit with whose permit an entry starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryLimit {
    /// Index of the limit.
    pub index: usize,
    /// True if each key has a budget of its own.
    pub by_key: bool,
}
