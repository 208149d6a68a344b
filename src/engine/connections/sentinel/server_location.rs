//! Location of one connection to a node of sentinels: the server that the resolver gave it.

use std::sync::{Arc, Mutex, Weak};

use once_cell::sync::OnceCell;

use crate::redis_io::connection::Connection;
use crate::redis_io::link::{Link, LinkState};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{Endpoint, ReplicationRole};

/// Server of a connection. The connection is made anew once the server has the wrong role.
pub struct ServerLocation {
    /// Role of the servers that the connection can be on.
    pub(crate) role: ReplicationRole,
    connection: OnceCell<Weak<Connection>>,
    /// A lock, since the resolver announces a primary to all locations, from any task.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Address that the resolver gave. `None` while it resolves.
    at: Option<Endpoint>,
    /// True if the connection was ready since then.
    was_ready: bool,
}

impl ServerLocation {
    /// A location without a server yet.
    pub(crate) fn new(role: ReplicationRole) -> Self {
        Self { role, connection: OnceCell::new(), state: Mutex::default() }
    }

    /// Sets the connection, once.
    pub(crate) fn attach(&self, connection: &Arc<Connection>) {
        // The caller has just made the connection, so it is set once.
        let _ = self.connection.set(Arc::downgrade(connection));
    }

    /// Notes the server that the resolver gave.
    pub(crate) fn move_to(&self, server: Option<Endpoint>) {
        *self.state.locked() = State { at: server, was_ready: false };
    }

    /// Forgets the server. Returns true if there was one.
    pub(crate) fn leave(&self) -> bool {
        self.state.locked().at.take().is_some()
    }

    /// Reacts to the primary at `primary`. The connection is made anew if its own server has the wrong role now.
    pub(crate) fn promoted(&self, primary: &Endpoint) {
        let misplaced = {
            let mut state = self.state.locked();
            let is_primary = state.at.as_ref().map(|at| at.to_string() == primary.to_string());
            let wants_primary = self.role == ReplicationRole::Primary;
            let misplaced = is_primary.is_some_and(|is_primary| is_primary != wants_primary);
            if misplaced {
                // The reconnection is under way, so no second one is started.
                state.at = None;
            }
            misplaced
        };
        if misplaced && let Some(connection) = self.connection.get().and_then(Weak::upgrade) {
            connection.reset();
        }
    }

    /// Notes a state of the connection. Returns the server that was left without ever being ready.
    pub(crate) fn on_state(&self, link: LinkState) -> Option<Endpoint> {
        let mut state = self.state.locked();
        state.was_ready |= link == LinkState::Ready;
        let at = if link == LinkState::Close { state.at.take() } else { None };
        at.filter(|_| !state.was_ready)
    }
}
