//! Questions to the host. Each has a number, and the answer names it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::redis_io::link::ErrorAction;
use crate::redis_io::locked::Locked;
use crate::redis_io::world::map::HashMap;

/// Answer of the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CallbackAnswer {
    /// Answer to `RetryAsked`: the delay. `None` gives the connection up.
    Retry(Option<Duration>),
    /// Answer to `ReconnectAsked`.
    Reconnect(ErrorAction),
}

/// Questions without an answer. A lock, since the engine's thread asks and the host's thread answers. It is held for
/// one look-up.
#[derive(Debug, Default)]
pub struct HostCallbacks {
    next: AtomicU32,
    open: Mutex<HashMap<u32, oneshot::Sender<CallbackAnswer>>>,
}

impl HostCallbacks {
    /// Asks a question. Returns its number and the receiver of the answer.
    pub fn ask(&self) -> (u32, oneshot::Receiver<CallbackAnswer>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let mut open = self.open.locked();
        open.retain(|_, sender| !sender.is_closed());
        open.insert(number, sender);
        (number, receiver)
    }

    /// Answers a question. An unknown number is ignored.
    pub fn answer(&self, number: u32, answer: CallbackAnswer) {
        let mut open = self.open.locked();
        if let Some(sender) = open.remove(&number) {
            // The connection that asked can be closed by now.
            let _ = sender.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_question_and_abandoned_questions_go_away() {
        let callbacks = HostCallbacks::default();
        let (_, abandoned) = callbacks.ask();
        drop(abandoned);
        let (number, mut receiver) = callbacks.ask();
        assert_eq!(callbacks.open.locked().len(), 1);
        callbacks.answer(number, CallbackAnswer::Retry(None));
        callbacks.answer(number, CallbackAnswer::Retry(None));
        assert_eq!(receiver.try_recv().unwrap(), CallbackAnswer::Retry(None));
    }
}
