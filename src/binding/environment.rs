//! State of one Node environment: a thread, a runtime that both share, and the copies of the facade on this thread.
//!
//! Each environment has one, worker threads included. The first copy of the facade makes it. A clean-up hook of the
//! environment ends the runtime and joins the thread, however the environment ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use napi::Result;
use napi::bindgen_prelude::{Env, Function};
use napi::sys;

use crate::engine::host::context::Context;

#[cfg(target_os = "linux")]
use super::borrower::Borrower;
use super::drain::Drain;
use super::error::{cannot_start, invalid};
use super::event_queue::{EventQueue, Wake};
use super::facade::{Facade, FacadeState};
use super::lender::Lender;

/// One environment.
pub struct Environment {
    members: Vec<Member>,
    /// Each load of the addon has an environment of Node-API's own.
    hooked: Vec<sys::napi_env>,
    wake: Arc<Wake>,
    /// Drives the runtime on this thread while it is lent, if the platform allows it.
    #[cfg(target_os = "linux")]
    pub borrower: Option<Borrower>,
    /// The last field, so that every other holder of the runtime is gone by then.
    lender: Lender,
}

/// A copy of the facade.
struct Member {
    facade: Facade,
    events: Arc<EventQueue>,
    drain: Rc<Drain>,
}

impl Environment {
    fn start(env: Env, borrows: bool) -> Result<Self> {
        let (lender, lending) = Lender::start().map_err(|error| cannot_start(env, &error))?;
        // A function of the addon's own: the threadsafe function holds it, and must not hold a copy of the facade.
        let deliver = env.create_function_from_closure::<(), (), _>("deliver", |_| {
            deliver();
            Ok(())
        })?;
        let wake = Arc::new(deliver.build_threadsafe_function::<()>().weak::<true>().build()?);
        #[cfg(target_os = "linux")]
        let borrower =
            if borrows { Borrower::new(env, &lending, || drive(false), || drive(true))? } else { None };
        #[cfg(not(target_os = "linux"))]
        let _ = (borrows, lending);
        Ok(Self {
            members: Vec::new(),
            hooked: Vec::new(),
            wake,
            #[cfg(target_os = "linux")]
            borrower,
            lender,
        })
    }

    fn join(&mut self, env: Env, drain: &Function<'_, (), ()>) -> Result<Facade> {
        let Some(lending) = self.lender.lending() else {
            return Err(invalid("The environment is gone."));
        };
        #[cfg(target_os = "linux")]
        let loan = self.borrower.is_some().then(|| lending.state().clone());
        #[cfg(not(target_os = "linux"))]
        let loan = None;
        let events = Arc::new(EventQueue::new(self.wake.clone(), loan));
        let context = Context::new(events.clone(), lending.tasks().clone());
        let facade = Facade::new(FacadeState::new(context, events.clone()));
        let drain = Rc::new(Drain::new(env, drain)?);
        self.members.push(Member { facade: facade.clone(), events, drain });
        Ok(facade)
    }

    /// Size of the events that wait for JavaScript, in bytes.
    pub fn waiting(&self) -> usize {
        self.members.iter().map(|member| member.events.size()).sum()
    }
}

/// Place of an environment.
struct Slot(RefCell<Option<Environment>>);

impl Drop for Slot {
    /// Ends an environment whose hooks did not run. `process.exit()` ends the main thread without them, after Node has ended
    /// its platform. So only the engine ends, and neither Node-API nor libuv is called.
    ///
    /// On Windows, the end of a process first ends all other threads, the engine's among them. The end of the engine would
    /// then wait for a lock of a thread that is gone. So the last thread leaves its environment to the system.
    fn drop(&mut self) {
        let Some(environment) = self.0.get_mut().take() else { return };
        if cfg!(windows) {
            return std::mem::forget(environment);
        }
        #[cfg(target_os = "linux")]
        if let Some(borrower) = environment.borrower {
            borrower.abandon();
        }
        std::mem::forget((environment.members, environment.wake));
        drop(environment.lender);
    }
}

thread_local! {
    /// Each environment runs on a thread of its own, so the thread finds its environment.
    static ENVIRONMENT: Slot = const { Slot(RefCell::new(None)) };
}

/// Runs `action` with the place of this thread's environment.
fn with_slot<T>(action: impl FnOnce(&mut Option<Environment>) -> T) -> T {
    ENVIRONMENT.with(|slot| action(&mut slot.0.borrow_mut()))
}

/// Runs `action` with this thread's environment, unless it ended or is in use.
pub fn try_with(action: impl FnOnce(&mut Environment)) {
    let _ = ENVIRONMENT.try_with(|slot| {
        if let Ok(mut environment) = slot.0.try_borrow_mut()
            && let Some(environment) = environment.as_mut()
        {
            action(environment);
        }
    });
}

/// Adds a copy of the facade to this thread's environment, and starts the environment if needed.
pub fn join(env: Env, drain: &Function<'_, (), ()>, borrows: bool) -> Result<Facade> {
    let is_first = with_slot(|slot| slot.is_none());
    if is_first {
        let environment = Environment::start(env, borrows)?;
        with_slot(|slot| *slot = Some(environment));
    }
    let (facade, is_hooked) = with_slot(|slot| {
        let environment = slot.as_mut().ok_or_else(|| invalid("The environment is gone."))?;
        let is_hooked = environment.hooked.contains(&env.raw());
        if !is_hooked {
            environment.hooked.push(env.raw());
        }
        Ok::<_, napi::Error>((environment.join(env, drain)?, is_hooked))
    })?;
    if !is_hooked {
        env.add_env_cleanup_hook(env.raw() as usize, |raw| end(raw as sys::napi_env))?;
    }
    // Later, since hooks run in reverse order. Without a borrower there is none to wait for: the asynchronous hooks of Deno
    // damage its memory.
    #[cfg(target_os = "linux")]
    if is_first && has_borrower() {
        Borrower::leave_with(env, take_borrower)?;
    }
    Ok(facade)
}

/// Removes a copy whose JavaScript was collected.
pub fn leave(facade: &Facade) {
    let mut gone = None;
    try_with(|environment| {
        let index = environment.members.iter().position(|member| member.facade.is(facade));
        gone = index.map(|index| environment.members.swap_remove(index));
    });
    drop(gone);
}

/// Calls each copy to collect its events.
pub fn deliver() {
    let mut index = 0;
    while let Some(drain) = next_waiting(&mut index) {
        drain.call();
    }
}

fn next_waiting(index: &mut usize) -> Option<Rc<Drain>> {
    let mut found = None;
    try_with(|environment| {
        let rest = environment.members.iter().skip(*index);
        let next = rest.enumerate().find(|(_, member)| member.events.size() > 0);
        if let Some((passed, member)) = next {
            *index += passed + 1;
            found = Some(member.drain.clone());
        }
    });
    found
}

/// Drives the lent runtime, when the event loop calls.
#[cfg(target_os = "linux")]
fn drive(is_tick: bool) {
    let mut lending = None;
    try_with(|environment| lending = environment.borrower.as_ref().map(Borrower::lending));
    let Some(outcome) = lending.map(|lending| lending.drive()) else { return };
    let mut size = 0;
    try_with(|environment| {
        size = environment.waiting();
        if let Some(borrower) = &mut environment.borrower {
            borrower.turned(outcome, is_tick, size);
        }
    });
    if size > 0 {
        deliver();
    }
}

#[cfg(target_os = "linux")]
fn has_borrower() -> bool {
    let mut has = false;
    try_with(|environment| has = environment.borrower.is_some());
    has
}

#[cfg(target_os = "linux")]
fn take_borrower() -> Option<Borrower> {
    let mut taken = None;
    try_with(|environment| taken = environment.borrower.take());
    taken
}

/// Ends the copies of one environment of Node-API. With the last copy the thread ends, and every connection closes.
fn end(env: sys::napi_env) {
    let mut left = Vec::new();
    let mut is_last = false;
    try_with(|environment| {
        let members = std::mem::take(&mut environment.members);
        let (gone, kept) = members.into_iter().partition(|member| member.drain.is_of(env));
        (left, environment.members) = (gone, kept);
        environment.hooked.retain(|hooked| *hooked != env);
        is_last = environment.hooked.is_empty();
    });
    for member in left {
        member.facade.end();
    }
    if is_last {
        drop(with_slot(Option::take));
    }
}
