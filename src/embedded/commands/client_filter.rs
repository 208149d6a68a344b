//! Filter of the clients that CLIENT LIST and CLIENT KILL choose.

use crate::embedded::clients::client::ClientState;
use crate::embedded::clients::client_id::ClientId;
use crate::embedded::command::CommandContext;
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};
use crate::embedded::protocol::number;

const BAD_ID: CommandError = CommandError::new("ERR client-id should be greater than 0");

/// Type of a client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// Has no subscription.
    Normal,
    /// Has a subscription.
    PubSub,
    /// Never matches, since the server has no replicas.
    Replication,
}

impl ClientKind {
    /// Reads a name of a type.
    pub fn parse(name: &[u8]) -> Result<Self, CommandError> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Self::Normal),
            b"pubsub" => Ok(Self::PubSub),
            b"master" | b"replica" | b"slave" => Ok(Self::Replication),
            _ => Err(CommandError::with(&[b"ERR Unknown client type '", name, b"'"])),
        }
    }
}

/// Filter for clients.
#[derive(Default)]
pub struct ClientFilter {
    /// Ids.
    pub ids: Option<Vec<i64>>,
    /// Type.
    pub kind: Option<ClientKind>,
    /// Address of the client.
    pub peer: Option<Vec<u8>>,
    /// Address of the server that the client has connected to.
    pub local: Option<Vec<u8>>,
    /// Excludes the caller.
    pub is_other: bool,
}

impl ClientFilter {
    /// Reads the filters of CLIENT KILL.
    pub fn of_kill(call: &CommandContext<'_>) -> Result<Self, CommandError> {
        let mut chosen = Self { is_other: true, ..Self::default() };
        for at in (2..call.args.len()).step_by(2) {
            let Some(&value) = call.args.get(at + 1) else { return Err(SYNTAX) };
            if call.is(at, "ID") {
                chosen.ids = Some(vec![number::parse(value).filter(|&id| id > 0).ok_or(BAD_ID)?]);
            } else if call.is(at, "TYPE") {
                chosen.kind = Some(ClientKind::parse(value)?);
            } else if call.is(at, "ADDR") {
                chosen.peer = Some(value.to_vec());
            } else if call.is(at, "LADDR") {
                chosen.local = Some(value.to_vec());
            } else if call.is(at, "USER") {
                if value != b"default" {
                    return Err(CommandError::with(&[b"ERR No such user '", value, b"'"]));
                }
            } else if call.is(at, "SKIPME") {
                chosen.is_other = match value.to_ascii_lowercase().as_slice() {
                    b"yes" => true,
                    b"no" => false,
                    _ => return Err(SYNTAX),
                };
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(chosen)
    }

    /// Returns true if a client matches. `caller` is the client that asks.
    pub fn has(&self, client: &ClientState, caller: ClientId) -> bool {
        let is_kind = |kind| match kind {
            ClientKind::Normal => client.subscriptions() == 0,
            ClientKind::PubSub => client.subscriptions() > 0,
            ClientKind::Replication => false,
        };
        self.ids.as_ref().is_none_or(|ids| ids.contains(&(client.id as i64)))
            && self.kind.is_none_or(is_kind)
            && self.peer.as_ref().is_none_or(|peer| client.peer.to_string().as_bytes() == peer)
            && self.local.as_ref().is_none_or(|local| client.local.to_string().as_bytes() == local)
            && !(self.is_other && client.id == caller)
    }
}
