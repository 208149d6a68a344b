//! The function of a copy of the facade that collects its events.
#![expect(
    unsafe_code,
    reason = "napi offers neither weak references to functions nor calls from a callback of libuv"
)]

use std::ptr;

use napi::bindgen_prelude::{Env, Function, JsValue};
use napi::{Result, check_status, sys};

/// A weak reference to such a function: a copy of the facade lives as long as its JavaScript does.
pub struct Drain {
    env: sys::napi_env,
    reference: sys::napi_ref,
}

impl Drain {
    /// Refers to `function`.
    pub fn new(env: Env, function: &Function<'_, (), ()>) -> Result<Self> {
        let mut reference = ptr::null_mut();
        // SAFETY: this is the environment's thread. The function belongs to the open scope, and a count of 0 makes the
        // reference weak.
        check_status!(unsafe { sys::napi_create_reference(env.raw(), function.raw(), 0, &mut reference) })?;
        Ok(Self { env: env.raw(), reference })
    }

    /// Returns true if the function belongs to that environment of Node-API.
    pub fn is_of(&self, env: sys::napi_env) -> bool {
        self.env == env
    }

    /// Calls the function as an event loop calls back: with the ticks and microtasks that follow. An exception is
    /// reported like that of any callback. Nothing happens if the function was collected or JavaScript cannot run.
    pub fn call(&self) {
        let mut scope = ptr::null_mut();
        // SAFETY: the pointers of Node-API keep this value on the environment's thread. The environment is alive, since its
        // hook drops this value. The scope is closed however the call ends.
        unsafe {
            if sys::napi_open_handle_scope(self.env, &mut scope) == sys::Status::napi_ok {
                self.call_in_scope();
                sys::napi_close_handle_scope(self.env, scope);
            }
        }
    }

    /// Calls the function.
    ///
    /// # Safety
    ///
    /// A handle scope of the environment must be open, on its thread.
    unsafe fn call_in_scope(&self) {
        let (mut function, mut global, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let (context, arguments) = (ptr::null_mut(), ptr::null());
        // SAFETY: all values belong to the open scope. The callers of `call` hold no borrow of the environment's state, which
        // JavaScript can change.
        unsafe {
            let found = sys::napi_get_reference_value(self.env, self.reference, &mut function);
            if found != sys::Status::napi_ok || function.is_null() {
                return;
            }
            sys::napi_get_global(self.env, &mut global);
            let status =
                sys::napi_make_callback(self.env, context, global, function, 0, arguments, &mut result);
            if status == sys::Status::napi_pending_exception {
                let mut error = ptr::null_mut();
                sys::napi_get_and_clear_last_exception(self.env, &mut error);
                sys::napi_fatal_exception(self.env, error);
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        // SAFETY: this is the environment's thread. The environment is alive: its hook drops this value, or a finalizer does.
        // A thread that exits without that hook forgets it, see `environment`.
        unsafe { sys::napi_delete_reference(self.env, self.reference) };
    }
}
