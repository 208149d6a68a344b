//! Transaction of one connection, by MULTI and WATCH.

use crate::embedded::key::Key;

/// A command's words, kept until EXEC.
pub type Queued = Vec<Box<[u8]>>;

/// The state of MULTI, and of WATCH.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Commands that EXEC will run, after MULTI.
    pub queued: Option<Vec<Queued>>,
    /// Memory of those commands, in bytes.
    pub size: usize,
    /// True if a command was refused since MULTI. EXEC runs nothing then.
    pub is_broken: bool,
    /// True if EXEC must be refused while memory is full.
    pub needs_memory: bool,
    /// The keys that are watched.
    pub watched: Vec<Key>,
    /// True if a watched key has changed. EXEC runs nothing then.
    pub is_dirty: bool,
}
