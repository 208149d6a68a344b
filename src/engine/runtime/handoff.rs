//! The engine's thread, and the runtime on it, which it lends to JavaScript's thread while little is going on.
//!
//! A reply that the engine's thread reads has to wake JavaScript's thread, which takes longer than to read it. So while
//! there is little to read at once, JavaScript's event loop waits for the runtime's own events and turns it; with much to
//! read, or while JavaScript runs something long, the engine's thread does.
//!
//! ```text
//!             offer: a light burst went up          give_back: a heavy one did, or nothing for a while
//!   Kept ────────────────────────────────▶ Lent ────────────────────────────────────────────────▶ Kept
//!                                                   nobody turned it for LONGEST_ABSENCE: JavaScript is busy
//! ```
//!
//! Who has `held` locked turns the runtime. The engine's thread has it for as long as the runtime is kept, and otherwise
//! only looks now and then whether it is still turned.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::redis_io::tasks::{RestOutcome, Tasks};

/// For so long a lent runtime may be turned by nobody.
const LONGEST_ABSENCE: Duration = Duration::from_millis(25);

/// A runtime that one of two threads turns. The thread is the last to have it, so tasks end there.
pub struct Lending {
    runtime: Runtime,
    tasks: Tasks,
    loan: Arc<Loan>,
    held: Mutex<()>,
    /// Wakes the engine's thread while the runtime is lent.
    returned: Condvar,
    ended: AtomicBool,
    /// How often it was turned on loan.
    turns: AtomicU64,
}

/// What tasks may know of the loan of their runtime, without holding on to that.
#[derive(Default)]
pub struct Loan {
    lent: AtomicBool,
    /// Wakes the engine's thread while the runtime is kept.
    asked_for: Notify,
    turning: AtomicBool,
}

impl Loan {
    /// Lends the runtime as soon as it gives way, if it is kept.
    pub fn offer(&self) {
        if !self.lent.swap(true, Ordering::AcqRel) {
            self.asked_for.notify_one();
        }
    }

    /// Whether it is lent, or about to be.
    pub fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Acquire)
    }

    /// Whether it is being turned by who borrowed it, who looks for what went up when that is done.
    pub fn is_turning(&self) -> bool {
        self.turning.load(Ordering::Acquire)
    }
}

/// What came of turning a lent runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It was turned, and waits for events.
    Quiet,
    /// There is more to do at once.
    Busy,
    /// It is not lent.
    Kept,
}

impl Lending {
    /// A runtime with a thread that ends with [`Lending::end`].
    pub fn start() -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let lending = Arc::new(Self {
            tasks: runtime.handle().clone().into(),
            runtime,
            held: Mutex::new(()),
            loan: Arc::default(),
            returned: Condvar::new(),
            ended: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        });
        let lender = lending.clone();
        let thread = std::thread::Builder::new().name("hfxbus".to_owned()).spawn(move || lender.run())?;
        Ok((lending, thread))
    }

    /// The runtime's tasks.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The runtime itself.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// What tasks may know.
    pub fn loan(&self) -> &Arc<Loan> {
        &self.loan
    }

    /// Turns a lent runtime until it waits for events, and does not wait itself.
    pub fn turn(&self) -> Turn {
        if !self.loan.is_lent() {
            return Turn::Kept;
        }
        let _held = match self.held.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is about to give way, or to take it back.
            Err(TryLockError::WouldBlock) => return Turn::Busy,
        };
        if !self.loan.is_lent() {
            return Turn::Kept;
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.loan.turning.store(true, Ordering::Release);
        let rest = self.runtime.block_on(self.tasks.rest());
        self.loan.turning.store(false, Ordering::Release);
        match rest {
            RestOutcome::Quiet => Turn::Quiet,
            RestOutcome::Busy => Turn::Busy,
        }
    }

    /// The engine's thread is to have it again.
    pub fn give_back(&self) {
        let _held = self.hold();
        self.loan.lent.store(false, Ordering::Release);
        self.returned.notify_one();
    }

    /// Ends the thread.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.loan.asked_for.notify_one();
        let _held = self.hold();
        self.returned.notify_one();
    }

    fn run(&self) {
        let mut held = self.hold();
        while !self.is_over() {
            self.runtime.block_on(self.loan.asked_for.notified());
            held = self.wait(held);
        }
    }

    /// Waits until it is given back, or nobody turns it any more.
    fn wait<'held>(&self, mut held: MutexGuard<'held, ()>) -> MutexGuard<'held, ()> {
        let mut turns = self.turns.load(Ordering::Relaxed);
        while self.loan.is_lent() && !self.is_over() {
            let (again, waited) =
                self.returned.wait_timeout(held, LONGEST_ABSENCE).unwrap_or_else(PoisonError::into_inner);
            held = again;
            let now = self.turns.load(Ordering::Relaxed);
            if waited.timed_out() && now == turns {
                self.loan.lent.store(false, Ordering::Release);
            }
            turns = now;
        }
        held
    }

    fn hold(&self) -> MutexGuard<'_, ()> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
    struct Lent(Arc<Lending>, Option<JoinHandle<()>>);

    impl Lent {
        fn start() -> Self {
            let (lending, thread) = Lending::start().unwrap();
            Self(lending, Some(thread))
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

    fn thread_of_a_task(lending: &Lending, turn: bool) -> std::thread::ThreadId {
        let task = lending.tasks().spawn(async { std::thread::current().id() });
        until("the task runs", || {
            if turn {
                lending.turn();
            }
            task.is_finished()
        });
        lending.runtime.handle().block_on(task).unwrap()
    }

    #[test]
    fn a_kept_runtime_runs_on_its_own_thread_and_cannot_be_turned() {
        let lent = Lent::start();
        assert_eq!(lent.0.turn(), Turn::Kept);
        assert_eq!(thread_of_a_task(&lent.0, false), lent.1.as_ref().unwrap().thread().id());
    }

    #[test]
    fn a_lent_runtime_runs_where_it_is_turned_until_it_is_given_back() {
        let lent = Lent::start();
        lent.0.loan().offer();
        until("it gives way", || lent.0.turn() == Turn::Quiet);
        assert_eq!(thread_of_a_task(&lent.0, true), std::thread::current().id());
        lent.0.give_back();
        assert_eq!(lent.0.turn(), Turn::Kept);
        assert_eq!(thread_of_a_task(&lent.0, false), lent.1.as_ref().unwrap().thread().id());
    }

    #[test]
    fn a_lent_runtime_that_nobody_turns_is_taken_back() {
        let lent = Lent::start();
        lent.0.loan().offer();
        until("it gives way", || lent.0.turn() == Turn::Quiet);
        assert_eq!(thread_of_a_task(&lent.0, false), lent.1.as_ref().unwrap().thread().id());
        assert!(!lent.0.loan().is_lent());
    }

    #[test]
    fn a_thread_ends_whether_its_runtime_is_lent_or_not() {
        drop(Lent::start());
        let lent = Lent::start();
        lent.0.loan().offer();
        until("it gives way", || lent.0.turn() == Turn::Quiet);
        drop(lent);
    }
}
