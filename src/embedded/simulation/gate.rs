//! Gate in front of the commands of a simulated server. A Cluster, a replica or a sentinel decides about them there.

use std::fmt::Debug;

/// A command in front of the gate.
#[derive(Debug)]
pub struct GatedCommand<'a> {
    /// Number of the client.
    pub client: u64,
    /// Name in lower case. Empty for a command that the server does not know.
    pub name: &'static str,
    /// All words.
    pub words: &'a [&'a [u8]],
    /// Keys of the command. EXEC has those of its transaction.
    pub keys: Vec<Vec<u8>>,
    /// Number of keys that the server has.
    pub present: usize,
    /// True if it changes keys.
    pub writes: bool,
    /// True inside a transaction.
    pub is_queued: bool,
}

/// Decision about a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// The server executes it.
    Pass,
    /// It has this reply.
    Reply(Vec<u8>),
    /// It has this error, without the sign in front of it.
    Refuse(String),
}

/// A gate.
pub trait Gate: Debug + Send + Sync {
    /// Decides about a command.
    fn decide(&self, command: &GatedCommand<'_>) -> Decision;
}
