//! When the connections of a bus were there again after they had been lost.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// What is known of that. Watched by who has something to do then.
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
    /// One is there again.
    pub fn note(&self) {
        self.last.send_replace(Some(Instant::now()));
    }

    /// How long ago the last one was there again, if any was lost at all.
    pub fn since_last(&self) -> Option<Duration> {
        self.last.borrow().map(|last| last.elapsed())
    }

    /// Tells of those to come.
    pub fn watch(&self) -> watch::Receiver<Option<Instant>> {
        self.last.subscribe()
    }
}
