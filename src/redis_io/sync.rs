//! Primitives of the code that two threads share. Models of this code replace this module by one of loom, see
//! `__test__/models`.

use std::io;

pub use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
pub use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
pub use std::thread::JoinHandle;

pub use tokio::runtime::{Handle, Runtime};
pub use tokio::sync::Notify;
pub use tokio::task::JoinHandle as TaskHandle;

/// Builds a runtime for the tasks of an engine.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Starts a thread.
pub fn spawn_thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}
