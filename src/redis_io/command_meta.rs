//! Facts about a command that are kept until its reply arrives.

use tokio::time::Instant;

use crate::redis_io::destination::Destination;

/// Rule for the node of a Cluster that a command goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommandRoute {
    /// Any node.
    #[default]
    Anywhere,
    /// Key at an offset within the bytes of the command. Only a Cluster hashes it.
    Key {
        /// Offset of the key within the bytes of the command.
        start: u32,
        /// Length of the key in bytes.
        length: u32,
    },
    /// Slot of a command without a key that belongs to commands with one.
    Slot(u16),
}

/// Facts that a link keeps of a command until its reply arrives.
#[derive(Debug)]
pub struct CommandMeta {
    /// The command's name in upper case, for errors.
    pub name: &'static str,
    /// Size of the command in bytes.
    pub length: usize,
    /// Destination of the reply.
    pub destination: Destination,
    /// Allows a second attempt if the connection drops before the reply. False for a blocking read, since each attempt
    /// can strand entries.
    pub resend: bool,
    /// Fails the command instead of a wait: for a connection, for a node of a Cluster, or for another attempt. True for a
    /// claim whose minimum idle time holds at the time of packing.
    pub expires: bool,
    /// Node of a Cluster that the command goes to.
    pub place: CommandRoute,
    /// Redirects of the command so far.
    pub redirects: RedirectHistory,
    /// Binds the command to the connection of the one before it, as in a transaction. It is sent again only together with
    /// that one.
    pub follows: bool,
    /// Adds an entry whose fields no other program sends, so that it can be found in its stream.
    pub is_send: bool,
    /// Must not run late: the client of a lost connection is ended before the command is sent again. True for a delayed send and
    /// its cancellation, of which the late one would undo the later one.
    pub is_fenced: bool,
}

impl CommandMeta {
    /// Meta of a command that begins at `start`.
    pub(crate) fn beginning(name: &'static str, start: usize) -> Self {
        let (destination, place) = (Destination::Nowhere, CommandRoute::Anywhere);
        let redirects = RedirectHistory::default();
        Self {
            name,
            length: start,
            destination,
            resend: true,
            expires: false,
            place,
            redirects,
            follows: false,
            is_send: false,
            is_fenced: false,
        }
    }

    /// Returns true if the command belongs to the transaction or request of the one `before` it.
    pub(crate) fn belongs_to(&self, before: &Self) -> bool {
        let is_of_same_request = match (&self.destination, &before.destination) {
            (Destination::Sink(tag), Destination::Sink(other)) => tag.id == other.id,
            _ => false,
        };
        self.follows || is_of_same_request
    }
}

/// Redirects and delays of a command of a Cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedirectHistory {
    /// Number of redirects to another node.
    pub redirections: u8,
    /// Start of the wait for a node that serves it.
    pub since: Option<Instant>,
}
