//! The schedule of fair dispatch, compared with a model that looks at all keys.

use std::collections::{BTreeMap, VecDeque};

use hfxbus::engine::consumer::state::fair_dispatch::schedule::{FairSchedule, KeyNumber};
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;

/// Name of a key: the set and the key, which an entry need not have.
type Name = (usize, Option<&'static str>);

/// An entry: its key and its number.
type Entry = (Name, u32);

/// One step of a consumer.
#[derive(Clone, Debug)]
enum Step {
    Arrive(Name),
    /// Starts entries until all slots are held, or no entry can start.
    Fill,
    /// Ends the running job at an index.
    End(usize),
    /// Hands back the entries whose number has a remainder.
    Leave(u32),
    Cap(usize, usize),
    /// Locks or unlocks a set, none of whose entries can start while it is locked.
    Lock(usize),
}

fn name() -> impl Strategy<Value = Name> {
    let key = prop::sample::select(&[None, Some("a"), Some("b"), Some("c"), Some("d")][..]);
    (0..2_usize, key)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => name().prop_map(Step::Arrive),
        6 => Just(Step::Fill),
        8 => any::<usize>().prop_map(Step::End),
        1 => (0..3_u32).prop_map(Step::Leave),
        1 => (0..2_usize, 1..5_usize).prop_map(|(set, cap)| Step::Cap(set, cap)),
        1 => (0..2_usize).prop_map(Step::Lock),
    ]
}

/// Waiting entries and running jobs by key, in the plainest form.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<Name, VecDeque<u32>>,
    running: BTreeMap<Name, usize>,
    caps: [usize; 2],
    is_locked: [bool; 2],
}

impl Model {
    fn running(&self, name: &Name) -> usize {
        self.running.get(name).copied().unwrap_or_default()
    }

    /// Keys that can start an entry.
    fn ready(&self) -> impl Iterator<Item = &Name> {
        let can_start = |name: &&Name| self.running(name) < self.caps[name.0] && !self.is_locked[name.0];
        self.waiting.iter().filter(|(_, entries)| !entries.is_empty()).map(|(name, _)| name).filter(can_start)
    }

    /// Number of keys with waiting entries or running jobs.
    fn active(&self) -> usize {
        let mut names: Vec<&Name> =
            self.waiting.keys().filter(|name| !self.waiting[name].is_empty()).collect();
        names.extend(self.running.keys().filter(|name| self.running(name) > 0));
        names.sort();
        names.dedup();
        names.len()
    }

    /// Checks a start, and notes it.
    fn start(&mut self, (name, number): Entry, slots: usize) {
        let held = self.running(&name);
        assert!(self.ready().any(|ready| *ready == name), "within its cap");
        let least = self.ready().map(|ready| self.running(ready)).min();
        assert_eq!(Some(held), least, "it holds the fewest slots of all keys that can start");
        // Thus it goes beyond its share only if no other key that waits has less.
        let share = slots.div_ceil(self.active());
        assert!(held < share || self.ready().all(|ready| self.running(ready) >= share));
        let first = self.waiting.get_mut(&name).and_then(VecDeque::pop_front);
        assert_eq!(first, Some(number), "in the order of arrival");
        *self.running.entry(name).or_default() += 1;
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn slots_are_shared_by_keys_and_none_stays_free_while_an_entry_can_start(
        slots in 1..7_usize,
        steps in vec(step(), 1..120),
    ) {
        let mut schedule: FairSchedule<Entry> = FairSchedule::default();
        let mut model = Model { caps: [usize::MAX; 2], ..Model::default() };
        let names = ["s", "t"];
        for (set, name) in names.iter().enumerate() {
            prop_assert_eq!(schedule.set(name, usize::MAX), set);
        }
        let mut jobs: Vec<(Name, KeyNumber)> = Vec::new();
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Arrive(name) => {
                    schedule.push(name.0, name.1, (name, number));
                    model.waiting.entry(name).or_default().push_back(number);
                }
                Step::Fill => {
                    schedule.retry_stalled();
                    while jobs.len() < slots {
                        let locked = model.is_locked;
                        let Some((key, entry)) = schedule.take(|(name, _)| !locked[name.0]) else { break };
                        model.start(entry, slots);
                        jobs.push((entry.0, key));
                    }
                    prop_assert!(jobs.len() == slots || model.ready().next().is_none(), "a slot is free");
                }
                Step::End(at) if !jobs.is_empty() => {
                    let (name, key) = jobs.swap_remove(at % jobs.len());
                    schedule.end(key);
                    *model.running.entry(name).or_default() -= 1;
                }
                Step::End(_) => {}
                Step::Leave(rest) => {
                    let left = schedule.leave(|(_, number)| number % 3 == rest);
                    prop_assert!(left.iter().all(|(_, number)| number % 3 == rest));
                    model.waiting.values_mut().for_each(|entries| entries.retain(|number| number % 3 != rest));
                }
                Step::Cap(set, cap) => {
                    prop_assert_eq!(schedule.set(names[set], cap), set);
                    model.caps[set] = cap;
                }
                Step::Lock(set) => model.is_locked[set] = !model.is_locked[set],
            }
            let waiting: usize = model.waiting.values().map(VecDeque::len).sum();
            prop_assert_eq!((schedule.waiting(), schedule.keys()), (waiting, model.active()));
            prop_assert_eq!(schedule.entries().count(), waiting);
        }
    }

    #[test]
    fn keys_that_always_wait_start_equally_often_at_one_slot(keys in 1..9_usize, rounds in 1..20_usize) {
        let mut schedule = FairSchedule::default();
        let set = schedule.set("s", usize::MAX);
        let names: Vec<String> = (0..keys).map(|key| key.to_string()).collect();
        for name in &names {
            (0..rounds).for_each(|_| schedule.push(set, Some(name), name.clone()));
        }
        for _ in 0..rounds {
            let mut started: Vec<String> = Vec::new();
            for _ in 0..keys {
                let (key, name) = schedule.take(|_| true).expect("all keys wait");
                schedule.end(key);
                started.push(name);
            }
            prop_assert_eq!(&started, &names);
        }
    }
}
