//! Mailbox of the host: events that wait for it, and the decision to wake it for them.
//!
//! An event is never left without a wake. A host that drives the runtime collects the events after the drive, and needs no
//! wake for the events of the drive.

use crate::redis_io::locked::Locked;
use crate::redis_io::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering};

use crate::engine::runtime::handoff::HandoffState;

/// Burst that the host's thread reads in less time than a wake takes, in bytes.
pub const LIGHT_BURST: usize = 8 * 1_024;

/// Events that wait for the host.
pub trait Burst {
    /// Returns true if nothing waits.
    fn is_empty(&self) -> bool;

    /// Size of the waiting events, in bytes.
    fn size(&self) -> usize;
}

/// Events with the state of the wake for them.
pub struct Mailbox<B> {
    contents: Mutex<B>,
    /// True from a wake of the host until it collects. Changed with the lock of the contents only: a wake for events that
    /// were collected meanwhile would stay true, and no event would wake the host again.
    scheduled: AtomicBool,
    /// Loan of the runtime, if the host can borrow it.
    loan: Option<Arc<HandoffState>>,
}

impl<B: Burst + Default> Mailbox<B> {
    /// An empty mailbox.
    pub fn new(loan: Option<Arc<HandoffState>>) -> Self {
        Self { contents: Mutex::new(B::default()), scheduled: AtomicBool::new(false), loan }
    }

    /// Locks the events.
    pub fn lock(&self) -> MutexGuard<'_, B> {
        self.contents.locked()
    }

    /// Collects events. Later events wake the host again.
    pub fn collect<T>(&self, take: impl FnOnce(&mut B) -> T) -> T {
        let mut contents = self.lock();
        self.scheduled.store(false, Ordering::SeqCst);
        take(&mut contents)
    }

    /// Calls `wake` if events wait and nothing else leads the host to them. Offers the runtime after a light burst.
    pub fn wake(&self, wake: impl FnOnce()) {
        let size = {
            let contents = self.lock();
            if contents.is_empty() {
                return;
            }
            if self.loan.as_ref().is_some_and(|loan| loan.is_driving())
                || self.scheduled.swap(true, Ordering::SeqCst)
            {
                return;
            }
            contents.size()
        };
        if let Some(loan) = self.loan.as_ref().filter(|_| size <= LIGHT_BURST) {
            loan.offer();
        }
        wake();
    }
}
