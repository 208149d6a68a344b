//! Budget of a rate limit: the permits of its current window, as far as known here. Pure.
//!
//! A window begins with the first request for permits after the window before it. Redis counts the requested permits in it.
//! Permits for entries that are here are used at once. After a refusal, permits are requested before the next read, so that
//! entries without a permit stay in Redis. These spare permits are valid until the end of their window.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::world::fault::planted;

use crate::engine::runtime::backoff::Backoff;

/// Time after which an expired key is gone for sure, since Redis counts whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// Current window of a budget in Redis, after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of permits that were requested in it.
    pub count: u64,
    /// Time until its end.
    pub left: Duration,
}

/// Request for permits whose reply is here.
#[derive(Clone, Copy, Debug)]
pub struct AnsweredRequest {
    /// Number of requested permits.
    pub asked: u64,
    /// Time of the request.
    pub sent: Instant,
    /// Time of the reply.
    pub now: Instant,
    /// Wait after the end of the window, so that consumers do not act in step.
    pub spread: Duration,
}

/// Budget of a limit, or of one key of it.
#[derive(Debug)]
pub struct Budget {
    /// True while a request has no reply.
    pub is_asking: bool,
    /// True after a refusal, until spare permits lapse. Reads wait for permits then.
    pub has_backlog: bool,
    /// Time of the next request, while no permit is left.
    opens: Option<Instant>,
    /// Permits for entries that the next read returns.
    spare: u64,
    /// Earliest end of the window of these permits.
    spare_until: Instant,
    /// Number of permits that were left in the window at the last reply, and its latest end.
    left: Option<(u64, Instant)>,
    /// Back-off after failed requests in a row.
    backoff: Option<Backoff>,
}

impl Budget {
    /// A budget about which nothing is known.
    pub fn new(now: Instant) -> Self {
        Self {
            is_asking: false,
            has_backlog: false,
            opens: None,
            spare: 0,
            spare_until: now,
            left: None,
            backoff: None,
        }
    }

    /// Time of the next request, while no permit is left.
    pub fn opens(&self) -> Option<Instant> {
        self.opens
    }

    /// Returns true if permits can be requested now.
    pub fn can_ask(&self) -> bool {
        !self.is_asking && self.opens.is_none()
    }

    /// Forgets what has lapsed.
    pub fn refresh(&mut self, now: Instant) {
        self.opens = self.opens.filter(|&opens| now < opens);
        let has_lapsed = now >= self.spare_until && !planted("permits outlive their window");
        if self.spare > 0 && has_lapsed {
            // The entries that they were requested for did not come.
            (self.spare, self.has_backlog) = (0, false);
        }
    }

    /// Notes a reply, and returns the number of permits that it grants.
    pub fn grant(&mut self, request: AnsweredRequest, max: u64, window: Window) -> u64 {
        let AnsweredRequest { asked, now, spread, .. } = request;
        let before = if planted("permits are not counted") { 0 } else { window.count.saturating_sub(asked) };
        let granted = max.saturating_sub(before).min(asked);
        let left = max.saturating_sub(window.count);
        let end = now + window.left + ROUNDING;
        self.is_asking = false;
        self.has_backlog |= granted < asked;
        self.left = Some((left, end));
        self.opens = (left == 0).then(|| end + spread);
        granted
    }

    /// Keeps permits for the next read, unless their window is over.
    pub fn keep(&mut self, count: u64, request: AnsweredRequest, window: Window) {
        if count == 0 {
            return;
        }
        self.spare += count;
        self.spare_until = request.sent + window.left;
        self.refresh(request.now);
    }

    /// Closes it for a while, after a failure.
    pub fn fail(&mut self, now: Instant) {
        let wait = self.backoff.get_or_insert_default().next_wait();
        (self.is_asking, self.opens) = (false, Some(now + wait));
    }

    /// Notes a reply. Returns true if it is the first one after a failure.
    pub fn recover(&mut self) -> bool {
        self.backoff.take().is_some()
    }

    /// Number of spare permits.
    pub fn spare(&self) -> u64 {
        self.spare
    }

    /// Uses spare permits.
    pub fn use_spare(&mut self, count: u64) {
        self.spare -= count;
    }

    /// Returns true while requests fail.
    pub fn is_failing(&self) -> bool {
        self.backoff.is_some()
    }

    /// Number of entries that reads can take now, if `held` others wait for permits. 0 is none, also until a request has its
    /// reply, since the window can have ended for others.
    pub fn readable(&self, max: u64, held: u64, now: Instant) -> u64 {
        if self.spare > 0 && now < self.spare_until {
            return self.spare;
        }
        if self.is_asking || self.has_backlog || self.opens.is_some_and(|opens| now < opens) {
            return 0;
        }
        let left = self.left.filter(|&(_, end)| now < end).map_or(max, |(left, _)| left);
        left.saturating_sub(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn request(asked: u64, now: Instant) -> AnsweredRequest {
        AnsweredRequest { asked, sent: now, now, spread: MS(5) }
    }

    fn window(count: u64) -> Window {
        Window { count, left: MS(100) }
    }

    #[test]
    fn a_window_grants_its_maximum_and_no_more() {
        let now = Instant::now();
        let grants = [(4, 4), (4, 8), (4, 12), (4, 16)].map(|(asked, count)| {
            let mut budget = Budget::new(now);
            (budget.grant(request(asked, now), 10, window(count)), budget.opens())
        });
        let closed = Some(now + MS(106));
        assert_eq!(grants, [(4, None), (4, None), (2, closed), (0, closed)]);
    }

    #[test]
    fn reads_take_what_the_window_permits_and_the_next_one_permits_all() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        assert_eq!((budget.readable(10, 0, now), budget.readable(10, 4, now)), (10, 6));
        budget.is_asking = true;
        assert_eq!(budget.readable(10, 0, now), 0);
        budget.grant(request(4, now), 10, window(7));
        assert_eq!((budget.readable(10, 0, now), budget.readable(10, 9, now)), (3, 0));
        assert_eq!(budget.readable(10, 0, now + MS(101)), 10);
    }

    #[test]
    fn after_a_refusal_reads_wait_for_permits() {
        let (now, later) = (Instant::now(), Instant::now() + MS(200));
        let mut budget = Budget::new(now);
        budget.grant(request(4, now), 10, window(12));
        assert_eq!((budget.readable(10, 0, now), budget.can_ask()), (0, false));
        budget.refresh(later);
        assert_eq!((budget.readable(10, 0, later), budget.can_ask()), (0, true));
        budget.grant(request(6, later), 10, window(6));
        budget.keep(6, request(6, later), window(6));
        assert_eq!(budget.readable(10, 0, later), 6);
        budget.use_spare(6);
        assert_eq!(budget.readable(10, 0, later), 0, "the next permits are requested first again");
    }

    #[test]
    fn spare_permits_lapse_with_their_window_and_end_the_backlog() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        budget.grant(request(4, now), 10, window(12));
        budget.keep(2, request(4, now), window(12));
        budget.refresh(now + MS(99));
        assert_eq!((budget.spare(), budget.has_backlog), (2, true));
        budget.refresh(now + MS(106));
        assert_eq!((budget.spare(), budget.has_backlog), (0, false));
        assert_eq!(budget.readable(10, 0, now + MS(106)), 10);
        let late = AnsweredRequest { now: now + MS(101), ..request(4, now) };
        budget.keep(2, late, window(2));
        assert_eq!(budget.spare(), 0, "their window was over with the reply");
    }
}
