//! Numbers of clients.

/// Number of a client, in the order of connection.
pub type ClientId = u64;
