//! Times of the watches of delayed sends. Pure.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::redis_io::locked::Locked;
use crate::redis_io::world::map::HashMap;

use crate::engine::runtime::backoff::jitter;

/// Time between two checks of a consumer for delayed sends of other processes.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Member that watches a stream as long as it is active.
pub(crate) trait ScheduleUser: Send + Sync {
    /// Returns true while the member uses the stream.
    fn is_active(&self) -> bool;
}

/// A watched stream: index of its node, and its name.
pub(crate) type Place = (usize, String);

/// Times of a watch.
#[derive(Default)]
pub(crate) struct Watch {
    /// Time of the next script, if a send is known.
    pub(crate) due: Option<Instant>,
    /// Time of the next check for sends of others.
    pub(crate) check: Option<Instant>,
    pub(crate) users: Vec<Weak<dyn ScheduleUser>>,
    wakeup: Arc<Notify>,
}

/// The watches of a bus.
#[derive(Default)]
pub(crate) struct Schedules {
    /// A lock, since members begin on both threads.
    watches: Mutex<HashMap<Place, Watch>>,
}

/// Next step of a watch.
pub(crate) enum Step {
    /// Ends, since nothing is left to wait for.
    End,
    /// Waits until then.
    Wait(Instant),
    /// Checks for delayed sends of others.
    Check,
    /// Adds the entries that are due.
    Release,
}

impl Schedules {
    /// Changes a watch, and wakes its task if `change` returns true. Returns the wakeup of a new watch, whose task must begin.
    pub(crate) fn change(
        &self,
        place: &Place,
        change: impl FnOnce(&mut Watch) -> bool,
    ) -> Option<Arc<Notify>> {
        let mut watches = self.watches.locked();
        if let Some(watch) = watches.get_mut(place) {
            if change(watch) {
                watch.wakeup.notify_one();
            }
            return None;
        }
        let mut watch = Watch::default();
        change(&mut watch);
        let wakeup = watch.wakeup.clone();
        watches.insert(place.clone(), watch);
        Some(wakeup)
    }

    /// Returns the next step. A release takes its time.
    pub(crate) fn step(&self, place: &Place, is_closing: bool) -> Step {
        let mut watches = self.watches.locked();
        let Some(watch) = watches.get_mut(place) else { return Step::End };
        watch.users.retain(|user| user.upgrade().is_some_and(|user| user.is_active()));
        if watch.users.is_empty() {
            watch.check = None;
        }
        let next = watch.due.into_iter().chain(watch.check).min();
        let Some(next) = next.filter(|_| !is_closing) else {
            watches.remove(place);
            return Step::End;
        };
        let now = Instant::now();
        match watch.due {
            _ if next > now => Step::Wait(next),
            Some(due) if due <= now => {
                watch.due = None;
                Step::Release
            }
            _ => Step::Check,
        }
    }

    /// Notes the time of the next script, unless an earlier one is known, and of the next check.
    pub(crate) fn note(&self, place: &Place, due: Option<Instant>) {
        if let Some(watch) = self.watches.locked().get_mut(place) {
            watch.due = watch.due.into_iter().chain(due).min();
            watch.check = Some(Instant::now() + CHECK_INTERVAL.mul_f64(1.0 + jitter() / 4.0));
        }
    }

    /// Ends a watch.
    pub(crate) fn forget(&self, place: &Place) {
        self.watches.locked().remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct User(bool);

    impl ScheduleUser for User {
        fn is_active(&self) -> bool {
            self.0
        }
    }

    fn place() -> Place {
        (0, "s".to_owned())
    }

    fn in_time(seconds: u64) -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(seconds))
    }

    #[test]
    fn a_watch_releases_when_it_is_due_and_ends_when_nothing_is_left() {
        let schedules = Schedules::default();
        assert!(
            schedules
                .change(&place(), |watch| {
                    watch.due = in_time(9);
                    true
                })
                .is_some()
        );
        assert!(matches!(schedules.step(&place(), false), Step::Wait(_)));
        assert!(
            schedules
                .change(&place(), |watch| {
                    watch.due = in_time(0);
                    true
                })
                .is_none()
        );
        assert!(matches!(schedules.step(&place(), false), Step::Release));
        schedules.note(&place(), in_time(5));
        assert!(matches!(schedules.step(&place(), false), Step::Wait(_)));
        assert!(matches!(schedules.step(&place(), true), Step::End), "the bus is stopped");
        assert!(matches!(schedules.step(&place(), false), Step::End));
    }

    #[test]
    fn a_send_that_comes_during_a_release_is_kept() {
        let schedules = Schedules::default();
        schedules.change(&place(), |watch| {
            watch.due = in_time(0);
            true
        });
        schedules.step(&place(), false);
        schedules.change(&place(), |watch| {
            watch.due = in_time(3);
            true
        });
        schedules.note(&place(), None);
        assert!(matches!(schedules.step(&place(), false), Step::Wait(_)));
    }

    #[test]
    fn a_watch_with_an_active_user_checks_and_ends_without_one() {
        let schedules = Schedules::default();
        let (active, idle): (Arc<dyn ScheduleUser>, Arc<dyn ScheduleUser>) =
            (Arc::new(User(true)), Arc::new(User(false)));
        schedules.change(&place(), |watch| {
            watch.users = vec![Arc::downgrade(&active), Arc::downgrade(&idle)];
            watch.check = in_time(0);
            true
        });
        assert!(matches!(schedules.step(&place(), false), Step::Check));
        schedules.note(&place(), None);
        assert!(matches!(schedules.step(&place(), false), Step::Wait(_)));
        drop(active);
        assert!(matches!(schedules.step(&place(), false), Step::End));
    }
}
