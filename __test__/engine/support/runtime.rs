use std::future::Future;
use std::sync::mpsc;
use std::thread::JoinHandle;

use hfxbus::redis_io::tasks::Tasks;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::{DEADLINE, until};

/// A current-thread runtime on a thread of its own, as the engine has it.
pub struct Engine {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    pub fn start() -> Self {
        let (to_us, handle) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            to_us.send(runtime.handle().clone()).expect("the test listens");
            // Ends when the engine is dropped, whichever way.
            let _ = runtime.block_on(stopped);
        });
        let handle = handle.recv_timeout(DEADLINE).expect("the thread runs");
        Self { handle, stop: Some(stop), thread: Some(thread) }
    }

    pub fn handle(&self) -> Tasks {
        self.handle.clone().into()
    }

    /// Runs `future` on the engine's thread and waits for it.
    #[track_caller]
    pub fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (to_us, outcome) = mpsc::channel();
        self.handle.spawn(async move { to_us.send(future.await) });
        outcome.recv_timeout(DEADLINE).expect("the future ends in time")
    }

    /// Returns the number of tasks.
    pub fn tasks(&self) -> usize {
        self.handle.metrics().num_alive_tasks()
    }

    /// Waits until no task is left.
    #[track_caller]
    pub fn until_idle(&self) {
        until("no task is left", || self.tasks() == 0);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported already.
            let _ = thread.join();
        }
    }
}
