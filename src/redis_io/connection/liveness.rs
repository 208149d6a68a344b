//! Liveness of a connection: the time since which its server owes a byte. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Time since which the server owes a byte.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    since: Option<Instant>,
}

/// Result of a liveness check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LivenessCheck {
    /// The next check is due then.
    Alive(Instant),
    /// The server must get a PING.
    Probe,
    /// The server was silent for the whole limit.
    TimedOut,
}

impl Liveness {
    /// Notes a write, which the server must answer.
    pub(crate) fn mark_written(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Notes received bytes. `owed` is true if more must come.
    pub(crate) fn mark_received(&mut self, owed: bool) {
        self.since = owed.then(Instant::now);
    }

    /// Checks the silence. A connection that only listens (`listens`) gets no replies while no message is published. It
    /// must send PING, early enough for the reply within the limit.
    pub(crate) fn check(&self, now: Instant, limit: Duration, owed: bool, listens: bool) -> LivenessCheck {
        let Some(since) = self.since else { return LivenessCheck::Alive(now + limit) };
        let silent = now.saturating_duration_since(since);
        match owed {
            true if silent >= limit => LivenessCheck::TimedOut,
            false if listens && silent >= limit / 2 => LivenessCheck::Probe,
            false if listens => LivenessCheck::Alive(since + limit / 2),
            _ => LivenessCheck::Alive(since + limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn what_owes_an_answer_is_dead_after_the_limit() {
        let mut liveness = Liveness::default();
        let now = Instant::now();
        assert_eq!(liveness.check(now, LIMIT, false, false), LivenessCheck::Alive(now + LIMIT));
        liveness.mark_written();
        let since = liveness.since.expect("something was written");
        liveness.mark_written();
        assert_eq!(liveness.since, Some(since), "what is written later does not put it off");
        assert_eq!(
            liveness.check(since + LIMIT / 2, LIMIT, true, false),
            LivenessCheck::Alive(since + LIMIT)
        );
        assert_eq!(liveness.check(since + LIMIT, LIMIT, true, false), LivenessCheck::TimedOut);
    }

    #[test]
    fn any_byte_begins_it_anew_and_the_last_answer_ends_it() {
        let mut liveness = Liveness::default();
        liveness.mark_written();
        liveness.mark_received(true);
        assert!(liveness.since.is_some());
        liveness.mark_received(false);
        assert_eq!(liveness.since, None);
    }

    #[test]
    fn what_only_listens_asks_after_half_the_limit() {
        let mut liveness = Liveness::default();
        liveness.mark_written();
        liveness.mark_received(true);
        let since = liveness.since.expect("the connection is watched");
        assert_eq!(liveness.check(since, LIMIT, false, true), LivenessCheck::Alive(since + LIMIT / 2));
        assert_eq!(liveness.check(since + LIMIT / 2, LIMIT, false, true), LivenessCheck::Probe);
        assert_eq!(liveness.check(since + LIMIT / 2, LIMIT, true, true), LivenessCheck::Alive(since + LIMIT));
        assert_eq!(liveness.check(since + LIMIT, LIMIT, true, true), LivenessCheck::TimedOut);
    }
}
