//! World of a simulation, which belongs to the thread that it runs on.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::pipe::PipeEnd;

/// Future of a connection attempt.
pub type Opening = std::pin::Pin<Box<dyn Future<Output = io::Result<PipeEnd>> + Send>>;

/// A simulated world. A process is a number; 0 is the world itself.
pub trait World {
    /// Returns the next random bytes.
    fn random(&self) -> [u8; 16];

    /// Returns the time since 1970.
    fn wall_clock(&self) -> Duration;

    /// Opens a connection from the process that runs.
    fn connect(&self, host: &str, port: u16) -> Opening;

    /// Notes a task of a process.
    fn spawned(&self, process: u32, task: AbortHandle);

    /// Begins a poll of a task. Returns false if the process is frozen; the world wakes the task later.
    fn enter(&self, process: u32, context: &Context<'_>) -> bool;

    /// Ends a poll that has begun.
    fn leave(&self, process: u32);

    /// Notes a command that a server has executed, with its reply.
    fn executed(&self, port: u16, words: &[&[u8]], reply: &[u8]);

    /// Returns true if the fault of that name is planted.
    fn is_planted(&self, name: &'static str) -> bool;
}

thread_local! {
    static WORLD: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
}

/// Installs or removes the world of this thread.
pub fn install(world: Option<Rc<dyn World>>) {
    WORLD.set(world);
}

fn with<T>(call: impl FnOnce(&dyn World) -> T) -> Option<T> {
    let world = WORLD.with_borrow(Clone::clone)?;
    Some(call(world.as_ref()))
}

pub(super) fn random() -> Option<[u8; 16]> {
    with(|world| world.random())
}

pub(super) fn wall_clock() -> Option<Duration> {
    with(|world| world.wall_clock())
}

pub(super) fn is_planted(name: &'static str) -> bool {
    with(|world| world.is_planted(name)).unwrap_or(false)
}

pub(crate) fn executed(port: u16, words: &[&[u8]], reply: &[u8]) {
    with(|world| world.executed(port, words, reply));
}

pub(crate) fn connect(host: &str, port: u16) -> Option<Opening> {
    with(|world| world.connect(host, port))
}

pub(crate) fn spawned(process: u32, task: AbortHandle) {
    with(|world| world.spawned(process, task));
}

pub(crate) fn enter(process: u32, context: &Context<'_>) -> bool {
    with(|world| world.enter(process, context)).unwrap_or(true)
}

pub(crate) fn leave(process: u32) {
    with(|world| world.leave(process));
}
