//! The jobs of one consumer that are in flight. Pure: no I/O, no clock of its own.
//!
//! A slot is taken when an entry is handed to the host, and becomes free in one place, [`JobsInFlight::retire`]. Its token
//! carries a generation, so a late settlement, such as a second one or one after the deadline, finds no job.
//!
//! ```text
//! free ──take──▶ running ──settle──▶ settling ──retire──▶ free
//! ```
//! `running` holds one of the consumer's concurrency; `settling` (the acknowledgement is on its way) no longer
//! does, but still counts as in flight. A released job holds neither.

use std::sync::Arc;

use tokio::time::Instant;

use crate::redis_io::streams::carried_payload::CarriedPayload;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;
use crate::redis_io::world::map::HashSet;

use crate::engine::consumer::state::fair_dispatch::schedule::KeyNumber;
use crate::engine::consumer::state::job_slot::{JobSlot, SlotState};
use crate::engine::host::job_token::JobToken;

/// Generations wrap here, so that a token stays below 2^53 and is exact as a JavaScript number.
const GENERATIONS: u32 = 1 << 28;

/// Delivery of an entry to this consumer.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Index of the stream within the consumer.
    pub stream: u32,
    /// The entry's id in that stream.
    pub entry: EntryId,
    /// Id of the producer; empty if the entry has none.
    pub producer: &'a str,
    /// The job's id.
    pub job: &'a str,
    /// Lifetime of the outcome record in ms; 0 for none.
    pub record: u64,
    /// True if the completion belongs on the sharded channel of the producer.
    pub is_sharded: bool,
    /// Headers of the entry for diagnostics.
    pub headers: Option<&'a str>,
    /// Payload that the entry carries.
    pub carried: Option<&'a Arc<CarriedPayload>>,
    /// Number of deliveries, this one included; 0 if unknown.
    pub deliveries: u64,
    /// Time of the delivery.
    pub at: Instant,
}

#[cfg(test)]
impl Delivery<'static> {
    /// A first delivery of an entry without fields.
    pub(crate) fn bare(stream: u32, entry: EntryId, at: Instant) -> Self {
        let (producer, job, record, headers, carried, deliveries) = ("", "", 0, None, None, 1);
        let is_sharded = false;
        Self { stream, entry, producer, job, record, is_sharded, headers, carried, deliveries, at }
    }
}

/// All jobs in flight of one consumer.
#[derive(Debug, Default)]
pub struct JobsInFlight {
    slots: Vec<JobSlot>,
    free: Vec<usize>,
    running: usize,
    in_flight: usize,
    /// Keys of fair dispatch that hold a slot less.
    freed_keys: Vec<KeyNumber>,
}

impl JobsInFlight {
    /// Number of jobs that hold a slot of the concurrency.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Number of jobs that were neither released nor settled and acknowledged.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns true if a job runs or settles, released ones included.
    pub fn in_use(&self) -> bool {
        self.free.len() < self.slots.len()
    }

    /// Takes a slot for an entry.
    pub fn take(&mut self, delivery: Delivery<'_>, deadline: Option<Instant>) -> JobToken {
        let index = self.free.pop().unwrap_or_else(|| self.grow());
        let slot = &mut self.slots[index];
        slot.state = SlotState::Running;
        slot.released = false;
        slot.deadline = deadline;
        slot.touched = delivery.at;
        slot.deliveries = delivery.deliveries;
        slot.stream = delivery.stream;
        slot.entry = delivery.entry;
        slot.record = delivery.record;
        slot.is_sharded = delivery.is_sharded;
        slot.headers = delivery.headers.map(Box::from);
        slot.carried = delivery.carried.cloned();
        slot.producer.push_str(delivery.producer);
        slot.job.push_str(delivery.job);
        self.running += 1;
        self.in_flight += 1;
        JobToken::new(index, slot.generation)
    }

    /// Returns the running job of a token.
    pub fn running_job(&self, token: JobToken) -> Option<&JobSlot> {
        self.slots.get(token.index()).filter(|slot| slot.is(token, SlotState::Running))
    }

    /// Returns the running or settling job of a token.
    pub fn job(&self, token: JobToken) -> Option<&JobSlot> {
        self.slots
            .get(token.index())
            .filter(|slot| slot.is(token, SlotState::Running) || slot.is(token, SlotState::Settling))
    }

    /// Releases a running job's slot before it is settled. Returns false if it holds none.
    pub fn release(&mut self, token: JobToken) -> bool {
        let Some(slot) = self.slots.get_mut(token.index()).filter(|slot| slot.is(token, SlotState::Running))
        else {
            return false;
        };
        if slot.released && !planted("slot is given back twice") {
            return false;
        }
        slot.released = true;
        self.freed_keys.extend(slot.fair_key.take());
        self.running -= 1;
        self.in_flight -= 1;
        true
    }

    /// Settles a running job: its slot is free, its acknowledgement is on its way. Returns false if the token names
    /// no running job.
    pub fn settle(&mut self, token: JobToken) -> bool {
        let Some(slot) = self.slots.get_mut(token.index()).filter(|slot| slot.is(token, SlotState::Running))
        else {
            return false;
        };
        slot.state = SlotState::Settling;
        self.freed_keys.extend(slot.fair_key.take());
        let deadline = slot.deadline.take();
        if planted("deadline keeps the slot") && deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return true;
        }
        if !slot.released || planted("released slot is freed again") {
            self.running = self.running.saturating_sub(1);
        }
        true
    }

    /// Ends a settling job once its acknowledgement has a reply or cannot get one.
    pub fn retire(&mut self, token: JobToken) {
        let index = token.index();
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.is(token, SlotState::Settling)) else {
            return;
        };
        slot.state = SlotState::Free;
        slot.generation = (slot.generation + 1) % GENERATIONS;
        slot.producer.clear();
        slot.job.clear();
        slot.headers = None;
        slot.carried = None;
        if !slot.released {
            self.in_flight -= 1;
        }
        self.free.push(index);
    }

    /// Returns true if the entry belongs to a job in flight, released ones included.
    pub fn holds(&self, stream: u32, entry: EntryId) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.state != SlotState::Free && slot.stream == stream && slot.entry == entry)
    }

    /// Returns true if the job of the entry runs.
    pub fn runs(&self, stream: u32, entry: EntryId) -> bool {
        self.running_slots().any(|(_, slot)| slot.stream == stream && slot.entry == entry)
    }

    /// Returns the running jobs of some entries of a stream.
    pub fn running_of(&self, stream: u32, entries: &HashSet<EntryId>) -> Vec<JobToken> {
        let is_of = |slot: &JobSlot| slot.stream == stream && entries.contains(&slot.entry);
        self.running_jobs().filter(|(_, slot)| is_of(slot)).map(|(token, _)| token).collect()
    }

    /// The jobs of a stream that run or settle.
    pub fn jobs_of(&self, stream: u32) -> impl Iterator<Item = &JobSlot> {
        self.slots.iter().filter(move |slot| slot.state != SlotState::Free && slot.stream == stream)
    }

    /// The entries of the jobs that run or settle, with their streams.
    pub fn entries(&self) -> impl Iterator<Item = (u32, EntryId)> {
        self.slots.iter().filter(|slot| slot.state != SlotState::Free).map(|slot| (slot.stream, slot.entry))
    }

    /// Returns true if the entry belongs to this job in flight.
    pub fn holds_job(&self, stream: u32, entry: EntryId, job: Option<&[u8]>) -> bool {
        let is_of =
            |slot: &&JobSlot| slot.state != SlotState::Free && slot.stream == stream && slot.entry == entry;
        self.slots.iter().filter(is_of).any(|slot| job == Some(slot.job.as_bytes()))
    }

    /// The running jobs.
    pub fn running_jobs(&self) -> impl Iterator<Item = (JobToken, &JobSlot)> {
        self.running_slots().map(|(index, slot)| (JobToken::new(index, slot.generation), slot))
    }

    /// Notes the start of a new idle time of a job's entry.
    pub fn touch(&mut self, token: JobToken, at: Instant) {
        let slot = self.slots.get_mut(token.index());
        if let Some(slot) = slot.filter(|slot| slot.generation == token.generation()) {
            slot.touched = at;
        }
    }

    /// Returns the running jobs that reached their deadline.
    pub fn expired(&self, now: Instant) -> Vec<JobToken> {
        self.running_slots()
            .filter(|(_, slot)| slot.deadline.is_some_and(|deadline| deadline <= now))
            .map(|(index, slot)| JobToken::new(index, slot.generation))
            .collect()
    }

    /// Returns the earliest deadline of the running jobs.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.running_slots().filter_map(|(_, slot)| slot.deadline).min()
    }

    /// Forgets every job in flight at a disconnect. Their tokens are invalid afterwards.
    pub fn abandon(&mut self) {
        for index in 0..self.slots.len() {
            let token = JobToken::new(index, self.slots[index].generation);
            self.settle(token);
            self.retire(token);
        }
    }

    /// Notes the key that holds the slot of a running job.
    pub fn set_key(&mut self, token: JobToken, key: Option<KeyNumber>) {
        if let Some(slot) = self.slots.get_mut(token.index()) {
            slot.fair_key = key;
        }
    }

    /// Sets the keys of all jobs that hold a slot.
    pub fn assign_keys(&mut self, mut key: impl FnMut(&JobSlot) -> Option<KeyNumber>) {
        let running = self.slots.iter_mut().filter(|slot| slot.state == SlotState::Running && !slot.released);
        running.for_each(|slot| slot.fair_key = key(slot));
    }

    /// Takes the keys that hold a slot less since the last call, once for each slot.
    pub fn take_freed_keys(&mut self) -> impl Iterator<Item = KeyNumber> {
        self.freed_keys.drain(..)
    }

    fn running_slots(&self) -> impl Iterator<Item = (usize, &JobSlot)> {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.state == SlotState::Running)
    }

    fn grow(&mut self) -> usize {
        self.slots.push(JobSlot::free());
        self.slots.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn take(slots: &mut JobsInFlight, entry: u64, deadline: Option<Instant>) -> JobToken {
        take_at(slots, entry, deadline, Instant::now())
    }

    fn take_at(slots: &mut JobsInFlight, entry: u64, deadline: Option<Instant>, at: Instant) -> JobToken {
        let entry = EntryId { time: entry, sequence: 0 };
        slots.take(
            Delivery {
                stream: 0,
                entry,
                producer: "prd",
                job: "job",
                record: 0,
                is_sharded: false,
                headers: None,
                carried: None,
                deliveries: 1,
                at,
            },
            deadline,
        )
    }

    #[test]
    fn running_jobs_have_the_start_of_their_idle_time() {
        let mut slots = JobsInFlight::default();
        let start = Instant::now();
        let second = |second| start + Duration::from_secs(second);
        let tokens = [1, 2, 3].map(|at| take_at(&mut slots, at, None, second(at)));
        slots.touch(tokens[0], second(10));
        slots.settle(tokens[1]);
        let found: Vec<_> = slots.running_jobs().map(|(token, slot)| (token, slot.touched())).collect();
        assert_eq!(found, [(tokens[0], second(10)), (tokens[2], second(3))]);
        slots.retire(tokens[1]);
        let next = take_at(&mut slots, 4, None, second(4));
        slots.touch(tokens[1], second(20));
        assert_eq!(slots.job(next).map(JobSlot::touched), Some(second(4)), "a late token touches nothing");
    }

    #[test]
    fn a_slot_counts_until_its_acknowledgement_has_a_reply() {
        let mut slots = JobsInFlight::default();
        let token = take(&mut slots, 1, None);
        assert_eq!((slots.running(), slots.in_flight()), (1, 1));
        assert!(slots.settle(token));
        assert_eq!((slots.running(), slots.in_flight()), (0, 1));
        slots.retire(token);
        assert_eq!((slots.running(), slots.in_flight()), (0, 0));
    }

    #[test]
    fn a_late_token_finds_nothing_even_when_its_slot_is_used_again() {
        let mut slots = JobsInFlight::default();
        let first = take(&mut slots, 1, None);
        slots.settle(first);
        assert!(!slots.settle(first), "settled once");
        slots.retire(first);
        slots.retire(first);
        let second = take(&mut slots, 2, None);
        assert_eq!(first.index(), second.index());
        assert!(!slots.release(first) && !slots.settle(first) && slots.job(first).is_none());
        assert!(slots.running_job(second).is_some());
        assert_eq!((slots.running(), slots.in_flight()), (1, 1));
    }

    #[test]
    fn a_released_job_counts_no_more_but_can_still_be_settled() {
        let mut slots = JobsInFlight::default();
        let token = take(&mut slots, 1, None);
        assert!(slots.release(token));
        assert!(!slots.release(token), "released once");
        assert_eq!((slots.running(), slots.in_flight()), (0, 0));
        assert!(slots.holds(0, EntryId { time: 1, sequence: 0 }));
        assert!(slots.settle(token));
        slots.retire(token);
        assert_eq!((slots.running(), slots.in_flight()), (0, 0));
        assert!(!slots.holds(0, EntryId { time: 1, sequence: 0 }));
    }

    #[test]
    fn deadlines_are_those_of_running_jobs() {
        let mut slots = JobsInFlight::default();
        let now = Instant::now();
        let late = take(&mut slots, 1, Some(now + Duration::from_secs(9)));
        let early = take(&mut slots, 2, Some(now + Duration::from_secs(1)));
        take(&mut slots, 3, None);
        assert_eq!(slots.next_deadline(), Some(now + Duration::from_secs(1)));
        assert_eq!(slots.expired(now + Duration::from_secs(1)), [early]);
        slots.settle(early);
        assert_eq!(slots.next_deadline(), Some(now + Duration::from_secs(9)));
        slots.settle(late);
        assert_eq!(slots.next_deadline(), None);
    }

    #[test]
    fn abandoning_leaves_nothing_in_flight() {
        let mut slots = JobsInFlight::default();
        let tokens = [take(&mut slots, 1, None), take(&mut slots, 2, None), take(&mut slots, 3, None)];
        slots.release(tokens[0]);
        slots.settle(tokens[1]);
        slots.abandon();
        assert_eq!((slots.running(), slots.in_flight()), (0, 0));
        assert!(tokens.iter().all(|&token| slots.job(token).is_none()));
    }

    #[test]
    fn tokens_survive_being_a_javascript_number() {
        let token = JobToken::new((1 << 24) - 1, GENERATIONS - 1);
        assert_eq!(JobToken::from_number(token.to_number()), token);
        assert!(token.to_number() < 9_007_199_254_740_992.0);
    }
}
