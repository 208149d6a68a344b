//! What MULTI and WATCH have begun on one connection.

use crate::embedded::key::Key;

/// A command's words, kept until EXEC.
pub type Queued = Vec<Box<[u8]>>;

/// The state of MULTI, and of WATCH.
#[derive(Debug, Default)]
pub struct Transaction {
    /// What EXEC will run, once MULTI was said.
    pub queued: Option<Vec<Queued>>,
    /// How much memory that takes.
    pub size: usize,
    /// Whether a command was refused since: EXEC runs nothing then.
    pub is_broken: bool,
    /// Whether EXEC has to be refused while memory is full.
    pub needs_memory: bool,
    /// The keys that are watched.
    pub watched: Vec<Key>,
    /// Whether one of them was changed: EXEC runs nothing then.
    pub is_dirty: bool,
}
