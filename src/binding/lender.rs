//! Thread of the engine, with the runtime that it lends.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::engine::runtime::handoff::RuntimeHandoff;

/// The thread, and the runtime that it lends. The end of the lender ends the thread and every task.
pub struct Lender(Option<(Arc<RuntimeHandoff>, JoinHandle<()>)>);

impl Lender {
    /// Starts a thread with a runtime.
    pub fn start() -> io::Result<(Self, Arc<RuntimeHandoff>)> {
        let (lending, thread) = RuntimeHandoff::start()?;
        Ok((Self(Some((lending.clone(), thread))), lending))
    }

    /// The runtime. `None` after the end.
    pub fn lending(&self) -> Option<&Arc<RuntimeHandoff>> {
        self.0.as_ref().map(|(lending, _)| lending)
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        let Some((lending, thread)) = self.0.take() else { return };
        lending.end(thread);
    }
}
