//! Primitives of loom in the place of `src/redis_io/sync.rs`, and a runtime that is small enough for a model.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicBool as Flag;
use std::sync::{LockResult, TryLockResult};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::thread::ThreadId;

pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
pub use loom::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use loom::thread::JoinHandle;
pub use std::sync::{Arc, PoisonError, TryLockError};

thread_local! {
    /// True if waits end by their timeout alone. All threads of a model are on one thread of the system.
    static IS_LATE: Cell<bool> = const { Cell::new(false) };
    static ENDED_ON: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

/// Says if waits end by their timeout alone. Otherwise they never do, so a missing notification is a deadlock.
pub fn let_waits_time_out(is_late: bool) {
    IS_LATE.set(is_late);
}

/// The thread on which the last runtime was dropped.
pub fn take_end() -> Option<ThreadId> {
    ENDED_ON.take()
}

/// A lock of its own, since a thread of loom that tries a lock waits for it.
#[derive(Default)]
pub struct Mutex<T> {
    is_held: loom::sync::Mutex<bool>,
    freed: loom::sync::Condvar,
    /// Only the thread that holds the lock takes this one.
    value: std::sync::Mutex<T>,
}

pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` while it is dropped.
    value: Option<std::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self { is_held: Default::default(), freed: Default::default(), value: std::sync::Mutex::new(value) }
    }

    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        Ok(self.hold(self.is_held.lock().unwrap()))
    }

    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let is_held = self.is_held.lock().unwrap();
        if *is_held { Err(TryLockError::WouldBlock) } else { Ok(self.hold(is_held)) }
    }

    fn hold<'a>(&'a self, mut is_held: loom::sync::MutexGuard<'a, bool>) -> MutexGuard<'a, T> {
        while *is_held {
            is_held = self.freed.wait(is_held).unwrap();
        }
        *is_held = true;
        drop(is_held);
        MutexGuard { mutex: self, value: Some(self.value.lock().unwrap()) }
    }

    fn free(&self) -> loom::sync::MutexGuard<'_, bool> {
        let mut is_held = self.is_held.lock().unwrap();
        *is_held = false;
        self.freed.notify_one();
        is_held
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().unwrap()
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.value.take().is_some() {
            drop(self.mutex.free());
        }
    }
}

#[derive(Default)]
pub struct Condvar(loom::sync::Condvar);

/// Says how a wait ended.
pub struct Waited(bool);

impl Waited {
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// A timeout passes while other threads run any part of their code.
    pub fn wait_timeout<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, Waited)> {
        drop(guard.value.take());
        let (mutex, is_late) = (guard.mutex, IS_LATE.get());
        let mut is_held = mutex.free();
        if is_late {
            drop(is_held);
            loom::thread::yield_now();
            is_held = mutex.is_held.lock().unwrap();
        } else {
            is_held = self.0.wait(is_held).unwrap();
        }
        Ok((mutex.hold(is_held), Waited(is_late)))
    }
}

/// As tokio's: one permit, and one task that waits.
#[derive(Default)]
pub struct Notify(loom::sync::Mutex<Permit>);

#[derive(Default)]
struct Permit {
    is_there: bool,
    waiter: Option<Waker>,
}

impl Notify {
    pub fn notify_one(&self) {
        let waiter = {
            let mut permit = self.0.lock().unwrap();
            permit.is_there = true;
            permit.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    pub async fn notified(&self) {
        poll_fn(|context| {
            let mut permit = self.0.lock().unwrap();
            if std::mem::take(&mut permit.is_there) {
                return Poll::Ready(());
            }
            permit.waiter = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Starts a thread.
pub fn spawn_thread(_name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Ok(loom::thread::spawn(run))
}

/// Builds a runtime.
pub fn runtime() -> io::Result<Runtime> {
    Ok(Runtime { handle: Handle::default(), drives: UnsafeCell::new(()), is_driven: Flag::new(false) })
}

/// A runtime of one thread at a time. Two threads at once, or drives that are not ordered, fail the model.
pub struct Runtime {
    handle: Handle,
    drives: UnsafeCell<()>,
    is_driven: Flag,
}

// SAFETY: the cell holds nothing. Loom fails a model whose threads use it without an order.
unsafe impl Sync for Runtime {}

#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Scheduler>);

/// A task that is not awaited in models.
pub struct TaskHandle<T>(std::marker::PhantomData<T>);

#[derive(Debug, Default)]
struct Scheduler {
    queue: loom::sync::Mutex<Queue>,
    parked: loom::sync::Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Arc<Task>>,
    is_main_woken: bool,
}

struct Task {
    handle: Handle,
    future: std::sync::Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Task")
    }
}

struct MainWaker(Handle);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.handle.clone().unpark(|queue| {
            if !queue.ready.iter().any(|task| Arc::ptr_eq(task, &self)) {
                queue.ready.push_back(self);
            }
        });
    }
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark(|queue| queue.is_main_woken = true);
    }
}

impl Task {
    fn poll(self: Arc<Self>) {
        let mut future = self.future.lock().unwrap();
        let waker = Waker::from(self.clone());
        if let Some(running) = future.as_mut()
            && running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        {
            *future = None;
        }
    }
}

impl Handle {
    pub fn spawn<F>(&self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
    {
        let future = Box::pin(async move { drop(future.await) });
        Arc::new(Task { handle: self.clone(), future: std::sync::Mutex::new(Some(future)) }).wake();
        TaskHandle(std::marker::PhantomData)
    }

    fn unpark(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut self.0.queue.lock().unwrap());
        self.0.parked.notify_one();
    }
}

impl Runtime {
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns true if a driver finds something to do. The descriptor of a real runtime is readable then.
    pub fn has_events(&self) -> bool {
        let queue = self.handle.0.queue.lock().unwrap();
        !queue.ready.is_empty()
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.enter(true);
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(MainWaker(self.handle.clone())));
        let mut is_main_woken = true;
        let output = loop {
            if is_main_woken
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                break output;
            }
            let ready = {
                let mut queue = self.handle.0.queue.lock().unwrap();
                while queue.ready.is_empty() && !queue.is_main_woken {
                    queue = self.handle.0.parked.wait(queue).unwrap();
                }
                is_main_woken = std::mem::take(&mut queue.is_main_woken);
                std::mem::take(&mut queue.ready)
            };
            ready.into_iter().for_each(Task::poll);
        };
        self.enter(false);
        output
    }

    fn enter(&self, is_driven: bool) {
        let before = self.is_driven.swap(is_driven, std::sync::atomic::Ordering::SeqCst);
        assert_ne!(before, is_driven, "one thread at a time drives the runtime");
        self.drives.with_mut(|_| ());
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.drives.with_mut(|_| ());
        self.handle.0.queue.lock().unwrap().ready.clear();
        ENDED_ON.set(Some(loom::thread::current().id()));
    }
}
