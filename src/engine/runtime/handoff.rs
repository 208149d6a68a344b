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
use std::time::Duration;

use crate::redis_io::locked::Locked;
use crate::redis_io::sync::{
    self, Arc, AtomicBool, AtomicU64, Condvar, JoinHandle, Mutex, MutexGuard, Notify, Ordering, PoisonError,
    Runtime, TryLockError,
};
use crate::redis_io::tasks::{RestOutcome, Tasks};

/// Maximum time for which the host does not drive a lent runtime. Then its thread takes it back.
const LONGEST_ABSENCE: Duration = Duration::from_millis(25);

/// A runtime that one of two threads drives. The engine's thread has it last, so tasks end there.
pub struct RuntimeHandoff {
    runtime: Runtime,
    tasks: Tasks,
    state: Arc<HandoffState>,
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
    driver: Mutex<()>,
    /// Wakes the engine's thread while the runtime is lent.
    returned: Condvar,
    /// Lock of `returned`. It is held for moments only, so the host never waits for the engine's thread.
    returning: Mutex<()>,
    ended: AtomicBool,
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

    fn lock_driver(&self) -> MutexGuard<'_, ()> {
        self.driver.locked()
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits until the runtime is returned or the thread must end. Returns true after LONGEST_ABSENCE.
    fn wait_for_return(&self) -> bool {
        let returning = self.returning.locked();
        if !self.is_lent() || self.is_over() {
            return false;
        }
        let waited = self.returned.wait_timeout(returning, LONGEST_ABSENCE);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Has the engine's thread end.
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.asked_for.notify_one();
        let _returning = self.returning.locked();
        self.returned.notify_one();
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
    /// Starts a thread with a runtime. Both end with [`RuntimeHandoff::end`].
    pub fn start() -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let runtime = sync::runtime()?;
        let handoff = Arc::new(Self {
            tasks: runtime.handle().clone().into(),
            runtime,
            state: Arc::default(),
            drives: AtomicU64::new(0),
        });
        let owner = handoff.clone();
        let thread = sync::spawn_thread("hfxbus", move || owner.run())?;
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
        let _driver = match self.state.driver.try_lock() {
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

    /// Gives the runtime back to the engine's thread. That thread can have taken it back meanwhile, and then it has the lock
    /// `driver` until it lends the runtime again. So this does not take that lock.
    pub fn give_back(&self) {
        let _returning = self.state.returning.locked();
        self.state.lent.store(false, Ordering::Release);
        self.state.returned.notify_one();
    }

    /// Ends the thread, and the tasks there. The caller must have the last reference besides the thread's own.
    pub fn end(self: Arc<Self>, thread: JoinHandle<()>) {
        let state = self.state.clone();
        // Before the thread can end, since the thread that drops the runtime also drops its tasks.
        drop(self);
        state.end();
        // A panic of the thread has been reported already.
        let _ = thread.join();
    }

    fn run(&self) {
        let mut driver = self.state.lock_driver();
        while !self.state.is_over() {
            self.runtime.block_on(self.state.asked_for.notified());
            driver = self.wait(driver);
        }
    }

    /// Waits until the host gives the runtime back, or does not drive it any more.
    fn wait<'driver>(&'driver self, mut driver: MutexGuard<'driver, ()>) -> MutexGuard<'driver, ()> {
        let mut drives = self.drives.load(Ordering::Relaxed);
        while self.state.is_lent() && !self.state.is_over() {
            drop(driver);
            let timed_out = self.state.wait_for_return();
            driver = self.state.lock_driver();
            let now = self.drives.load(Ordering::Relaxed);
            if timed_out && now == drives {
                self.state.lent.store(false, Ordering::Release);
            }
            drives = now;
        }
        driver
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
            self.0.clone().end(self.1.take().unwrap());
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

    /// Sends the thread on which it is dropped.
    struct Dropped(std::sync::mpsc::Sender<std::thread::ThreadId>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(std::thread::current().id());
        }
    }

    #[test]
    fn a_runtime_that_was_taken_back_can_be_given_back_without_a_wait() {
        let lent = Lent::start();
        lent.0.state().offer();
        until("it gives way", || lent.0.drive() == DriveOutcome::Quiet);
        until("it is taken back", || !lent.0.state().is_lent());
        let handoff = lent.0.clone();
        let host = std::thread::spawn(move || handoff.give_back());
        until("the host goes on", || host.is_finished());
        host.join().unwrap();
    }

    #[test]
    fn tasks_end_on_the_thread_of_the_runtime() {
        let (handoff, thread) = RuntimeHandoff::start().unwrap();
        let (engine, (sender, dropped)) = (thread.thread().id(), std::sync::mpsc::channel());
        let witness = Dropped(sender);
        handoff.tasks().spawn(async move {
            let _witness = witness;
            std::future::pending::<()>().await;
        });
        handoff.end(thread);
        assert_eq!(dropped.recv(), Ok(engine));
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
