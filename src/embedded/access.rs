//! Access of a simulation to a server: what an administrator, a replication or a migration does.

use std::sync::Arc;

use crate::embedded::dispatch;
use crate::embedded::key::Key;
use crate::embedded::keyspace::StoredValue;
use crate::embedded::protocol::command_error::CommandError;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::server::Server;
use crate::embedded::serving;
use crate::embedded::session::lock;
use crate::embedded::simulation::gate::Gate;
use crate::embedded::simulation::refusal::Refusal;

/// Keys with their values and expiries.
#[derive(Clone, Debug, Default)]
pub struct KeyCopies(Vec<(Key, StoredValue, Option<u64>)>);

impl Server {
    /// Sets the clock of the server, as an administrator does.
    pub fn shift_clock(&self, ms: i64) {
        lock(self.core()).clock.shift(ms);
    }

    /// Executes a command at once, as a client of its own.
    pub fn call(&self, words: &[&[u8]]) -> Vec<u8> {
        let mut core = lock(self.core());
        let gate = core.gate.take();
        let address = ([127, 0, 0, 1], 3).into();
        let client = core.connect(address, address, Arc::default());
        let mut reply = ReplyBuffer::default();
        dispatch::execute(&mut core, client, words, &mut reply);
        core.disconnect(client);
        core.gate = gate;
        reply.into_bytes()
    }

    /// Returns the number of connections.
    pub fn connections(&self) -> usize {
        lock(self.core()).clients.len()
    }

    /// Refuses commands from now on, or serves them again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        lock(self.core()).refusal = refusal;
    }

    /// Sets the gate in front of the commands.
    pub fn set_gate(&self, gate: Arc<dyn Gate>) {
        lock(self.core()).gate = Some(gate);
    }

    /// Returns copies of the keys that `is_wanted` selects.
    pub fn copy_keys(&self, is_wanted: impl Fn(&[u8]) -> bool) -> KeyCopies {
        let core = lock(self.core());
        let wanted = core.keyspace.from(0).filter(|(_, key, _)| is_wanted(key));
        let copies =
            wanted.map(|(_, key, value)| (key.clone(), value.clone(), core.keyspace.expires_at(key)));
        KeyCopies(copies.collect())
    }

    /// Removes keys, as a migration does behind their copies.
    pub fn remove_keys(&self, keys: &KeyCopies) {
        let mut core = lock(self.core());
        for (key, ..) in &keys.0 {
            core.remove(key);
        }
        serving::serve_ready(&mut core);
    }

    /// Adds copies of keys.
    pub fn add_keys(&self, keys: KeyCopies) {
        let mut core = lock(self.core());
        for (key, value, expiry) in keys.0 {
            core.keyspace.remove(&key);
            core.keyspace.put(&key, value);
            core.keyspace.set_expiry(&key, expiry);
        }
    }

    /// Replaces all keys, as a replica does that has got the data of its primary.
    pub fn replace_keys(&self, keys: KeyCopies) {
        let mut core = lock(self.core());
        core.flush();
        serving::serve_ready(&mut core);
        drop(core);
        self.add_keys(keys);
    }

    /// Ends the blocked reads of keys with the error that `error_of` gives.
    pub fn end_blocked_reads(&self, error_of: impl Fn(&[u8]) -> Option<String>) {
        let mut core = lock(self.core());
        let blocked: Vec<_> = core
            .clients
            .values()
            .filter_map(|client| {
                let mut streams = client.blocked.as_ref()?.streams.iter();
                Some((client.id, streams.find_map(|(key, _)| error_of(key))?))
            })
            .collect();
        for (id, error) in blocked {
            core.release(id, |reply| reply.error(&CommandError::with(&[error.as_bytes()])));
        }
    }
}
