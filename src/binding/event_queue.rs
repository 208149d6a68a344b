//! Wakes JavaScript, or leaves the work to JavaScript's thread without a wake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::engine::host::job_token::JobToken;
use crate::engine::host::{Event, Events, Jobs};

use super::event_buffer::EventBuffer;
use super::event_writer::EventWriter;
use crate::engine::runtime::handoff::HandoffState;
use crate::redis_io::locked::Locked;

/// Weak: it does not keep the process alive, the facade's keep-alive handle does.
pub type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Burst that JavaScript's thread reads in less time than a wake takes, in bytes.
pub const LIGHT_BURST: usize = 8 * 1_024;
/// Size beyond which reading a burst in another thread pays again, in bytes.
pub const HEAVY_BURST: usize = 2 * LIGHT_BURST;

/// Collects events and jobs, and wakes JavaScript once per burst.
pub struct EventQueue {
    wake: Arc<Wake>,
    /// True from a wake of JavaScript until it collects. Changed with the lock of the buffer only: a wake for events that
    /// were collected meanwhile would stay true, and no event would wake JavaScript again.
    scheduled: AtomicBool,
    buffer: Mutex<EventBuffer>,
    /// Loan of the runtime, if JavaScript's thread can borrow it.
    loan: Option<Arc<HandoffState>>,
}

impl EventQueue {
    /// Wakes JavaScript with `wake`.
    pub fn new(wake: Arc<Wake>, loan: Option<Arc<HandoffState>>) -> Self {
        Self { wake, scheduled: AtomicBool::new(false), buffer: Mutex::default(), loan }
    }

    /// Size of the waiting events, in bytes. 0 for none.
    pub fn size(&self) -> usize {
        self.buffer().size()
    }

    /// Returns the oldest packet, and wakes JavaScript again if there are more. `spare` becomes the next packet with its
    /// capacity.
    pub fn take(&self, spare: EventWriter) -> EventWriter {
        let (taken, is_last) = {
            let mut buffer = self.buffer();
            self.scheduled.store(false, Ordering::SeqCst);
            let is_last = !buffer.has_full();
            (buffer.take(spare), is_last)
        };
        if !is_last {
            self.wake();
        }
        taken
    }

    fn buffer(&self) -> MutexGuard<'_, EventBuffer> {
        self.buffer.locked()
    }
}

impl Jobs for EventQueue {
    fn jobs(&self, consumer: u32, stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>) {
        self.buffer().jobs(consumer, stream, jobs);
    }
}

impl Events for EventQueue {
    fn event(&self, event: Event<'_>) {
        self.buffer().event(event);
    }

    fn wake(&self) {
        let size = {
            let buffer = self.buffer();
            if buffer.is_empty() {
                return;
            }
            if self.loan.as_ref().is_some_and(|loan| loan.is_driving())
                || self.scheduled.swap(true, Ordering::SeqCst)
            {
                return;
            }
            buffer.size()
        };
        if let Some(loan) = self.loan.as_ref().filter(|_| size <= LIGHT_BURST) {
            loan.offer();
        }
        // An environment that ends takes no more calls and needs no events.
        self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}
