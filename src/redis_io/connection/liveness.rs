//! Notices connections that died without a word: nothing comes on them any more, and no error does either.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::state::{ConnectionState, DriverCommand};
use crate::redis_io::error::{RedisError, RedisErrorKind};

/// The least time between two looks.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// A process that was stopped for a while first has to be given the time to read what came meanwhile.
const SECOND_CHECK: Duration = Duration::from_millis(50);

/// Since when the server owes us a word. Pure.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    since: Option<Instant>,
}

/// Result of a liveness check.
#[derive(Debug, PartialEq, Eq)]
enum LivenessCheck {
    /// All is well until then.
    Alive(Instant),
    /// The server is to be asked whether it is there.
    Probe,
    /// Nothing came for as long as may be.
    TimedOut,
}

impl Liveness {
    /// Something was written: it is to be answered.
    pub(crate) fn mark_written(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Bytes came; `owed` is whether more have to.
    pub(crate) fn mark_received(&mut self, owed: bool) {
        self.since = owed.then(Instant::now);
    }

    /// Looks at it. What only listens (`listens`) has nothing to be answered while all is quiet, so it has to ask,
    /// early enough for the answer to come within the limit.
    fn check(&self, now: Instant, limit: Duration, owed: bool, listens: bool) -> LivenessCheck {
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

/// Watches one session, until it has been silent for longer than `limit`. Looks once per limit at an idle
/// connection, and not at commands at all.
pub(crate) async fn watch(shared: Arc<ConnectionState>, limit: Duration) {
    let listens = shared.pushes.is_some();
    let mut was_dead = false;
    loop {
        let outcome = {
            let inner = shared.lock();
            inner.liveness.check(Instant::now(), limit, inner.queue.has_unanswered(), listens)
        };
        let is_dead = outcome == LivenessCheck::TimedOut;
        let next = match outcome {
            LivenessCheck::Alive(until) => until,
            LivenessCheck::Probe => {
                shared.send_ping();
                // Answered or not, there is something to look at when the other half is over.
                Instant::now() + limit / 2
            }
            LivenessCheck::TimedOut if was_dead => {
                return shared.send_command(DriverCommand::Lost(timed_out(&shared, limit)));
            }
            LivenessCheck::TimedOut => Instant::now() + SECOND_CHECK,
        };
        was_dead = is_dead;
        tokio::time::sleep_until(next.max(Instant::now() + SHORTEST_INTERVAL).into()).await;
    }
}

impl ConnectionState {
    /// Sends what any server answers.
    fn send_ping(&self) {
        let mut commands = Commands::default();
        commands.begin("PING", 1).end_once(Destination::Nowhere);
        // A connection that is closing takes nothing, and needs no answer.
        let _ = self.submit_again(&mut commands);
    }
}

fn timed_out(shared: &ConnectionState, limit: Duration) -> RedisError {
    let message = format!("read ETIMEDOUT: the server has said nothing for {} ms", limit.as_millis());
    let error = RedisError::local(RedisErrorKind::Connect, &message, &shared.node());
    RedisError { code: Some("ETIMEDOUT".into()), ..error }
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
