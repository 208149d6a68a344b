//! Questions to the host: asked with a number, answered later with the same number.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::redis_io::link::ErrorAction;

/// An answer of the host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// To `RetryAsked`: how long to wait; `None` gives the connection up.
    Retry(Option<Duration>),
    /// To `ReconnectAsked`.
    Reconnect(ErrorAction),
}

/// The questions without an answer. A lock, since questions are asked on the engine's thread and answered on the
/// host's; it is held for the time of one look-up.
#[derive(Debug, Default)]
pub struct Questions {
    next: AtomicU32,
    open: Mutex<HashMap<u32, oneshot::Sender<Answer>>>,
}

impl Questions {
    /// A new question's number and where its answer will be.
    pub fn ask(&self) -> (u32, oneshot::Receiver<Answer>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let mut open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        open.retain(|_, sender| !sender.is_closed());
        open.insert(number, sender);
        (number, receiver)
    }

    /// Answers a question; one that nobody asks any more is ignored.
    pub fn answer(&self, number: u32, answer: Answer) {
        let mut open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(sender) = open.remove(&number) {
            // The connection that asked may be closed by now; then nobody needs the answer.
            let _ = sender.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_question_and_abandoned_questions_go_away() {
        let questions = Questions::default();
        let (_, abandoned) = questions.ask();
        drop(abandoned);
        let (number, mut receiver) = questions.ask();
        assert_eq!(questions.open.lock().unwrap().len(), 1);
        questions.answer(number, Answer::Retry(None));
        questions.answer(number, Answer::Retry(None));
        assert_eq!(receiver.try_recv().unwrap(), Answer::Retry(None));
    }
}
