//! Choice of the entry that starts next among those of several keys. Pure.
//!
//! A free slot goes to the key that holds the fewest slots, so the one with the largest deficit. Keys with equally many take
//! turns: first the one whose last start is longest ago. Thus a key goes beyond its share of the slots only if every other key
//! that waits holds as many slots, or its cap. The entries of one key start in the order of their arrival.
//!
//! Each step costs the logarithm of the number of keys that wait, and no step looks at all of them.

use std::collections::{BTreeSet, VecDeque};

use crate::redis_io::world::map::HashMap;

/// Number of a key while it has waiting entries or running jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyNumber(u32);

/// Keys of one stream of the user, with the same cap.
#[derive(Debug, Default)]
struct KeySet {
    name: String,
    cap: usize,
    keyless: Option<usize>,
    keys: HashMap<Box<str>, usize>,
}

/// One key.
#[derive(Debug)]
struct KeyState<T> {
    set: usize,
    name: Option<Box<str>>,
    running: usize,
    /// Number of its last start, or of its arrival.
    turn: u64,
    waiting: VecDeque<T>,
    /// True if none of its entries can start for the moment.
    is_stalled: bool,
    /// Its place among the keys that can start an entry.
    place: Option<(usize, u64)>,
}

/// Waiting entries by key, and the number of slots that each key holds.
#[derive(Debug)]
pub struct FairSchedule<T> {
    sets: Vec<KeySet>,
    keys: Vec<KeyState<T>>,
    vacant: Vec<usize>,
    /// Keys that can start an entry: number of running jobs, turn, index.
    ready: BTreeSet<(usize, u64, usize)>,
    stalled: Vec<usize>,
    turns: u64,
    waiting: usize,
}

impl<T> Default for FairSchedule<T> {
    fn default() -> Self {
        Self {
            sets: Vec::new(),
            keys: Vec::new(),
            vacant: Vec::new(),
            ready: BTreeSet::new(),
            stalled: Vec::new(),
            turns: 0,
            waiting: 0,
        }
    }
}

impl<T> FairSchedule<T> {
    /// Returns the index of a set of keys, which gets this cap of running jobs for each key.
    pub fn set(&mut self, name: &str, cap: usize) -> usize {
        let known = self.sets.iter().position(|set| set.name == name);
        let set = known.unwrap_or_else(|| {
            self.sets.push(KeySet { name: name.to_owned(), cap, ..KeySet::default() });
            self.sets.len() - 1
        });
        if std::mem::replace(&mut self.sets[set].cap, cap) != cap {
            for key in 0..self.keys.len() {
                if self.keys[key].set == set {
                    self.update(key);
                }
            }
        }
        set
    }

    /// Number of waiting entries.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Number of keys with waiting entries or running jobs.
    pub fn keys(&self) -> usize {
        self.keys.len() - self.vacant.len()
    }

    /// Adds an entry behind the others of its key. All entries without a key have one key.
    pub fn push(&mut self, set: usize, name: Option<&str>, entry: T) {
        let key = self.key(set, name);
        self.keys[key].waiting.push_back(entry);
        self.waiting += 1;
        self.update(key);
    }

    /// Notes a running job that was not taken from here.
    pub fn begin(&mut self, set: usize, name: Option<&str>) -> KeyNumber {
        let key = self.key(set, name);
        self.keys[key].running += 1;
        self.update(key);
        KeyNumber(key as u32)
    }

    /// Takes the entry that starts next. Its key holds one slot more until [`FairSchedule::end`]. Entries that cannot start
    /// let those behind them pass.
    pub fn take(&mut self, can_start: impl Fn(&T) -> bool) -> Option<(KeyNumber, T)> {
        while let Some(&(_, _, key)) = self.ready.first() {
            let state = &mut self.keys[key];
            let next = state.waiting.iter().position(&can_start).and_then(|at| state.waiting.remove(at));
            match next {
                Some(_) => {
                    self.turns += 1;
                    (state.running, state.turn) = (state.running + 1, self.turns);
                    self.waiting -= 1;
                }
                None => {
                    state.is_stalled = true;
                    self.stalled.push(key);
                }
            }
            self.update(key);
            if let Some(entry) = next {
                return Some((KeyNumber(key as u32), entry));
            }
        }
        None
    }

    /// Lets the keys be looked at again that had no entry that could start.
    pub fn retry_stalled(&mut self) {
        for key in std::mem::take(&mut self.stalled) {
            self.keys[key].is_stalled = false;
            self.update(key);
        }
    }

    /// Notes that a job of a key holds no slot any more.
    pub fn end(&mut self, KeyNumber(key): KeyNumber) {
        let key = key as usize;
        self.keys[key].running = self.keys[key].running.saturating_sub(1);
        self.update(key);
    }

    /// Takes out the waiting entries that `is_left` selects, key by key.
    pub fn leave(&mut self, is_left: impl Fn(&T) -> bool) -> Vec<T> {
        let mut left = Vec::new();
        for key in 0..self.keys.len() {
            let waiting = &mut self.keys[key].waiting;
            if waiting.iter().any(&is_left) {
                let (gone, kept): (VecDeque<T>, VecDeque<T>) =
                    std::mem::take(waiting).into_iter().partition(&is_left);
                *waiting = kept;
                left.extend(gone);
                self.update(key);
            }
        }
        self.waiting -= left.len();
        left
    }

    /// Waiting entries, key by key.
    pub fn entries(&self) -> impl Iterator<Item = &T> {
        self.keys.iter().flat_map(|key| &key.waiting)
    }

    /// The same, to change them. A change must not concern their key.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.keys.iter_mut().flat_map(|key| &mut key.waiting)
    }

    /// Returns the index of a key, and adds it behind the others if it is new.
    fn key(&mut self, set: usize, name: Option<&str>) -> usize {
        let keys = &self.sets[set];
        let known = name.map_or(keys.keyless, |name| keys.keys.get(name).copied());
        known.unwrap_or_else(|| self.add(set, name))
    }

    fn add(&mut self, set: usize, name: Option<&str>) -> usize {
        self.turns += 1;
        let state = KeyState {
            set,
            name: name.map(Box::from),
            running: 0,
            turn: self.turns,
            waiting: VecDeque::new(),
            is_stalled: false,
            place: None,
        };
        let key = match self.vacant.pop() {
            Some(key) => {
                self.keys[key] = state;
                key
            }
            None => {
                self.keys.push(state);
                self.keys.len() - 1
            }
        };
        match name {
            Some(name) => drop(self.sets[set].keys.insert(name.into(), key)),
            None => self.sets[set].keyless = Some(key),
        }
        key
    }

    /// Moves a key to its place among those that can start an entry, and forgets one without entries and jobs.
    fn update(&mut self, key: usize) {
        let state = &mut self.keys[key];
        let cap = self.sets[state.set].cap;
        let is_ready = !state.waiting.is_empty() && state.running < cap && !state.is_stalled;
        let place = is_ready.then_some((state.running, state.turn));
        let before = std::mem::replace(&mut state.place, place);
        if before != place {
            before.map(|(running, turn)| self.ready.remove(&(running, turn, key)));
            place.map(|(running, turn)| self.ready.insert((running, turn, key)));
        }
        if state.waiting.is_empty() && state.running == 0 {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: usize) {
        let state = &mut self.keys[key];
        state.waiting = VecDeque::new();
        let keys = &mut self.sets[state.set];
        let is_known = match state.name.take() {
            Some(name) => keys.keys.remove(&name).is_some(),
            None => keys.keyless.take_if(|known| *known == key).is_some(),
        };
        if is_known {
            self.vacant.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Schedule with a cap, and entries that wait, by the key that each begins with.
    fn schedule(cap: usize, entries: &[&'static str]) -> FairSchedule<&'static str> {
        let mut schedule = FairSchedule::default();
        let set = schedule.set("s", cap);
        for &entry in entries {
            schedule.push(set, Some(&entry[..1]), entry);
        }
        schedule
    }

    fn take(schedule: &mut FairSchedule<&'static str>, count: usize) -> (Vec<KeyNumber>, Vec<&'static str>) {
        (0..count).map_while(|_| schedule.take(|_| true)).unzip()
    }

    #[test]
    fn keys_take_turns_and_each_starts_its_entries_in_order() {
        let mut schedule = schedule(usize::MAX, &["a1", "a2", "a3", "a4", "b1", "b2", "c1"]);
        let (_, started) = take(&mut schedule, 9);
        assert_eq!(started, ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
        assert_eq!(schedule.waiting(), 0);
    }

    #[test]
    fn a_slot_goes_to_the_key_with_the_fewest_running_jobs() {
        let mut schedule = schedule(usize::MAX, &["a1", "a2", "a3", "a4", "a5"]);
        let (jobs, _) = take(&mut schedule, 4);
        schedule.push(0, Some("b"), "b1");
        schedule.push(0, Some("b"), "b2");
        schedule.push(0, Some("b"), "b3");
        schedule.end(jobs[0]);
        assert_eq!(take(&mut schedule, 1).1, ["b1"]);
        schedule.end(jobs[1]);
        assert_eq!(take(&mut schedule, 1).1, ["b2"], "2 and 1");
        schedule.end(jobs[2]);
        assert_eq!(take(&mut schedule, 1).1, ["a5"], "1 and 2");
    }

    #[test]
    fn a_key_at_its_cap_leaves_the_slots_to_others_until_a_job_ends() {
        let mut schedule = schedule(2, &["a1", "a2", "a3", "b1"]);
        let (jobs, started) = take(&mut schedule, 9);
        assert_eq!(started, ["a1", "b1", "a2"]);
        schedule.end(jobs[1]);
        assert!(schedule.take(|_| true).is_none());
        schedule.end(jobs[0]);
        assert_eq!(take(&mut schedule, 9).1, ["a3"]);
    }

    #[test]
    fn another_cap_holds_at_once() {
        let mut schedule = schedule(1, &["a1", "a2", "a3"]);
        assert_eq!(take(&mut schedule, 9).1, ["a1"]);
        assert_eq!(schedule.set("s", 3), 0);
        assert_eq!(take(&mut schedule, 1).1, ["a2"]);
        schedule.set("s", 2);
        assert!(schedule.take(|_| true).is_none());
    }

    #[test]
    fn entries_that_cannot_start_let_others_pass_until_they_are_tried_again() {
        let mut schedule = schedule(usize::MAX, &["a1", "a2", "b1"]);
        let without_a1 = |entry: &&str| *entry != "a1";
        let started: Vec<_> = (0..3).filter_map(|_| schedule.take(without_a1)).map(|(_, one)| one).collect();
        assert_eq!(started, ["a2", "b1"]);
        assert!(schedule.take(|_| true).is_none(), "its key is not looked at");
        schedule.retry_stalled();
        assert_eq!(take(&mut schedule, 1).1, ["a1"]);
    }

    #[test]
    fn keys_without_entries_and_jobs_are_forgotten() {
        let mut schedule = schedule(usize::MAX, &["a1", "b1", "c1"]);
        schedule.push(0, None, "1");
        assert_eq!(schedule.keys(), 4);
        assert_eq!(schedule.leave(|entry| *entry != "b1"), ["a1", "c1", "1"]);
        let (jobs, _) = take(&mut schedule, 9);
        assert_eq!((schedule.keys(), schedule.waiting()), (1, 0));
        schedule.end(jobs[0]);
        schedule.push(0, Some("d"), "d1");
        assert_eq!((schedule.keys(), schedule.keys.len()), (1, 4), "its place is used again");
    }

    #[test]
    fn jobs_that_ran_before_hold_their_slots() {
        let mut schedule = schedule(2, &["a1", "a2", "b1"]);
        schedule.begin(0, Some("a"));
        assert_eq!(take(&mut schedule, 9).1, ["b1", "a1"]);
    }
}
