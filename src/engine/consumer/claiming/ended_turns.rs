//! Turns of ordered keys whose entry was acknowledged elsewhere, such as by a command of the user. No search finds it.

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::pack_pending_entry;

use crate::engine::consumer::Consumer;

/// Maximum number of turns of one claim cycle.
const MAX_TURNS: usize = 256;

impl Consumer {
    /// Ends the turns of entries that wait for a retry and are not pending any more.
    pub(crate) async fn end_lost_turns(&self) {
        let mut queries = Vec::new();
        {
            let state = self.lock();
            for (stream, entry) in state.waiting_turns(MAX_TURNS) {
                let (sender, receiver) = oneshot::channel();
                let mut commands = Commands::default();
                let to = Destination::Task(sender);
                pack_pending_entry(&mut commands, &state.streams[stream].key, &self.group, entry, to);
                self.shared(state.streams[stream].lane).submit(&mut commands);
                queries.push((stream, entry, receiver));
            }
        }
        for (stream, entry, receiver) in queries {
            // Without a reply the next cycle asks again.
            if matches!(receiver.await, Ok(Ok(Value::Array(found))) if found.is_empty()) {
                self.end_turns(stream, &[entry]);
            }
        }
    }
}
