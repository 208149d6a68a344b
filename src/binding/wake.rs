//! The one place that wakes JavaScript.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::engine::host::{Event, Events, Jobs};
use crate::engine::slots::Token;

use super::backlog::Backlog;
use super::outgoing::Outgoing;

/// Weak: it does not keep the process alive, the facade's keep-alive handle does.
pub type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Collects what goes up and wakes JavaScript once per burst.
pub struct Upward {
    wake: Wake,
    /// Whether JavaScript was woken and has not come yet. Cleared before the packet is taken, so that what is
    /// written in between wakes it again rather than being forgotten.
    scheduled: AtomicBool,
    backlog: Mutex<Backlog>,
}

impl Upward {
    /// Wakes JavaScript with `wake`.
    pub fn new(wake: Wake) -> Self {
        Self { wake, scheduled: AtomicBool::new(false), backlog: Mutex::default() }
    }

    /// The oldest packet; JavaScript is woken again if there are more. `spare` is written to next and lends its
    /// capacity.
    pub fn take(&self, spare: Outgoing) -> Outgoing {
        self.scheduled.store(false, Ordering::SeqCst);
        let (taken, is_last) = {
            let mut backlog = self.backlog();
            let is_last = !backlog.has_full();
            (backlog.take(spare), is_last)
        };
        if !is_last {
            self.wake();
        }
        taken
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Jobs for Upward {
    fn jobs(&self, consumer: u32, stream: u32, jobs: &mut dyn Iterator<Item = (Token, &str)>) {
        self.backlog().jobs(consumer, stream, jobs);
    }
}

impl Events for Upward {
    fn event(&self, event: Event<'_>) {
        self.backlog().event(event);
    }

    fn wake(&self) {
        if self.backlog().is_empty() || self.scheduled.swap(true, Ordering::SeqCst) {
            return;
        }
        // An environment that is going away takes no more calls, and has nobody left to be told.
        self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}
