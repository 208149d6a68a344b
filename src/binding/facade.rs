//! State of one loaded copy of the facade: its named objects, and the events that it has not collected.
//!
//! A thread can load the facade more than once, as test runners do that reset their modules. The copies share the engine's
//! thread. Numbers, connections and events belong to one copy each.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use napi::Result;

use crate::engine::consumer::Consumer;
use crate::engine::host::context::Context;
use crate::engine::producer::Producer;
use crate::engine::producer::sending::send_plans::SendPlans;
use crate::engine::submission::RequestTarget;

use super::error::invalid;
use super::event_queue::EventQueue;
use super::event_writer::EventWriter;

/// A producer that packets name, with its plans.
pub struct NamedProducer {
    /// The producer.
    pub producer: Arc<Producer>,
    /// The number of the bus it sends on.
    pub link: u32,
    /// Plans of the producer, by number.
    pub plans: Vec<SendPlans>,
}

/// Objects by number. Numbers are not used again, so a late one names nothing.
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
    /// Reserves the number of the next object.
    pub fn reserve(&mut self) -> u32 {
        self.reserve_many(1)
    }

    /// Reserves `count` numbers and returns the first.
    pub fn reserve_many(&mut self, count: u32) -> u32 {
        let number = self.next;
        self.next += count;
        number
    }

    /// Adds an object.
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

    /// Removes an object and returns it.
    pub fn remove(&mut self, number: u32) -> Option<T> {
        self.things.remove(&number)
    }
}

/// The state of one copy.
pub struct FacadeState {
    /// State that the buses of this copy share.
    pub context: Arc<Context>,
    /// Events for this copy.
    pub events: Arc<EventQueue>,
    /// The packet that was read last; its capacity is used again.
    pub spare: EventWriter,
    /// Connections by number.
    pub links: Registry<RequestTarget>,
    /// Producers by number.
    pub producers: Registry<NamedProducer>,
    /// Consumers by number.
    pub consumers: Registry<Arc<Consumer>>,
}

impl FacadeState {
    /// The state of a copy that has not named anything yet.
    pub fn new(context: Arc<Context>, events: Arc<EventQueue>) -> Self {
        Self {
            context,
            events,
            spare: EventWriter::default(),
            links: Registry::default(),
            producers: Registry::default(),
            consumers: Registry::default(),
        }
    }
}

/// A handle to the state of one copy. The state is gone once the environment has ended.
#[derive(Clone)]
pub struct Facade(Rc<RefCell<Option<FacadeState>>>);

impl Facade {
    /// A handle to `state`.
    pub fn new(state: FacadeState) -> Self {
        Self(Rc::new(RefCell::new(Some(state))))
    }

    /// Runs `action` with the state.
    pub fn with<T>(&self, action: impl FnOnce(&mut FacadeState) -> Result<T>) -> Result<T> {
        match &mut *self.0.borrow_mut() {
            Some(state) => action(state),
            None => Err(invalid("The environment is gone.")),
        }
    }

    /// Runs `action` with the state, unless it is gone or in use. A finalizer can run while it is in use. The object then
    /// ends with the copy.
    pub fn try_with(&self, action: impl FnOnce(&mut FacadeState)) {
        if let Ok(mut state) = self.0.try_borrow_mut()
            && let Some(state) = state.as_mut()
        {
            action(state);
        }
    }

    /// Drops the state. Connections that are open are closed.
    pub fn end(&self) {
        let state = self.0.try_borrow_mut().map(|mut state| state.take());
        drop(state);
    }

    /// Returns true if both handles lead to the same state.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}
