//! JavaScript's side of the loan of the engine's runtime: turns it from Node's event loop, and hands over what comes up
//! without a thread being woken.
#![expect(unsafe_code, reason = "napi has no safe way to call JavaScript from a callback of libuv")]

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::Result;
use napi::bindgen_prelude::{Env, Function, FunctionRef, JsValue};
use napi::{check_status, sys};

use super::environment::with_if_there;
use super::event_loop::Watch;
use super::wake::{HEAVY_BURST, Upward};
use crate::engine::lending::{Lending, Turn};
use crate::engine::readiness;

/// So often a borrowed runtime is turned for its timers, in ms.
const TICK: u64 = 5;
/// After so many ticks in a row without anything for JavaScript the runtime is given back.
const QUIET_TICKS: u32 = 3;

/// Turns a runtime while it is lent.
pub struct Borrower {
    env: Env,
    lending: Arc<Lending>,
    watch: Watch,
    drain: FunctionRef<(), ()>,
    quiet_ticks: u32,
}

impl Borrower {
    /// `drain` collects what waits. `None` where JavaScript's thread cannot wait for what the runtime waits for.
    pub fn new(env: Env, lending: &Arc<Lending>, drain: &Function<'_, (), ()>) -> Result<Option<Self>> {
        let Ok(descriptor) = readiness::of(lending.runtime()) else { return Ok(None) };
        let watch = Watch::new(env, descriptor, || turn(false), || turn(true));
        let Some(watch) = watch else { return Ok(None) };
        let drain = drain.create_ref()?;
        Ok(Some(Self { env, lending: lending.clone(), watch, drain, quiet_ticks: 0 }))
    }

    /// Begins to turn the runtime if it was lent. JavaScript is awake and has taken what there was.
    pub fn borrow_if_lent(&mut self) {
        if !self.watch.is_on() && self.lending.loan().is_lent() {
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

    /// What follows a turn. Whether something waits for JavaScript.
    fn turned(&mut self, turn: Turn, is_tick: bool, upward: &Upward) -> bool {
        match turn {
            Turn::Kept => self.watch.stop(),
            Turn::Busy => self.watch.tick_soon(TICK),
            Turn::Quiet => {}
        }
        let size = upward.size();
        match size {
            0 if is_tick => self.quiet_ticks += 1,
            0 => {}
            _ => self.quiet_ticks = 0,
        }
        if turn == Turn::Quiet && (size > HEAVY_BURST || self.quiet_ticks >= QUIET_TICKS) {
            self.lending.give_back();
            self.watch.stop();
        }
        size > 0
    }
}

/// Called when the environment ends.
unsafe extern "C" fn leave(hook: sys::napi_async_cleanup_hook_handle, _data: *mut c_void) {
    let mut leaving = None;
    with_if_there(|environment| leaving = environment.borrower.take());
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
    with_if_there(|environment| {
        lending = environment.borrower.as_ref().map(|borrower| borrower.lending.clone());
    });
    let Some(turn) = lending.map(|lending| lending.turn()) else { return };
    let mut waiting = None;
    with_if_there(|environment| {
        let upward = environment.upward.clone();
        if let Some(borrower) = &mut environment.borrower
            && borrower.turned(turn, is_tick, &upward)
        {
            waiting = Some(borrower.env);
        }
    });
    if let Some(env) = waiting {
        // What is thrown there goes where the exceptions of any callback go; a scope that cannot be had is one that
        // ends, which has nobody left to be told.
        let _ = drain(env);
    }
}

/// Has JavaScript collect what waits, as the event loop calls back: with the ticks and microtasks that follow.
fn drain(env: Env) -> Result<()> {
    let mut scope = ptr::null_mut();
    // SAFETY: this is the environment's thread, and it runs no JavaScript at the moment; the scope is closed below,
    // however the call ends.
    unsafe {
        check_status!(sys::napi_open_handle_scope(env.raw(), &mut scope))?;
        let outcome = drain_in_scope(env);
        check_status!(sys::napi_close_handle_scope(env.raw(), scope))?;
        outcome
    }
}

/// SAFETY: there has to be an open handle scope.
unsafe fn drain_in_scope(env: Env) -> Result<()> {
    let raw = env.raw();
    let mut function = None;
    with_if_there(|environment| {
        let borrowed = environment.borrower.as_ref().map(|borrower| borrower.drain.borrow_back(&env));
        function = borrowed.map(|function| function.map(|function| function.raw()));
    });
    let Some(function) = function.transpose()? else { return Ok(()) };
    let (mut global, mut result, mut error) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: all values belong to the open scope.
    unsafe {
        check_status!(sys::napi_get_global(raw, &mut global))?;
        let (context, arguments) = (ptr::null_mut(), ptr::null());
        let status = sys::napi_make_callback(raw, context, global, function, 0, arguments, &mut result);
        if status == sys::Status::napi_pending_exception {
            check_status!(sys::napi_get_and_clear_last_exception(raw, &mut error))?;
            check_status!(sys::napi_fatal_exception(raw, error))?;
        }
    }
    Ok(())
}
