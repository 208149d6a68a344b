//! Hand-off of the engine's runtime between its own thread and the host's event loop.
//!
//! A reply that the engine's thread reads must wake the host's thread, which takes longer than the read. So while there is
//! little to read at once, the host's event loop waits for the runtime's events and drives it. A heavy burst, or a host that
//! is busy, gives the runtime back to the engine's thread.
//!
//! ```text
//!             offer: a light burst went up          give_back: a heavy burst, or no event for a while
//!   Kept ────────────────────────────────▶ Lent ────────────────────────────────────────────────▶ Kept
//!                                                   not driven for LONGEST_ABSENCE: the host is busy
//! ```
//!
//! The thread that holds the lock `driver` drives the runtime. The engine's thread holds it while the runtime is kept. While
//! the runtime is lent, that thread wakes every LONGEST_ABSENCE and checks the number of drives.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::redis_io::locked::Locked;
use crate::redis_io::tasks::{RestOutcome, Tasks};

/// Maximum time for which the host does not drive a lent runtime. Then its thread takes it back.
const LONGEST_ABSENCE: Duration = Duration::from_millis(25);

/// A runtime that one of two threads drives. The engine's thread has it last, so tasks end there.
pub struct RuntimeHandoff {
    runtime: Runtime,
    tasks: Tasks,
    state: Arc<HandoffState>,
    driver: Mutex<()>,
    /// Wakes the engine's thread while the runtime is lent.
    returned: Condvar,
    ended: AtomicBool,
    /// Number of drives by the host.
    drives: AtomicU64,
}

/// State of the hand-off, for tasks of the runtime. It does not keep the runtime alive.
#[derive(Default)]
pub struct HandoffState {
    lent: AtomicBool,
    /// Wakes the engine's thread while the runtime is kept.
    asked_for: Notify,
    driving: AtomicBool,
}

impl HandoffState {
    /// Lends the runtime at its next wait, if it is not lent.
    pub fn offer(&self) {
        if !self.lent.swap(true, Ordering::AcqRel) {
            self.asked_for.notify_one();
        }
    }

    /// Returns true if the runtime is lent or about to be.
    pub fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Acquire)
    }

    /// Returns true if the host drives the runtime now. The host collects the queued events after the drive.
    pub fn is_driving(&self) -> bool {
        self.driving.load(Ordering::Acquire)
    }
}

/// Result of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveOutcome {
    /// The runtime was driven and waits for events.
    Quiet,
    /// The runtime has more to do at once.
    Busy,
    /// The runtime is not lent.
    Kept,
}

impl RuntimeHandoff {
    /// A runtime with a thread that ends with [`RuntimeHandoff::end`].
    pub fn start() -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handoff = Arc::new(Self {
            tasks: runtime.handle().clone().into(),
            runtime,
            driver: Mutex::new(()),
            state: Arc::default(),
            returned: Condvar::new(),
            ended: AtomicBool::new(false),
            drives: AtomicU64::new(0),
        });
        let owner = handoff.clone();
        let thread = std::thread::Builder::new().name("hfxbus".to_owned()).spawn(move || owner.run())?;
        Ok((handoff, thread))
    }

    /// The runtime's tasks.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The runtime itself.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// State of the hand-off, for tasks.
    pub fn state(&self) -> &Arc<HandoffState> {
        &self.state
    }

    /// Drives a lent runtime until it waits for events. Does not wait itself.
    pub fn drive(&self) -> DriveOutcome {
        if !self.state.is_lent() {
            return DriveOutcome::Kept;
        }
        let _driver = match self.driver.try_lock() {
            Ok(driver) => driver,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // The engine's thread is about to lend it or to take it back.
            Err(TryLockError::WouldBlock) => return DriveOutcome::Busy,
        };
        if !self.state.is_lent() {
            return DriveOutcome::Kept;
        }
        self.drives.fetch_add(1, Ordering::Relaxed);
        self.state.driving.store(true, Ordering::Release);
        let rest = self.runtime.block_on(self.tasks.rest());
        self.state.driving.store(false, Ordering::Release);
        match rest {
            RestOutcome::Quiet => DriveOutcome::Quiet,
            RestOutcome::Busy => DriveOutcome::Busy,
        }
    }

    /// Gives the runtime back to the engine's thread.
    pub fn give_back(&self) {
        let _driver = self.lock_driver();
        self.state.lent.store(false, Ordering::Release);
        self.returned.notify_one();
    }

    /// Ends the thread.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.state.asked_for.notify_one();
        let _driver = self.lock_driver();
        self.returned.notify_one();
    }

    fn run(&self) {
        let mut driver = self.lock_driver();
        while !self.is_over() {
            self.runtime.block_on(self.state.asked_for.notified());
            driver = self.wait(driver);
        }
    }

    /// Waits until the host gives the runtime back, or does not drive it any more.
    fn wait<'driver>(&self, mut driver: MutexGuard<'driver, ()>) -> MutexGuard<'driver, ()> {
        let mut drives = self.drives.load(Ordering::Relaxed);
        while self.state.is_lent() && !self.is_over() {
            let (again, waited) =
                self.returned.wait_timeout(driver, LONGEST_ABSENCE).unwrap_or_else(PoisonError::into_inner);
            driver = again;
            let now = self.drives.load(Ordering::Relaxed);
            if waited.timed_out() && now == drives {
                self.state.lent.store(false, Ordering::Release);
            }
            drives = now;
        }
        driver
    }

    fn lock_driver(&self) -> MutexGuard<'_, ()> {
        self.driver.locked()
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// Ends the thread with the test.
    struct Lent(Arc<RuntimeHandoff>, Option<JoinHandle<()>>);

    impl Lent {
        fn start() -> Self {
            let (handoff, thread) = RuntimeHandoff::start().unwrap();
            Self(handoff, Some(thread))
        }
    }

    impl Drop for Lent {
        fn drop(&mut self) {
            self.0.end();
            self.1.take().unwrap().join().unwrap();
        }
    }

    #[track_caller]
    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::yield_now();
        }
    }

    fn thread_of_a_task(handoff: &RuntimeHandoff, drive: bool) -> std::thread::ThreadId {
        let task = handoff.tasks().spawn(async { std::thread::current().id() });
        until("the task runs", || {
            if drive {
                handoff.drive();
            }
            task.is_finished()
        });
        handoff.runtime.handle().block_on(task).unwrap()
    }

    #[test]
    fn a_kept_runtime_runs_on_its_own_thread_and_cannot_be_driven() {
        let lent = Lent::start();
        assert_eq!(lent.0.drive(), DriveOutcome::Kept);
        assert_eq!(thread_of_a_task(&lent.0, false), lent.1.as_ref().unwrap().thread().id());
    }

    #[test]
    fn a_lent_runtime_runs_on_the_driving_thread_until_it_is_given_back() {
        let lent = Lent::start();
        lent.0.state().offer();
        until("it gives way", || lent.0.drive() == DriveOutcome::Quiet);
        assert_eq!(thread_of_a_task(&lent.0, true), std::thread::current().id());
        lent.0.give_back();
        assert_eq!(lent.0.drive(), DriveOutcome::Kept);
        assert_eq!(thread_of_a_task(&lent.0, false), lent.1.as_ref().unwrap().thread().id());
    }

    #[test]
    fn a_lent_runtime_that_is_not_driven_is_taken_back() {
        let lent = Lent::start();
        lent.0.state().offer();
        until("it gives way", || lent.0.drive() == DriveOutcome::Quiet);
        assert_eq!(thread_of_a_task(&lent.0, false), lent.1.as_ref().unwrap().thread().id());
        assert!(!lent.0.state().is_lent());
    }

    #[test]
    fn a_thread_ends_whether_its_runtime_is_lent_or_not() {
        drop(Lent::start());
        let lent = Lent::start();
        lent.0.state().offer();
        until("it gives way", || lent.0.drive() == DriveOutcome::Quiet);
        drop(lent);
    }
}
