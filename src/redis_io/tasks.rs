//! Runtime of tasks, with a count of the runnable ones.

use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Wake, Waker};

use crate::redis_io::sync::{Arc, AtomicU8, AtomicUsize, Handle, Ordering, TaskHandle};

#[cfg(feature = "simulation")]
use crate::redis_io::world::simulation;

/// Number of checks by [`Tasks::rest`] before it returns to the thread that drives the runtime.
const MOST_LOOKS: u32 = 8;

/// Tasks of one runtime. Clones share the count of runnable tasks, which tokio does not publish. A thread that drives the
/// runtime for a moment needs it to know when to stop.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    runnable: Arc<AtomicUsize>,
    /// Number of the process in a simulation.
    #[cfg(feature = "simulation")]
    process: u32,
}

impl From<Handle> for Tasks {
    fn from(runtime: Handle) -> Self {
        Self {
            runtime,
            runnable: Arc::default(),
            #[cfg(feature = "simulation")]
            process: 0,
        }
    }
}

impl Tasks {
    /// Tasks of one process of a simulation.
    #[cfg(feature = "simulation")]
    pub fn of_process(runtime: Handle, process: u32) -> Self {
        Self { process, ..Self::from(runtime) }
    }

    /// Starts a task.
    pub fn spawn<F>(&self, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.runtime.spawn(self.counted(future));
        #[cfg(feature = "simulation")]
        simulation::spawned(self.process, task.abort_handle());
        task
    }

    /// Wraps the future of a task that is started in another way than with [`Tasks::spawn`].
    pub fn counted<F>(&self, future: F) -> impl Future<Output = F::Output> + Send + use<F>
    where
        F: Future + Send,
    {
        #[cfg(feature = "simulation")]
        let future = of_process(future, self.process);
        run(future, Task::new(self.runnable.clone()))
    }

    /// The runtime itself, to make sockets on.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Resolves when no task is runnable. The runtime must block on this future, since it looks for events between two
    /// polls.
    pub async fn rest(&self) -> RestOutcome {
        let mut looks = 0;
        std::future::poll_fn(|context| {
            if looks > 0 && self.runnable.load(Ordering::Acquire) == 0 {
                return Poll::Ready(RestOutcome::Quiet);
            }
            if looks == MOST_LOOKS {
                return Poll::Ready(RestOutcome::Busy);
            }
            looks += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

/// Result of [`Tasks::rest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestOutcome {
    /// No task is runnable. The next event comes from outside or from a timer.
    Quiet,
    /// Some tasks are runnable.
    Busy,
}

/// Waits to be woken.
const ASLEEP: u8 = 0;
/// Was woken, or is new, and has not run since.
const AWAKE: u8 = 1;
/// Has ended. A later wake has no effect.
const OVER: u8 = 2;

/// Waker of a task's future, in front of tokio's own waker.
#[derive(Debug)]
struct CountingWaker {
    state: AtomicU8,
    runnable: Arc<AtomicUsize>,
    /// Tokio's, which is the same for all of a task's life.
    waker: OnceLock<Waker>,
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.runnable.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

/// State of a task while its future exists.
struct Task {
    waker: Arc<CountingWaker>,
}

impl Task {
    fn new(runnable: Arc<AtomicUsize>) -> Self {
        runnable.fetch_add(1, Ordering::AcqRel);
        Self {
            waker: Arc::new(CountingWaker { state: AtomicU8::new(AWAKE), runnable, waker: OnceLock::new() }),
        }
    }

    /// Begins a poll. A wake from here on makes the task runnable again.
    fn begin_poll(&self, context: &Context<'_>) {
        self.waker.waker.get_or_init(|| context.waker().clone());
        self.set_state(ASLEEP);
    }

    fn set_state(&self, state: u8) {
        if self.waker.state.swap(state, Ordering::AcqRel) == AWAKE {
            self.waker.runnable.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.set_state(OVER);
    }
}

/// Polls a future only while its process runs.
#[cfg(feature = "simulation")]
async fn of_process<F: Future>(future: F, process: u32) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if !simulation::enter(process, context) {
            return Poll::Pending;
        }
        let polled = future.as_mut().poll(context);
        simulation::leave(process);
        polled
    })
    .await
}

async fn run<F: Future>(future: F, task: Task) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(task.waker.clone());
    std::future::poll_fn(|context| {
        task.begin_poll(context);
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::Builder;
    use tokio::sync::{Notify, mpsc};

    fn runtime() -> (tokio::runtime::Runtime, Tasks) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = Tasks::from(runtime.handle().clone());
        (runtime, tasks)
    }

    fn runnable(tasks: &Tasks) -> usize {
        tasks.runnable.load(Ordering::Acquire)
    }

    #[test]
    fn a_rest_runs_all_that_can_run() {
        let (runtime, tasks) = runtime();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let first = tasks.spawn(async move {
            while let Some(number) = receiver.recv().await {
                if number == 2 {
                    return;
                }
            }
        });
        assert_eq!(runnable(&tasks), 1, "a new task has something to do");
        assert_eq!(runtime.block_on(tasks.rest()), RestOutcome::Quiet);
        let later = sender.clone();
        tasks.spawn(async move { later.send(2).unwrap() });
        sender.send(1).unwrap();
        assert_eq!(runnable(&tasks), 2);
        assert_eq!(runtime.block_on(tasks.rest()), RestOutcome::Quiet);
        assert!(first.is_finished());
        assert_eq!(runnable(&tasks), 0);
    }

    #[test]
    fn a_rest_runs_what_a_socket_wakes() {
        let (runtime, tasks) = runtime();
        let (mut near, mut far) = {
            let _context = runtime.enter();
            tokio::net::UnixStream::pair().unwrap()
        };
        let echo = tasks.spawn(async move {
            let mut byte = [0];
            far.read_exact(&mut byte).await.unwrap();
            far.write_all(&byte).await.unwrap();
        });
        runtime.block_on(tasks.rest());
        runtime.block_on(near.write_all(b"x")).unwrap();
        runtime.block_on(tasks.rest());
        assert!(echo.is_finished());
    }

    #[test]
    fn who_is_always_woken_again_does_not_keep_a_rest_for_ever() {
        let (runtime, tasks) = runtime();
        let restless = tasks.spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(runtime.block_on(tasks.rest()), RestOutcome::Busy);
        restless.abort();
        assert_eq!(runtime.block_on(tasks.rest()), RestOutcome::Quiet);
    }

    #[test]
    fn a_task_that_has_ended_is_not_awake_whoever_wakes_it() {
        let (runtime, tasks) = runtime();
        let bell = Arc::new(Notify::new());
        let waiting = bell.clone();
        let mut listening = Box::pin(async move { waiting.notified().await });
        let kept = Arc::new(OnceLock::new());
        let keeper = kept.clone();
        let task = tasks.spawn(std::future::poll_fn(move |context| {
            keeper.get_or_init(|| context.waker().clone());
            listening.as_mut().poll(context)
        }));
        runtime.block_on(tasks.rest());
        task.abort();
        runtime.block_on(tasks.rest());
        kept.get().unwrap().wake_by_ref();
        assert_eq!(runnable(&tasks), 0);
        drop(tasks.counted(async {}));
        assert_eq!(runnable(&tasks), 0, "nor is one that never ran");
    }
}
