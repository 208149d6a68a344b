//! Changes of the servers behind the shared connections of a bus. A server that takes the place of another one can lack its
//! last writes, and so can one that was started again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::redis_io::locked::Locked;
use crate::redis_io::world::map::HashMap;

/// Counter of the sessions with another server than the session before.
#[derive(Debug, Default)]
pub struct ServerChanges {
    count: AtomicU64,
    /// The `run_id` of INFO, by place; `None` for a server that did not say. A lock, since each node has a connection.
    known: Mutex<HashMap<String, Option<String>>>,
}

impl ServerChanges {
    /// Notes the server of a new session at a place. Servers without an id count as different ones.
    pub fn note(&self, place: String, run_id: Option<&str>) {
        let run_id = run_id.map(str::to_owned);
        let before = self.known.locked().insert(place, run_id.clone());
        if before.is_some_and(|before| before.is_none() || before != run_id) {
            self.count.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Number of changes so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_with_another_server_counts() {
        let servers = ServerChanges::default();
        let note = |place: &str, run_id| {
            servers.note(place.to_owned(), run_id);
            servers.count()
        };
        assert_eq!((note("", Some("a")), note("", Some("a")), note("b:1", Some("c"))), (0, 0, 0));
        assert_eq!((note("", Some("b")), note("", Some("b"))), (1, 1));
        assert_eq!((note("", None), note("", None), note("", Some("b"))), (2, 3, 4));
    }
}
