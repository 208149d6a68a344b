//! Survey of the entries that wait for permits: the ones that start, and the permits to request for others. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::limits::budget::Budget;
use crate::engine::consumer::state::limits::{PermitRequest, RateLimit};
use crate::engine::consumer::state::stream::StreamState;
use crate::engine::consumer::state::{ConsumerState, Phase};

/// Maximum number of permits that are requested for one read.
const MAX_SPARE: u64 = 1_024;

impl ConsumerState {
    /// Takes the entries that start with the spare permits of limits of whole streams.
    pub fn take_with_spare(&mut self, now: Instant, lease: Duration, concurrency: u32) -> Vec<BufferedEntry> {
        let mut taken = Vec::new();
        for limit in 0..self.limits.all.len() {
            let Some(budget) = self.limits.budget(limit, "") else { continue };
            budget.refresh(now);
            let free = self.startable(concurrency).saturating_sub(taken.len()) as u64;
            let Some(budget) = self.limits.budget(limit, "") else { continue };
            let spare = budget.spare().min(free);
            if spare == 0 {
                continue;
            }
            let request = PermitRequest { limit, key: "".into(), count: spare as usize };
            let (found, _) = self.take_permitted(&request, spare as usize, now, lease);
            self.limits.budget(limit, "").into_iter().for_each(|budget| budget.use_spare(found.len() as u64));
            taken.extend(found);
        }
        taken
    }

    /// Takes up to `count` entries that a request was for, in order. Also returns true if more of them wait.
    pub fn take_permitted(
        &mut self,
        request: &PermitRequest,
        count: usize,
        now: Instant,
        lease: Duration,
    ) -> (Vec<BufferedEntry>, bool) {
        let (streams, PermitRequest { limit, key, .. }) = (&self.streams, request);
        let can_start = |one: &BufferedEntry| can_have_permit(streams, one, now, lease);
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count
            && let Some(one) = self.buffered.take_limited(*limit, key, can_start)
        {
            taken.push(one);
        }
        let has_more = self.buffered.limited().of(*limit, key).any(can_start);
        (taken, has_more)
    }

    /// Notes that a request has a reply, or has failed: its key is looked at again now, or once its budget has permits.
    pub fn end_request(&mut self, PermitRequest { limit, key, .. }: &PermitRequest) {
        let Some(budget) = self.limits.budget(*limit, key) else { return };
        match budget.opens() {
            Some(opens) => drop(self.limits.openings.insert((opens, *limit, key.clone()))),
            None => self.look_at(*limit, key),
        }
    }

    /// Lets the next survey look at a key. A budget without entries is forgotten.
    fn look_at(&mut self, limit: usize, key: &str) {
        if !self.buffered.limited_mut().list(limit, key) {
            self.limits.forget(limit, key);
        }
    }

    /// Looks at the keys whose budgets have permits again.
    fn open_budgets(&mut self, now: Instant) {
        while let Some((opens, ..)) = self.limits.openings.first()
            && *opens <= now
            && let Some((_, limit, key)) = self.limits.openings.pop_first()
        {
            self.limits.budget(limit, &key).into_iter().for_each(|budget| budget.refresh(now));
            self.look_at(limit, &key);
        }
    }

    /// Returns the permits to request, and reserves their slots. Notes which streams are not read until there are permits.
    pub fn survey_limits(&mut self, now: Instant, lease: Duration, concurrency: u32) -> Vec<PermitRequest> {
        self.limits.is_due = false;
        self.open_budgets(now);
        for limit in self.limits.all.iter_mut().filter(|limit| !limit.options.by_key) {
            limit.budgets.values_mut().for_each(|budget| budget.refresh(now));
        }
        let mut free = self.startable(concurrency);
        let mut requests = self.wanted_permits(now, lease, &mut free);
        self.request_spare(&mut requests, &mut free);
        for request in &requests {
            self.reserved += request.count;
            let budgets = &mut self.limits.all[request.limit].budgets;
            budgets.entry(request.key.clone()).or_insert_with(|| Budget::new(now)).is_asking = true;
        }
        // A slot that becomes free changes the result.
        self.limits.is_due |= free == 0;
        self.close_streams(now);
        requests
    }

    /// Returns requests for the entries that can start in a slot once they have permits, the limits and their keys in turn.
    fn wanted_permits(&mut self, now: Instant, lease: Duration, free: &mut usize) -> Vec<PermitRequest> {
        let mut requests: Vec<PermitRequest> = Vec::new();
        let (limits, first) = (self.limits.all.len(), self.limits.turn);
        self.limits.turn = first.wrapping_add(1);
        for limit in (0..limits).map(|at| first.wrapping_add(at) % limits) {
            for _ in 0..self.buffered.limited().listed(limit) {
                if *free == 0 {
                    break;
                }
                let Some(key) = self.buffered.limited_mut().next_listed(limit) else { break };
                let RateLimit { options, budgets, .. } = &self.limits.all[limit];
                if budgets.get(&key).is_some_and(|budget| !budget.can_ask()) {
                    // Its reply, or its next window, leads here again.
                    continue;
                }
                let most = usize::try_from(options.max).unwrap_or(usize::MAX).min(*free);
                let can_start = |one: &&BufferedEntry| can_have_permit(&self.streams, one, now, lease);
                let count = self.buffered.limited().of(limit, &key).filter(can_start).take(most).count();
                if count == 0 {
                    // They wait for a renewal of their leases, or are gone.
                    self.look_at(limit, &key);
                    self.limits.is_due |= self.buffered.limited().listed(limit) > 0;
                    continue;
                }
                *free -= count;
                requests.push(PermitRequest { limit, key, count });
            }
        }
        requests
    }

    /// Adds permits for the next read of streams with a backlog.
    fn request_spare(&self, requests: &mut Vec<PermitRequest>, free: &mut usize) {
        if self.phase != Phase::Playing {
            return;
        }
        for (at, limit) in self.limits.all.iter().enumerate().filter(|(_, limit)| !limit.options.by_key) {
            let Some(budget) = limit.budgets.get("") else { continue };
            if !budget.has_backlog || !budget.can_ask() || budget.spare() > 0 {
                continue;
            }
            let known = requests.iter().position(|request| request.limit == at);
            let asked = known.map_or(0, |known| requests[known].count);
            let most = limit.options.max.min(MAX_SPARE) as usize;
            let more = most.saturating_sub(asked).min(*free);
            *free -= more;
            match known {
                Some(known) => requests[known].count += more,
                None if more > 0 => {
                    requests.push(PermitRequest { limit: at, key: "".into(), count: more });
                }
                None => {}
            }
        }
    }
}

/// Returns true if an entry can start once it has a permit.
fn can_have_permit(streams: &[StreamState], one: &BufferedEntry, now: Instant, lease: Duration) -> bool {
    streams[one.stream as usize].can_start_waiting(one.touched, now, lease)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::consumer::state::in_flight::Delivery;
    use crate::engine::consumer::state::limits::budget::{AnsweredRequest, Window};
    use crate::engine::consumer::state::tests::playing;
    use crate::engine::options::consumer::{RateLimitOptions, StreamOptions};
    use crate::redis_io::streams::carried_payload::CarriedPayload;
    use crate::redis_io::streams::entry::EntryId;

    /// Longer than a test takes, also in Miri.
    const LEASE: Duration = Duration::from_secs(3_600);
    const WINDOW: Duration = Duration::from_secs(600);

    /// State with one stream that has a limit.
    fn limited(max: u64, by_key: bool) -> ConsumerState {
        let mut state = playing(1);
        let limit = RateLimitOptions { stream: "s".to_owned(), max, interval: WINDOW, by_key };
        let options = state.streams[0].options.clone();
        state.streams[0].change_options(StreamOptions { limit: Some(limit), ..options });
        state.limit_stream(0);
        state
    }

    fn hold(state: &mut ConsumerState, time: u64, key: &str) {
        let carried = Arc::new(CarriedPayload { order_key: Some(key.into()), ..CarriedPayload::default() });
        let entry = EntryId { time, sequence: 0 };
        let delivery = Delivery { carried: Some(&carried), ..Delivery::bare(0, entry, Instant::now()) };
        state.buffer(BufferedEntry::new(delivery), false);
    }

    fn survey(state: &mut ConsumerState, concurrency: u32) -> Vec<(String, usize)> {
        let requests = state.survey_limits(Instant::now(), LEASE, concurrency);
        requests.into_iter().map(|request| (request.key.into_string(), request.count)).collect()
    }

    /// Handles a reply. Returns the entries that start.
    fn answer(state: &mut ConsumerState, key: &str, asked: usize, count: u64) -> Vec<u64> {
        let request = PermitRequest { limit: 0, key: key.into(), count: asked };
        let now = Instant::now();
        state.reserved -= asked;
        let answered = AnsweredRequest { asked: asked as u64, sent: now, now, spread: Duration::ZERO };
        let window = Window { count, left: WINDOW };
        let max = state.limits.limit(0).options.max;
        let budget = state.limits.budget(0, key).expect("asked");
        let granted = budget.grant(answered, max, window);
        let (taken, _) = state.take_permitted(&request, granted as usize, now, LEASE);
        let rest = granted - taken.len() as u64;
        state.limits.budget(0, key).expect("asked").keep(rest, answered, window);
        state.end_request(&request);
        taken.into_iter().map(|one| one.entry.time).collect()
    }

    fn of_all(count: usize) -> [(String, usize); 1] {
        [(String::new(), count)]
    }

    #[test]
    fn entries_wait_for_permits_and_their_slots_are_reserved_meanwhile() {
        let mut state = limited(10, false);
        (1..=5).for_each(|time| hold(&mut state, time, "a"));
        assert!(state.take_waiting(Instant::now(), LEASE).is_none(), "a slot alone is not enough");
        assert_eq!((survey(&mut state, 3), state.reserved), (of_all(3).to_vec(), 3));
        assert_eq!(survey(&mut state, 3), [], "one request at a time");
        assert_eq!((answer(&mut state, "", 3, 12), state.reserved), (vec![1], 0));
        assert_eq!((state.buffered.limited().len(), state.buffered.len()), (4, 4));
        assert_eq!(survey(&mut state, 3), [], "the window has no more");
        assert!(state.streams[0].is_closed && state.next_count(0, 3).is_none());
    }

    #[test]
    fn reads_take_no_more_than_the_window_permits() {
        let mut state = limited(10, false);
        assert_eq!(state.next_count(0, 50), Some(10));
        hold(&mut state, 1, "a");
        assert_eq!(survey(&mut state, 50), of_all(1));
        assert_eq!(answer(&mut state, "", 1, 7), [1]);
        assert_eq!((survey(&mut state, 50), state.next_count(0, 50)), (Vec::new(), Some(3)));
    }

    #[test]
    fn after_a_refusal_permits_are_requested_for_the_next_read() {
        let mut state = limited(4, false);
        hold(&mut state, 1, "a");
        assert_eq!(survey(&mut state, 3), of_all(1));
        assert!(answer(&mut state, "", 1, 9).is_empty());
        assert_eq!(survey(&mut state, 3), []);
        let later = Instant::now() + 2 * WINDOW;
        let request = PermitRequest { limit: 0, key: "".into(), count: 3 };
        assert_eq!(state.survey_limits(later, LEASE, 3), [request]);
        assert!(state.awaits_permits(0) && state.next_count(0, 9).is_none());
        assert_eq!(answer(&mut state, "", 3, 3), [1]);
        assert_eq!((survey(&mut state, 3), state.next_count(0, 9)), (Vec::new(), Some(2)));
        (2..=4).for_each(|time| hold(&mut state, time, "a"));
        let started = state.take_with_spare(Instant::now(), LEASE, 9);
        assert_eq!(started.iter().map(|one| one.entry.time).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn keys_have_budgets_of_their_own_and_one_without_permits_delays_no_other() {
        let mut state = limited(1, true);
        [(1, "a"), (2, "a"), (3, "b")].into_iter().for_each(|(time, key)| hold(&mut state, time, key));
        assert_eq!(survey(&mut state, 9), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
        assert!(answer(&mut state, "a", 1, 2).is_empty());
        assert_eq!(answer(&mut state, "b", 1, 1), [3]);
        assert!(survey(&mut state, 9).is_empty() && state.next_count(0, 9) == Some(9));
        hold(&mut state, 4, "c");
        assert_eq!(survey(&mut state, 9), [("c".to_owned(), 1)]);
    }

    #[test]
    fn a_survey_looks_at_no_key_that_waits_for_its_window() {
        let mut state = limited(1, true);
        for at in 0..500 {
            hold(&mut state, at, &format!("k{at}"));
        }
        assert_eq!(survey(&mut state, 1_000).len(), 500);
        (0..500).for_each(|at| assert!(answer(&mut state, &format!("k{at}"), 1, 2).is_empty()));
        hold(&mut state, 500, "k0");
        hold(&mut state, 501, "free");
        assert_eq!(state.buffered.limited().listed(0), 1, "the one that is new");
        assert_eq!(survey(&mut state, 1_000), [("free".to_owned(), 1)]);
        let later = Instant::now() + 2 * WINDOW;
        assert_eq!(state.survey_limits(later, LEASE, 1_000).len(), 500);
        assert_eq!(state.limits.next_opening(), None);
    }

    #[test]
    fn keys_get_scarce_slots_in_turn() {
        let mut state = limited(9, true);
        for (time, key) in (0..).zip(["a", "a", "a", "b", "c"]) {
            hold(&mut state, time, key);
        }
        let mut order = Vec::new();
        for count in 1..=5 {
            let asked = survey(&mut state, 1);
            let (key, 1) = &asked[0] else { panic!("one slot") };
            order.extend(answer(&mut state, key, 1, count));
            state.limits.note_change();
        }
        assert_eq!(order, [0, 3, 4, 1, 2]);
        assert!(state.limits.all[0].budgets.is_empty(), "nothing is known about keys with permits");
    }

    #[test]
    fn a_stream_with_too_many_waiting_entries_of_keys_is_not_read() {
        let mut state = limited(1, true);
        (0..1_024).for_each(|time| hold(&mut state, time, "a"));
        assert_eq!(survey(&mut state, 9).len(), 1);
        assert!(state.next_count(0, 9).is_none() && !state.streams[0].is_claimed());
        drop(state.leave_waiting(|one| one.entry.time == 1));
        assert!(state.limits.is_due);
        assert!(survey(&mut state, 9).is_empty() && state.next_count(0, 9) == Some(1));
    }

    #[test]
    fn entries_of_a_stream_without_its_limit_start_in_slots() {
        let mut state = limited(1, false);
        hold(&mut state, 1, "a");
        let options = StreamOptions { limit: None, ..state.streams[0].options.clone() };
        state.streams[0].change_options(options);
        state.limit_stream(0);
        assert_eq!((state.buffered.limited().len(), state.buffered.waiting()), (0, 1));
        assert!(state.take_waiting(Instant::now(), LEASE).is_some());
    }
}
