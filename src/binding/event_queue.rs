//! Wakes JavaScript, or leaves the work to JavaScript's thread without a wake.

use std::sync::Arc;

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::engine::host::job_token::JobToken;
use crate::engine::host::{Event, Events, Jobs};
use crate::engine::runtime::handoff::HandoffState;
use crate::engine::runtime::mailbox::{Burst, LIGHT_BURST, Mailbox};

use super::event_buffer::EventBuffer;
use super::event_writer::EventWriter;

/// Weak: it does not keep the process alive, the facade's keep-alive handle does.
pub type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Size beyond which reading a burst in another thread pays again, in bytes.
pub const HEAVY_BURST: usize = 2 * LIGHT_BURST;

/// Collects events and jobs, and wakes JavaScript once per burst.
pub struct EventQueue {
    wake: Arc<Wake>,
    mailbox: Mailbox<EventBuffer>,
}

impl Burst for EventBuffer {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn size(&self) -> usize {
        self.size()
    }
}

impl EventQueue {
    /// Wakes JavaScript with `wake`. `loan` is the loan of the runtime, if JavaScript's thread can borrow it.
    pub fn new(wake: Arc<Wake>, loan: Option<Arc<HandoffState>>) -> Self {
        Self { wake, mailbox: Mailbox::new(loan) }
    }

    /// Size of the waiting events, in bytes. 0 for none.
    pub fn size(&self) -> usize {
        self.mailbox.lock().size()
    }

    /// Returns the oldest packet, and wakes JavaScript again if there are more. `spare` becomes the next packet with its
    /// capacity.
    pub fn take(&self, spare: EventWriter) -> EventWriter {
        let (taken, is_last) = self.mailbox.collect(|buffer| {
            let is_last = !buffer.has_full();
            (buffer.take(spare), is_last)
        });
        if !is_last {
            self.wake();
        }
        taken
    }
}

impl Jobs for EventQueue {
    fn jobs(&self, consumer: u32, stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>) {
        self.mailbox.lock().jobs(consumer, stream, jobs);
    }
}

impl Events for EventQueue {
    fn event(&self, event: Event<'_>) {
        self.mailbox.lock().event(event);
    }

    fn wake(&self) {
        // An environment that ends takes no more calls and needs no events.
        self.mailbox.wake(|| {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
    }
}
