//! Waits of a producer for completions, and the completions that came so far. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;
use crate::redis_io::world::map::HashMap;

use crate::engine::host::GroupCompletion;
use crate::engine::producer::completion_wait::{
    CompletedWait, EntrySearch, OutcomeCheck, SentOnce, Wait, WaitSnapshot, WaitStart,
};
use crate::engine::producer::routine_checks::Sweeps;
use crate::engine::protocol::idempotency::FirstSend;

/// Time without completions after which Redis is asked about a wait with a record.
const SHORTEST_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Minimum time between two checks of a wait that follows an earlier send.
const SHORTEST_FOLLOW_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum time between two checks.
const LONGEST_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The waits of one producer.
#[derive(Debug, Default)]
pub struct CompletionTracker {
    waits: HashMap<u32, Wait>,
    /// Waits by job. Several waits for one job are rare: the job was sent to several streams, or again.
    jobs: HashMap<Arc<str>, Vec<u32>>,
    /// Times of the next check of each wait, earliest first. Entries that differ from the wait's `check_at` are
    /// skipped.
    checks: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Number of waits that began with groups that were not known to exist.
    unknowing: usize,
    /// Sweeps over the waits without a record.
    sweeps: Sweeps,
    /// Due waits that need their entries first.
    searches: Vec<EntrySearch>,
}

impl CompletionTracker {
    /// Starts a wait.
    pub fn wait(&mut self, begin: WaitStart<'_>) {
        let (number, recorded) = (begin.number, begin.recorded);
        let job = match self.jobs.get_key_value(begin.job) {
            Some((job, _)) => job.clone(),
            None => Arc::from(begin.job),
        };
        self.jobs.entry(job.clone()).or_default().push(number);
        self.unknowing += usize::from(!begin.unknown_groups.is_empty());
        let routine = recorded.is_none().then(|| self.sweeps.begin());
        self.waits.insert(number, Wait::new(begin, job, routine));
        if let Some(since) = recorded {
            self.check(number, since + SHORTEST_CHECK_INTERVAL);
        }
    }

    /// Sets the entry of a wait. Returns true if a completion can have been missed before, so that Redis must be
    /// asked.
    pub fn sent(&mut self, number: u32, entry: EntryId) -> bool {
        let Some(wait) = self.waits.get_mut(&number) else { return false };
        wait.entry = Some(entry);
        std::mem::take(&mut wait.needs_check)
    }

    /// Notes the send of a wait.
    pub(crate) fn note_once(&mut self, number: u32, id: &str, send: &str) {
        if let Some(wait) = self.waits.get_mut(&number) {
            let (id, send) = (Box::from(id), Box::from(send));
            wait.once = Some(Box::new(SentOnce { id, send, is_delayed: false }));
        }
    }

    /// Notes that the entry of a wait is added later.
    pub(crate) fn expect_entry(&mut self, number: u32) {
        let once = self.waits.get_mut(&number).and_then(|wait| wait.once.as_mut());
        once.into_iter().for_each(|once| once.is_delayed = true);
    }

    /// Lets a wait follow an earlier send, whose completions go to another producer. Redis is asked for them at growing
    /// intervals.
    pub(crate) fn follow(&mut self, number: u32, first: &FirstSend<'_>) {
        let Some(wait) = self.waits.get_mut(&number) else { return };
        let (now, job) = (Instant::now(), Arc::<str>::from(first.job));
        let before = std::mem::replace(&mut wait.job, job.clone());
        (wait.entry, wait.followed) = (first.entry, Some(now));
        if let Some(once) = &mut wait.once {
            (once.send, once.is_delayed) = (Box::from(first.send), first.entry.is_none());
        }
        self.leave(number, &before);
        self.jobs.entry(job).or_default().push(number);
        self.check(number, now);
    }

    /// Sets the entry of a wait that was searched for, and checks the wait.
    pub(crate) fn found_entry(&mut self, number: u32, entry: EntryId) {
        if let Some(wait) = self.waits.get_mut(&number).filter(|wait| wait.entry.is_none()) {
            (wait.entry, wait.gone) = (Some(entry), false);
            // Its own completion can be on its way.
            wait.is_tentative = wait.followed.is_none();
            self.check(number, Instant::now());
        }
    }

    /// Ends a wait without an outcome.
    pub fn forget(&mut self, number: u32) {
        self.remove(number);
    }

    /// Ends all waits and returns their numbers.
    pub fn abandon(&mut self) -> Vec<u32> {
        std::mem::take(self).waits.into_keys().collect()
    }

    /// Adds a completion and returns the waits that it ends. Repeated completions of a group count once. A
    /// completion of a group that is not awaited is kept but does not count.
    pub fn on_completion(
        &mut self,
        job: &str,
        stream: &str,
        arrival: &GroupCompletion,
    ) -> Vec<CompletedWait> {
        let mut outcomes = Vec::new();
        let mut at = 0;
        while let Some(&number) = self.jobs.get(job).and_then(|numbers| numbers.get(at)) {
            at += 1;
            let Some(wait) = self.waits.get_mut(&number).filter(|wait| wait.plan.stream == stream) else {
                continue;
            };
            wait.note(arrival);
            if wait.is_over() {
                outcomes.extend(self.end(number));
                at -= 1;
            }
        }
        outcomes
    }

    /// Adds a completion that an outcome query found. Returns the wait if that ends it. A completion that came by
    /// itself meanwhile wins.
    pub fn record_outcome(&mut self, number: u32, arrival: GroupCompletion) -> Option<CompletedWait> {
        let wait = self.waits.get_mut(&number)?;
        if !wait.is_missing(&arrival.group) {
            return None;
        }
        wait.arrivals.push(arrival);
        if wait.is_over() { self.end(number) } else { None }
    }

    /// Records if the job of a wait cannot end any more, since its entry is gone or a group does not get it. Returns true
    /// if it was so twice in a row: a failover can show that for a moment, and a completion can be on its way.
    pub fn is_lost(&mut self, number: u32, gone: bool) -> bool {
        let wait = self.waits.get_mut(&number);
        wait.is_some_and(|wait| std::mem::replace(&mut wait.gone, gone) && gone)
    }

    /// Schedules a check at `when` for all waits on streams that `of` selects, since their completions can have been
    /// missed.
    pub fn mark_uncertain(&mut self, when: Instant, of: impl Fn(&str) -> bool) {
        let concerned = self.waits.iter_mut().filter(|(_, wait)| of(&wait.plan.stream));
        let mut known = Vec::new();
        for (number, wait) in concerned {
            match wait.can_be_checked() {
                true if wait.check_at.is_none_or(|at| at > when) => known.push(*number),
                true => {}
                false => wait.needs_check = true,
            }
        }
        for number in known {
            self.check(number, when);
        }
    }

    /// Time of the next check, or of the next sweep.
    pub fn next_check(&mut self) -> Option<Instant> {
        let sweep = self.sweeps.next();
        self.next_scheduled().into_iter().chain(sweep).min()
    }

    /// Time of the next check of a single wait.
    fn next_scheduled(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, number))) = self.checks.peek() {
            if self.waits.get(number).is_some_and(|wait| wait.check_at == Some(*at)) {
                return Some(*at);
            }
            self.checks.pop();
        }
        None
    }

    /// Schedules the checks of a sweep, if it is time for one.
    fn sweep(&mut self, now: Instant) {
        let Some(sweep) = self.sweeps.start(now) else { return };
        if planted("missed completions are not queried") {
            return;
        }
        let mut due = Vec::new();
        let mut has_waits = false;
        for (number, wait) in &mut self.waits {
            let can_be_checked = wait.can_be_checked();
            let Some(routine) = &mut wait.routine else { continue };
            has_waits = true;
            if can_be_checked && wait.check_at.is_none() && routine.take_due(sweep) {
                wait.is_tentative = true;
                due.push(*number);
            }
        }
        self.sweeps.end(now, has_waits);
        due.into_iter().for_each(|number| self.check(number, now));
    }

    /// Takes up to `most` waits whose check is due. Waits with a record are scheduled again, at growing intervals.
    pub fn take_due(&mut self, now: Instant, most: usize) -> Vec<OutcomeCheck> {
        self.sweep(now);
        let mut due = Vec::new();
        while due.len() < most && self.next_scheduled().is_some_and(|at| at <= now) {
            let Some(Reverse((_, number))) = self.checks.pop() else { break };
            let Some(wait) = self.waits.get_mut(&number) else { continue };
            wait.check_at = None;
            let followed = wait.followed.map(|since| (since, SHORTEST_FOLLOW_INTERVAL));
            let checked = followed.or(wait.recorded.map(|since| (since, SHORTEST_CHECK_INTERVAL)));
            let again =
                checked.map(|(since, least)| now + ((now - since) / 2).clamp(least, LONGEST_CHECK_INTERVAL));
            due.extend(wait.outcome_check(number));
            self.searches.extend(
                wait.entry_search(number).filter(|_| !planted("entry of a delayed send is not looked up")),
            );
            if let Some(again) = again {
                self.check(number, again);
            }
        }
        due
    }

    /// Takes the due waits that need their entries first.
    pub(crate) fn take_searches(&mut self) -> Vec<EntrySearch> {
        std::mem::take(&mut self.searches)
    }

    /// Schedules a check of a wait at `when`.
    pub fn check(&mut self, number: u32, when: Instant) {
        if let Some(wait) = self.waits.get_mut(&number) {
            wait.check_at = Some(when);
            self.checks.push(Reverse((when, number)));
        }
    }

    /// Returns true if a wait has a group that can have been created after its job was sent.
    pub fn has_unknown_groups(&self) -> bool {
        self.unknowing > 0
    }

    /// Notes that a group gets the entry of a wait.
    pub fn note_expected(&mut self, number: u32, group: &str) {
        let Some(wait) = self.waits.get_mut(&number) else { return };
        let before = wait.unknown_groups.len();
        wait.unknown_groups.retain(|unknown| unknown != group);
        self.unknowing -= usize::from(before > 0 && wait.unknown_groups.is_empty());
    }

    /// Returns true if a wait has no completion of this group.
    pub fn is_missing(&self, number: u32, group: &str) -> bool {
        self.waits.get(&number).is_some_and(|wait| wait.is_missing(group))
    }

    /// State of a wait. `None` if it is over or its entry is not known yet.
    pub fn case(&self, number: u32) -> Option<WaitSnapshot> {
        self.waits.get(&number)?.case()
    }

    /// Number of waits.
    pub fn len(&self) -> usize {
        self.waits.len()
    }

    /// Returns true if there are no waits.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    fn end(&mut self, number: u32) -> Option<CompletedWait> {
        self.remove(number).map(|wait| CompletedWait { wait: number, arrivals: wait.arrivals })
    }

    fn remove(&mut self, number: u32) -> Option<Wait> {
        let wait = self.waits.remove(&number)?;
        self.unknowing -= usize::from(!wait.unknown_groups.is_empty());
        self.leave(number, &wait.job);
        Some(wait)
    }

    /// Removes a wait from those of its job.
    fn leave(&mut self, number: u32, job: &Arc<str>) {
        if let Some(numbers) = self.jobs.get_mut(job) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.jobs.remove(job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::producer::sending::send_plan::SendPlan;

    fn plan(groups: &[&str]) -> Arc<SendPlan> {
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        Arc::new(SendPlan::awaiting("s", &groups))
    }

    fn begin(
        completions: &mut CompletionTracker,
        number: u32,
        job: &str,
        groups: &[&str],
        ends_at_error: bool,
    ) {
        let plan = plan(groups);
        completions.wait(WaitStart {
            number,
            job,
            plan,
            ends_at_error,
            recorded: None,
            unknown_groups: Vec::new(),
            servers: 0,
        });
    }

    fn arrival(group: &str, error: Option<&str>) -> GroupCompletion {
        GroupCompletion { group: group.to_owned(), at: 1.0, error: error.map(str::to_owned), answer: None }
    }

    #[test]
    fn a_wait_is_over_when_every_group_completed() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 7, "J", &["a", "b", "a"], false);
        assert!(completions.on_completion("J", "s", &arrival("a", None)).is_empty());
        assert!(completions.on_completion("J", "s", &arrival("a", None)).is_empty(), "a group counts once");
        let outcomes = completions.on_completion("J", "s", &arrival("b", Some("1")));
        assert_eq!(outcomes[0].wait, 7);
        assert_eq!(outcomes[0].arrivals, [arrival("a", None), arrival("b", Some("1"))]);
        assert!(completions.is_empty());
    }

    #[test]
    fn a_wait_that_follows_an_earlier_send_takes_its_completions_and_is_checked_at_growing_intervals() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 7, "J", &["a"], false);
        let start = Instant::now();
        let entry = Some(EntryId { time: 1, sequence: 0 });
        completions.follow(7, &FirstSend { entry, send: "P:1", job: "first" });
        let mut at = start + Duration::from_secs(10);
        let due = completions.take_due(at, 9);
        assert_eq!((due[0].wait, &*due[0].job, due[0].recorded), (7, "first", false));
        assert!(completions.next_check().is_some_and(|next| next > at + Duration::from_secs(4)));
        at += Duration::from_secs(6);
        assert_eq!(completions.take_due(at, 9).len(), 1);
        assert!(completions.on_completion("J", "s", &arrival("a", None)).is_empty());
        assert_eq!(completions.on_completion("first", "s", &arrival("a", None)).len(), 1);
        assert!(completions.is_empty() && completions.jobs.is_empty());
    }

    #[test]
    fn the_entry_of_a_delayed_send_is_searched_for_before_its_outcome() {
        let (mut completions, entry) = (CompletionTracker::default(), EntryId { time: 1, sequence: 0 });
        for number in [1, 2, 3] {
            begin(&mut completions, number, "J", &["a"], false);
            completions.note_once(number, "id", "P:1");
        }
        completions.expect_entry(1);
        completions.follow(2, &FirstSend { entry: None, send: "Q:5", job: "first" });
        let now = Instant::now();
        completions.mark_uncertain(now, |_| true);
        assert!(completions.take_due(now + Duration::from_secs(1), 9).is_empty());
        let searches = completions.take_searches();
        let mut found: Vec<_> = searches.iter().map(|one| (one.wait, &*one.send, one.is_followed)).collect();
        found.sort_unstable();
        assert_eq!(found, [(1, "P:1", false), (2, "Q:5", true)], "the third one has no reply yet");
        completions.found_entry(2, entry);
        let due = completions.take_due(Instant::now(), 9);
        assert_eq!((numbers(&due), &*due[0].job, due[0].entry), (vec![2], "first", entry));
        assert!(completions.take_searches().is_empty());
    }

    #[test]
    fn other_groups_are_noted_and_other_streams_ignored() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 1, "J", &["a"], false);
        assert!(completions.on_completion("J", "s", &arrival("toString", None)).is_empty());
        assert!(completions.on_completion("J", "t", &arrival("a", None)).is_empty());
        assert!(completions.on_completion("K", "s", &arrival("a", None)).is_empty());
        assert_eq!(completions.on_completion("J", "s", &arrival("a", None))[0].arrivals.len(), 2);
    }

    #[test]
    fn an_error_ends_the_wait_at_once_where_that_was_asked() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 1, "J", &["a", "b"], true);
        begin(&mut completions, 2, "J", &["a", "b"], false);
        let outcomes = completions.on_completion("J", "s", &arrival("a", Some("{}")));
        assert_eq!(outcomes.iter().map(|outcome| outcome.wait).collect::<Vec<_>>(), [1]);
        assert_eq!(completions.len(), 1);
    }

    #[test]
    fn forgotten_and_abandoned_waits_are_gone() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 1, "J", &["a"], false);
        begin(&mut completions, 2, "J", &["a"], false);
        completions.forget(1);
        assert_eq!(completions.on_completion("J", "s", &arrival("a", None)).len(), 1);
        begin(&mut completions, 3, "K", &["a"], false);
        assert_eq!(completions.abandon(), [3]);
        assert!(completions.is_empty());
    }

    fn recorded(completions: &mut CompletionTracker, number: u32, since: Instant) {
        let plan = plan(&["a"]);
        completions.wait(WaitStart {
            number,
            job: "J",
            plan,
            ends_at_error: false,
            recorded: Some(since),
            unknown_groups: Vec::new(),
            servers: 0,
        });
    }

    fn numbers(checks: &[OutcomeCheck]) -> Vec<u32> {
        checks.iter().map(|check| check.wait).collect()
    }

    #[test]
    fn an_uncertain_wait_is_checked_once_if_redis_has_its_entry() {
        let (mut completions, now) = (CompletionTracker::default(), Instant::now());
        begin(&mut completions, 1, "J", &["a"], false);
        begin(&mut completions, 2, "K", &["a"], false);
        assert!(!completions.sent(1, EntryId { time: 5, sequence: 0 }));
        let sweep = completions.next_check();
        assert!(sweep.is_some_and(|at| at > now + Duration::from_secs(20)));
        completions.mark_uncertain(now, |stream| stream == "other");
        assert_eq!(completions.next_check(), sweep);
        completions.mark_uncertain(now + Duration::from_secs(1), |stream| stream == "s");
        completions.mark_uncertain(now, |stream| stream == "s");
        assert_eq!(numbers(&completions.take_due(now, 9)), [1], "at the earliest of all times");
        assert_eq!(completions.next_check(), sweep);
        assert!(completions.sent(2, EntryId { time: 6, sequence: 0 }), "it was sent before the gap");
        assert!(!completions.sent(2, EntryId { time: 6, sequence: 0 }));
    }

    #[test]
    fn waits_with_a_record_are_looked_after_less_and_less_often() {
        let (mut completions, start) = (CompletionTracker::default(), Instant::now());
        recorded(&mut completions, 1, start);
        completions.sent(1, EntryId::default());
        let mut asked = Vec::new();
        while let Some(at) = completions.next_check().filter(|at| *at < start + Duration::from_secs(200)) {
            assert_eq!(completions.take_due(at, 9).len(), 1);
            asked.push((at - start).as_secs_f64());
        }
        assert_eq!(asked[..5], [2.0, 4.0, 6.0, 9.0, 13.5]);
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 30.0) && asked.len() < 15, "{asked:?}");
        completions.forget(1);
        assert_eq!(completions.next_check(), None);
    }

    #[test]
    fn a_wait_without_a_record_is_checked_in_sweeps_and_its_end_is_checked_twice() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 1, "J", &["a"], false);
        begin(&mut completions, 2, "K", &["a"], false);
        completions.sent(1, EntryId::default());
        let start = completions.next_check().expect("a sweep");
        assert!(completions.take_due(start, 9).is_empty(), "it is too young");
        let second = completions.next_check().expect("another sweep");
        let due = completions.take_due(second, 9);
        assert_eq!(numbers(&due), [1], "the other one has no entry yet");
        assert!(due[0].is_tentative);
        completions.check(1, second + Duration::from_secs(2));
        assert!(!completions.take_due(second + Duration::from_secs(2), 9)[0].is_tentative);
        completions.forget(1);
        completions.forget(2);
        let last = completions.next_check().expect("the last sweep");
        assert!(completions.take_due(last, 9).is_empty());
        assert_eq!(completions.next_check(), None, "no sweep follows without waits");
    }

    #[test]
    fn a_check_takes_a_limited_number_of_waits() {
        let (mut completions, now) = (CompletionTracker::default(), Instant::now());
        for number in 1..=5 {
            recorded(&mut completions, number, now);
            completions.sent(number, EntryId::default());
        }
        let later = now + SHORTEST_CHECK_INTERVAL;
        assert_eq!([3, 3, 3].map(|most| completions.take_due(later, most).len()), [3, 2, 0]);
    }

    #[test]
    fn waits_with_unknown_groups_are_counted_until_their_end() {
        let mut completions = CompletionTracker::default();
        for number in 1..=3 {
            let unknown_groups = vec!["a".to_owned(), "b".to_owned()];
            let plan = plan(&["a", "b"]);
            let (job, ends_at_error, recorded) = ("J", false, None);
            completions.wait(WaitStart {
                number,
                job,
                plan,
                ends_at_error,
                recorded,
                unknown_groups,
                servers: 0,
            });
        }
        completions.sent(1, EntryId::default());
        completions.note_expected(1, "a");
        completions.check(1, Instant::now());
        assert_eq!(completions.take_due(Instant::now(), 9)[0].unknown_groups, ["b"]);
        completions.note_expected(1, "b");
        completions.note_expected(1, "b");
        completions.forget(1);
        completions.forget(2);
        assert!(completions.has_unknown_groups());
        completions.forget(3);
        assert!(!completions.has_unknown_groups());
    }

    #[test]
    fn a_recovered_outcome_does_not_override_a_received_completion() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 1, "J", &["a", "b"], false);
        completions.on_completion("J", "s", &arrival("a", None));
        assert_eq!(completions.record_outcome(1, arrival("a", Some("1"))), None);
        let outcome = completions.record_outcome(1, arrival("b", Some("2"))).expect("both are there");
        assert_eq!(outcome.arrivals, [arrival("a", None), arrival("b", Some("2"))]);
        assert_eq!(completions.record_outcome(1, arrival("b", None)), None);
    }

    #[test]
    fn an_entry_is_lost_when_it_is_gone_twice_in_a_row() {
        let mut completions = CompletionTracker::default();
        begin(&mut completions, 1, "J", &["a"], false);
        let seen = [true, false, true, true].map(|gone| completions.is_lost(1, gone));
        assert_eq!(seen, [false, false, false, true]);
    }
}
