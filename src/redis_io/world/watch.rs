//! Values whose receivers wait for changes, for a simulation.
//!
//! tokio's `watch` spreads its receivers over eight lists by a random number of its own, so it wakes them in an order that
//! no seed decides. This one wakes them in the order in which they began to wait. A build for users has tokio's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The sender is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

#[derive(Debug)]
struct Shared<T> {
    /// The value, and the number of its changes.
    state: Mutex<(T, u64)>,
    changed: Notify,
    is_closed: AtomicBool,
}

impl<T> Shared<T> {
    fn locked(&self) -> MutexGuard<'_, (T, u64)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the value.
#[derive(Debug)]
pub struct Sender<T>(Arc<Shared<T>>);

/// Waits for changes of the value.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// Number of changes that this receiver has seen.
    seen: u64,
}

/// Access to the value. Held for one access only.
pub struct Ref<'a, T>(MutexGuard<'a, (T, u64)>);

impl<T> std::ops::Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Sender<T> {
    /// A sender with its first value.
    pub fn new(value: T) -> Self {
        let (state, changed, is_closed) = (Mutex::new((value, 0)), Notify::new(), AtomicBool::new(false));
        Self(Arc::new(Shared { state, changed, is_closed }))
    }

    /// Changes the value, and wakes all receivers that wait.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        {
            let (value, changes) = &mut *self.0.locked();
            change(value);
            *changes += 1;
        }
        self.0.changed.notify_waiters();
    }

    /// Replaces the value, and wakes all receivers that wait. Returns the former value.
    pub fn send_replace(&self, value: T) -> T {
        let mut former = value;
        self.send_modify(|current| std::mem::swap(current, &mut former));
        former
    }

    /// Returns access to the value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.0.locked())
    }

    /// Returns a receiver of the changes from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.locked().1;
        Receiver { shared: self.0.clone(), seen }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }
}

impl<T> Receiver<T> {
    /// Returns access to the value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.locked())
    }

    /// Returns access to the value, which counts as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let state = self.shared.locked();
        self.seen = state.1;
        Ref(state)
    }

    /// Waits for a change that this receiver has not seen.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            // It counts from here on, so a change behind the comparison wakes it.
            let notified = self.shared.changed.notified();
            let changes = self.shared.locked().1;
            if changes != self.seen {
                self.seen = changes;
                return Ok(());
            }
            if self.shared.is_closed.load(Ordering::Acquire) {
                return Err(Closed);
            }
            notified.await;
        }
    }

    /// Waits until the value meets a condition.
    pub async fn wait_for(&mut self, mut is_met: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, Closed> {
        while !is_met(&self.borrow_and_update()) {
            self.changed().await?;
        }
        Ok(self.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn receivers_wake_in_the_order_in_which_they_began_to_wait() {
        let (sender, woken) = (Sender::new(0), Arc::new(Mutex::new(Vec::new())));
        for number in 0..40 {
            let (mut receiver, woken) = (sender.subscribe(), woken.clone());
            tokio::spawn(async move {
                let is_changed = receiver.changed().await.is_ok();
                woken.lock().unwrap_or_else(PoisonError::into_inner).push((number, is_changed));
            });
        }
        tokio::task::yield_now().await;
        sender.send_replace(1);
        tokio::task::yield_now().await;
        let woken = woken.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*woken, (0..40).map(|number| (number, true)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_wait_ends_with_its_condition_or_with_the_sender() {
        let sender = Sender::new(0);
        let mut receiver = sender.subscribe();
        sender.send_modify(|value| *value = 3);
        assert_eq!(receiver.wait_for(|value| *value > 2).await.map(|value| *value), Ok(3));
        drop(sender);
        assert_eq!(receiver.changed().await, Err(Closed));
    }
}
