//! Drives the borrowed runtime of the engine on Node's event loop, so that events reach JavaScript without a wake of a
//! thread.
#![expect(unsafe_code, reason = "napi has no asynchronous clean-up hooks")]

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::Env;
use napi::{Result, check_status, sys};

use super::event_loop::Watch;
use super::event_queue::HEAVY_BURST;
use crate::engine::runtime::epoll_fd;
use crate::engine::runtime::handoff::{DriveOutcome, RuntimeHandoff};

/// Interval of a tick of a borrowed runtime for its timers, in ms.
const TICK: u64 = 5;
/// Number of ticks in a row without an event after which the runtime is returned.
const QUIET_TICKS: u32 = 3;

/// Function that takes the borrower out of the environment of this thread.
type TakeBorrower = fn() -> Option<Borrower>;

/// Drives a runtime while it is lent.
pub struct Borrower {
    lending: Arc<RuntimeHandoff>,
    watch: Watch,
    quiet_ticks: u32,
}

impl Borrower {
    /// Calls `on_event` and `on_tick` for each drive. `None` if JavaScript's thread cannot wait for the descriptor of the
    /// runtime.
    pub fn new(
        env: Env,
        lending: &Arc<RuntimeHandoff>,
        on_event: fn(),
        on_tick: fn(),
    ) -> Result<Option<Self>> {
        let Ok(descriptor) = epoll_fd::of(lending.runtime()) else { return Ok(None) };
        let watch = Watch::new(env, descriptor, on_event, on_tick);
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

    /// Has the environment's borrower end before the environment does, which waits for libuv to let go of it. `take`
    /// takes the borrower out of the environment.
    pub fn leave_with(env: Env, take: TakeBorrower) -> Result<()> {
        let data = Box::into_raw(Box::new(take));
        // SAFETY: this is the thread of the environment. If the hook was added, `leave` is called once and frees the data.
        let status =
            unsafe { sys::napi_add_async_cleanup_hook(env.raw(), Some(leave), data.cast(), ptr::null_mut()) };
        if status != sys::Status::napi_ok {
            // SAFETY: the box was made above, and no hook has it.
            drop(unsafe { Box::from_raw(data) });
        }
        check_status!(status)
    }

    /// Lets go of the runtime, and leaves the handles to the end of the process: no event loop runs any more.
    pub fn abandon(self) {
        std::mem::forget(self.watch);
    }

    /// The lent runtime.
    pub fn lending(&self) -> Arc<RuntimeHandoff> {
        self.lending.clone()
    }

    /// Acts on the outcome of a drive, after which `size` bytes wait for JavaScript.
    pub fn turned(&mut self, turn: DriveOutcome, is_tick: bool, size: usize) {
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
unsafe extern "C" fn leave(hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: `leave_with` made the data from a box, and Node calls this once.
    let take = unsafe { Box::from_raw(data.cast::<TakeBorrower>()) };
    // SAFETY: Node keeps the hook until it is removed, which this closure does once, on the thread of the environment.
    let left = move || unsafe {
        sys::napi_remove_async_cleanup_hook(hook);
    };
    match take() {
        Some(borrower) => borrower.watch.close(left),
        None => left(),
    }
}
