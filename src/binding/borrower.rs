//! Drives the borrowed runtime of the engine on Node's event loop, so that events reach JavaScript without a wake of a
//! thread.
#![expect(unsafe_code, reason = "napi has no asynchronous clean-up hooks")]

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::Env;
use napi::{Result, check_status, sys};

use super::environment::{self, try_with};
use super::event_loop::Watch;
use super::event_queue::HEAVY_BURST;
use crate::engine::runtime::epoll_fd;
use crate::engine::runtime::handoff::{DriveOutcome, RuntimeHandoff};

/// Interval of a tick of a borrowed runtime for its timers, in ms.
const TICK: u64 = 5;
/// Number of ticks in a row without an event after which the runtime is returned.
const QUIET_TICKS: u32 = 3;

/// Drives a runtime while it is lent.
pub struct Borrower {
    lending: Arc<RuntimeHandoff>,
    watch: Watch,
    quiet_ticks: u32,
}

impl Borrower {
    /// `None` if JavaScript's thread cannot wait for the descriptor of the runtime.
    pub fn new(env: Env, lending: &Arc<RuntimeHandoff>) -> Result<Option<Self>> {
        let Ok(descriptor) = epoll_fd::of(lending.runtime()) else { return Ok(None) };
        let watch = Watch::new(env, descriptor, || turn(false), || turn(true));
        let Some(watch) = watch else { return Ok(None) };
        Ok(Some(Self { lending: lending.clone(), watch, quiet_ticks: 0 }))
    }

    /// Begins to drive the runtime if it was lent. JavaScript is awake and has collected the events.
    pub fn borrow_if_lent(&mut self) {
        if !self.watch.is_on() && self.lending.state().is_lent() {
            self.quiet_ticks = 0;
            self.watch.start(TICK);
        }
    }

    /// Has the environment's borrower end before the environment does, which waits for libuv to let go of it.
    pub fn leave_with(env: Env) -> Result<()> {
        // SAFETY: the hook uses no data.
        check_status!(unsafe {
            sys::napi_add_async_cleanup_hook(env.raw(), Some(leave), ptr::null_mut(), ptr::null_mut())
        })
    }

    /// Acts on the outcome of a drive, after which `size` bytes wait for JavaScript.
    fn turned(&mut self, turn: DriveOutcome, is_tick: bool, size: usize) {
        match turn {
            DriveOutcome::Kept => self.watch.stop(),
            DriveOutcome::Busy => self.watch.tick_soon(TICK),
            DriveOutcome::Quiet => {}
        }
        match size {
            0 if is_tick => self.quiet_ticks += 1,
            0 => {}
            _ => self.quiet_ticks = 0,
        }
        if turn == DriveOutcome::Quiet && (size > HEAVY_BURST || self.quiet_ticks >= QUIET_TICKS) {
            self.lending.give_back();
            self.watch.stop();
        }
    }
}

/// Called when the environment ends.
unsafe extern "C" fn leave(hook: sys::napi_async_cleanup_hook_handle, _data: *mut c_void) {
    let mut leaving = None;
    try_with(|environment| leaving = environment.borrower.take());
    // SAFETY: done once, which is when the environment may go on to end.
    let left = move || unsafe {
        sys::napi_remove_async_cleanup_hook(hook);
    };
    match leaving {
        Some(borrower) => borrower.watch.close(left),
        None => left(),
    }
}

/// Called by the event loop.
fn turn(is_tick: bool) {
    let mut lending = None;
    try_with(|environment| {
        lending = environment.borrower.as_ref().map(|borrower| borrower.lending.clone());
    });
    let Some(turn) = lending.map(|lending| lending.drive()) else { return };
    let mut size = 0;
    try_with(|environment| {
        size = environment.waiting();
        if let Some(borrower) = &mut environment.borrower {
            borrower.turned(turn, is_tick, size);
        }
    });
    if size > 0 {
        environment::deliver();
    }
}
