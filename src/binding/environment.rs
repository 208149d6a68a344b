//! What one Node environment owns: a thread, a runtime that the two of them share, and the things that the facade names by
//! number.
//!
//! One per environment (worker threads included), made when the facade loads and gone with the environment: a
//! clean-up hook ends the runtime and joins the thread, however the environment ends.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::JoinHandle;

use napi::Result;
use napi::bindgen_prelude::{Env, Function};
use napi_derive::napi;

use crate::engine::bus::Bus;
use crate::engine::client::Client;
use crate::engine::consumer::Consumer;
use crate::engine::context::Context;
use crate::engine::plan::Plan;
use crate::engine::producer::Producer;
use crate::redis_io::keys::Keys;

#[cfg(target_os = "linux")]
use super::borrower::Borrower;
use super::error::invalid;
use super::outgoing::Outgoing;
use super::wake::Upward;
use crate::engine::lending::Lending;

/// What packets name as the place where something goes.
#[derive(Clone)]
pub enum NamedLink {
    /// The shared connections of a bus; which one is a matter of the job.
    Bus(Arc<Bus>),
    /// A connection of the user's own, to the node of that index.
    User(Arc<Bus>, usize, Arc<Client>),
}

impl NamedLink {
    /// The index of the node where a job's payload is.
    pub fn node(&self, job: &str) -> usize {
        match self {
            Self::Bus(bus) => bus.route(job),
            Self::User(_, node, _) => *node,
        }
    }

    /// The names of keys on a node.
    pub fn keys(&self, node: usize) -> &Keys {
        let (Self::Bus(bus) | Self::User(bus, _, _)) = self;
        bus.nodes()[node].keys()
    }

    /// The connection to a node.
    pub fn client(&self, node: usize) -> &Client {
        match self {
            Self::Bus(bus) => bus.nodes()[node].shared(),
            Self::User(_, _, client) => client,
        }
    }
}

/// A producer that packets name, with its plans.
#[derive(Clone)]
pub struct NamedProducer {
    /// The producer.
    pub producer: Arc<Producer>,
    /// The number of the bus it sends on.
    pub link: u32,
    /// What it sends to, by number.
    pub plans: Vec<Arc<Plan>>,
}

/// Things by number. Numbers are not used again, so one that came too late names nothing.
pub struct Registry<T> {
    next: u32,
    things: std::collections::HashMap<u32, T>,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self { next: 1, things: std::collections::HashMap::new() }
    }
}

impl<T> Registry<T> {
    /// The number that the next thing gets.
    pub fn reserve(&mut self) -> u32 {
        self.reserve_many(1)
    }

    /// The first of as many numbers.
    pub fn reserve_many(&mut self, count: u32) -> u32 {
        let number = self.next;
        self.next += count;
        number
    }

    /// Names a thing.
    pub fn insert(&mut self, number: u32, thing: T) {
        self.things.insert(number, thing);
    }

    /// The thing of that number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.things.get(&number)
    }

    /// The thing of that number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.things.get_mut(&number)
    }

    /// Forgets a thing and returns it.
    pub fn remove(&mut self, number: u32) -> Option<T> {
        self.things.remove(&number)
    }
}

/// One environment.
pub struct Environment {
    /// What all buses share.
    pub context: Arc<Context>,
    /// What goes up.
    pub upward: Arc<Upward>,
    /// The packet that was read last; its capacity is used again.
    pub spare: Outgoing,
    /// Connections by number.
    pub links: Registry<NamedLink>,
    /// Producers by number.
    pub producers: Registry<NamedProducer>,
    /// Consumers by number.
    pub consumers: Registry<Arc<Consumer>>,
    /// Turns the runtime on this thread while it is lent, where that can be.
    #[cfg(target_os = "linux")]
    pub borrower: Option<Borrower>,
    /// Last, so that nobody else has the runtime any more.
    _lender: Lender,
}

/// The thread, and the runtime that it lends; with it ends the thread, and every task.
struct Lender(Option<(Arc<Lending>, JoinHandle<()>)>);

impl Drop for Lender {
    fn drop(&mut self) {
        let Some((lending, thread)) = self.0.take() else { return };
        lending.end();
        // The thread is the last to have the runtime, whose tasks then end there.
        drop(lending);
        // A panic of the thread has been reported already.
        let _ = thread.join();
    }
}

thread_local! {
    /// Each environment runs on a thread of its own, so the thread finds its environment.
    static ENVIRONMENT: RefCell<Option<Environment>> = const { RefCell::new(None) };
}

/// Runs `action` with this thread's environment.
pub fn with<T>(action: impl FnOnce(&mut Environment) -> Result<T>) -> Result<T> {
    ENVIRONMENT.with_borrow_mut(|environment| match environment {
        Some(environment) => action(environment),
        None => Err(invalid("The environment is gone.")),
    })
}

/// Runs `action` with this thread's environment if it is still there, as when something is garbage collected.
pub fn with_if_there(action: impl FnOnce(&mut Environment)) {
    // Not there, or busy while a finalizer runs inside of it: then it goes with the environment.
    let _ = ENVIRONMENT.try_with(|cell| {
        if let Ok(mut environment) = cell.try_borrow_mut()
            && let Some(environment) = environment.as_mut()
        {
            action(environment);
        }
    });
}

/// Starts this environment's thread; `drain` is called when there is something to `collect()`. Called once, when the
/// facade loads. `borrows` is whether this thread may do the engine's work on its event loop while there is little.
#[napi]
pub fn start(env: Env, drain: Function<'_, (), ()>, borrows: bool) -> Result<()> {
    let (lending, thread) = Lending::start()?;
    #[cfg(target_os = "linux")]
    let borrower = if borrows { Borrower::new(env, &lending, &drain)? } else { None };
    #[cfg(target_os = "linux")]
    let loan = borrower.is_some().then(|| lending.loan().clone());
    #[cfg(not(target_os = "linux"))]
    let loan = None.filter(|_| borrows);
    let wake = drain.build_threadsafe_function::<()>().weak::<true>().build()?;
    let upward = Arc::new(Upward::new(wake, loan));
    let environment = Environment {
        context: Context::new(upward.clone(), lending.tasks().clone()),
        upward,
        spare: Outgoing::default(),
        links: Registry::default(),
        producers: Registry::default(),
        consumers: Registry::default(),
        #[cfg(target_os = "linux")]
        borrower,
        _lender: Lender(Some((lending, thread))),
    };
    ENVIRONMENT.with_borrow_mut(|slot| *slot = Some(environment));
    env.add_env_cleanup_hook((), |()| end())?;
    // Later, since hooks run in reverse order.
    #[cfg(target_os = "linux")]
    Borrower::leave_with(env)?;
    Ok(())
}

/// Ends the thread and closes every connection.
fn end() {
    drop(ENVIRONMENT.with_borrow_mut(Option::take));
}
