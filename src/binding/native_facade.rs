//! One loaded copy of the facade, as a class for JavaScript.

use napi::Result;
use napi::bindgen_prelude::{Env, Function};
use napi_derive::napi;

use super::environment;
use super::facade::Facade;

/// One copy of the facade, as JavaScript holds it. Garbage collection of this object takes the copy out of its environment.
#[napi]
pub struct NativeFacade {
    pub(super) facade: Facade,
}

#[napi]
impl NativeFacade {
    /// Adds a copy to this thread's environment, which the first copy starts. `drain` is called when `collect()` has
    /// events, through a weak reference. `borrows` lets this thread drive the engine on its event loop while there is
    /// little to do. The first copy decides.
    #[napi(constructor)]
    pub fn new(env: Env, drain: Function<'_, (), ()>, borrows: bool) -> Result<Self> {
        Ok(Self { facade: environment::join(env, &drain, borrows)? })
    }
}

impl Drop for NativeFacade {
    fn drop(&mut self) {
        environment::leave(&self.facade);
    }
}
