//! Times of the watches of delayed sends. Pure.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::redis_io::error::RedisError;
use crate::redis_io::locked::Locked;
use crate::redis_io::world::map::HashMap;

use crate::engine::runtime::backoff::jitter;

/// Time between two checks of a consumer for delayed sends of other processes.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Minimum time between the checks of two streams. Beyond 200 streams, checks of a stream are rarer.
const CHECK_SPACING: Duration = Duration::from_millis(50);

/// Member that sends with a delay, or looks for delayed sends.
pub(crate) trait ScheduleUser: Send + Sync {
    /// Returns true while the member looks for the delayed sends of others.
    fn is_active(&self) -> bool;

    /// Reports that Redis refuses the entries of delayed sends.
    fn report(&self, error: &RedisError);
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
    /// Member that has sent with a delay.
    pub(crate) sender: Option<Weak<dyn ScheduleUser>>,
    /// True if a failure was reported, until a success.
    pub(crate) is_reported: bool,
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

    /// Ends all watches, before the bus closes its connections: a later script would open them again.
    pub(crate) fn end(&self) {
        for (_, watch) in std::mem::take(&mut *self.watches.locked()) {
            watch.wakeup.notify_one();
        }
    }

    /// Returns the next step of the watch with that wakeup. A release takes its time.
    pub(crate) fn step(&self, place: &Place, wakeup: &Arc<Notify>, is_closing: bool) -> Step {
        let mut watches = self.watches.locked();
        let Some(watch) = watches.get_mut(place).filter(|watch| Arc::ptr_eq(&watch.wakeup, wakeup)) else {
            return Step::End;
        };
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
        let mut watches = self.watches.locked();
        let spaced = CHECK_SPACING * u32::try_from(watches.len()).unwrap_or(u32::MAX);
        if let Some(watch) = watches.get_mut(place) {
            watch.due = watch.due.into_iter().chain(due).min();
            let interval = CHECK_INTERVAL.max(spaced);
            watch.check = Some(Instant::now() + interval.mul_f64(1.0 + jitter() / 4.0));
        }
    }

    /// Notes that entries can be added.
    pub(crate) fn succeed(&self, place: &Place) {
        if let Some(watch) = self.watches.locked().get_mut(place) {
            watch.is_reported = false;
        }
    }

    /// Reports a failure to the sender, or else to a member that looks for the delayed sends of others. A failure in a row is
    /// reported once.
    pub(crate) fn report(&self, place: &Place, error: &RedisError) {
        let member = {
            let mut watches = self.watches.locked();
            let Some(watch) = watches.get_mut(place) else { return };
            let member = watch.sender.iter().chain(&watch.users).find_map(Weak::upgrade);
            if std::mem::replace(&mut watch.is_reported, member.is_some()) {
                return;
            }
            member
        };
        if let Some(member) = member {
            member.report(error);
        }
    }

    /// Ends the watch with that wakeup.
    pub(crate) fn forget(&self, place: &Place, wakeup: &Arc<Notify>) {
        let mut watches = self.watches.locked();
        if watches.get(place).is_some_and(|watch| Arc::ptr_eq(&watch.wakeup, wakeup)) {
            watches.remove(place);
        }
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

        fn report(&self, _: &RedisError) {}
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
        let watch_until = |seconds| {
            schedules.change(&place(), |watch| {
                watch.due = in_time(seconds);
                true
            })
        };
        let wakeup = watch_until(9).expect("a new watch");
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::Wait(_)));
        assert!(watch_until(0).is_none());
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::Release));
        schedules.note(&place(), in_time(5));
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::Wait(_)));
        assert!(matches!(schedules.step(&place(), &wakeup, true), Step::End), "the bus is stopped");
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::End));
    }

    #[tokio::test]
    async fn the_end_of_all_watches_wakes_their_tasks_and_leaves_later_watches_alone() {
        let schedules = Schedules::default();
        let watch = || {
            let due = in_time(9);
            schedules.change(&place(), |watch| std::mem::replace(&mut watch.due, due).is_none())
        };
        let ended = watch().expect("a new watch");
        schedules.end();
        ended.notified().await;
        let later = watch().expect("another one");
        assert!(matches!(schedules.step(&place(), &ended, false), Step::End));
        schedules.forget(&place(), &ended);
        assert!(matches!(schedules.step(&place(), &later, false), Step::Wait(_)));
    }

    #[test]
    fn a_send_that_comes_during_a_release_is_kept() {
        let schedules = Schedules::default();
        let first = schedules.change(&place(), |watch| {
            watch.due = in_time(0);
            true
        });
        let wakeup = first.expect("a new watch");
        schedules.step(&place(), &wakeup, false);
        schedules.change(&place(), |watch| {
            watch.due = in_time(3);
            true
        });
        schedules.note(&place(), None);
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::Wait(_)));
    }

    #[test]
    fn a_watch_with_an_active_user_checks_and_ends_without_one() {
        let schedules = Schedules::default();
        let (active, idle): (Arc<dyn ScheduleUser>, Arc<dyn ScheduleUser>) =
            (Arc::new(User(true)), Arc::new(User(false)));
        let first = schedules.change(&place(), |watch| {
            watch.users = vec![Arc::downgrade(&active), Arc::downgrade(&idle)];
            watch.check = in_time(0);
            true
        });
        let wakeup = first.expect("a new watch");
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::Check));
        schedules.note(&place(), None);
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::Wait(_)));
        drop(active);
        assert!(matches!(schedules.step(&place(), &wakeup, false), Step::End));
    }

    #[test]
    fn many_streams_are_checked_at_a_limited_rate() {
        let schedules = Schedules::default();
        let user: Arc<dyn ScheduleUser> = Arc::new(User(true));
        let follow = |number: usize| {
            schedules.change(&(0, number.to_string()), |watch| {
                watch.users = vec![Arc::downgrade(&user)];
                true
            })
        };
        let wakeup = follow(0).expect("a new watch");
        let wait = |count: usize| {
            (1..count).for_each(|number| drop(follow(number)));
            let place = (0, "0".to_owned());
            schedules.note(&place, None);
            let Step::Wait(until) = schedules.step(&place, &wakeup, false) else { panic!("a wait") };
            until.duration_since(Instant::now()).as_secs()
        };
        assert!((9..13).contains(&wait(200)));
        assert!((199..251).contains(&wait(4_000)));
    }
}
