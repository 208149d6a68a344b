//! Times at which lost connections of a bus were restored.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::world::watch;

/// Time of the last restored connection. Tasks can wait for the next one.
#[derive(Debug)]
pub struct Reconnects {
    last: watch::Sender<Option<Instant>>,
}

impl Default for Reconnects {
    fn default() -> Self {
        Self { last: watch::Sender::new(None) }
    }
}

impl Reconnects {
    /// Records a restored connection.
    pub fn note(&self) {
        self.last.send_replace(Some(Instant::now()));
    }

    /// Time since the last connection was restored. `None` if no connection was lost so far.
    pub fn since_last(&self) -> Option<Duration> {
        self.last.borrow().map(|last| last.elapsed())
    }

    /// Returns a receiver of the connections that will be restored.
    pub fn watch(&self) -> watch::Receiver<Option<Instant>> {
        self.last.subscribe()
    }
}
