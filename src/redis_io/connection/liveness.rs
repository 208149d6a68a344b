//! Notices connections that died without a word: nothing comes on them any more, and no error does either.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::state::{Order, Shared};
use crate::redis_io::error::{RedisError, RedisErrorKind};

/// The least time between two looks.
const SHORTEST_WATCH: Duration = Duration::from_millis(1);
/// A process that was stopped for a while first has to be given the time to read what came meanwhile.
const SECOND_LOOK: Duration = Duration::from_millis(50);

/// Since when the server owes us a word. Pure.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    since: Option<Instant>,
}

/// What a look at the silence leads to.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// All is well until then.
    Fine(Instant),
    /// The server is to be asked whether it is there.
    Doubtful,
    /// Nothing came for as long as may be.
    Dead,
}

impl Silence {
    /// Something was written: it is to be answered.
    pub(crate) fn wrote(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Bytes came; `owed` is whether more have to.
    pub(crate) fn heard(&mut self, owed: bool) {
        self.since = owed.then(Instant::now);
    }

    /// Looks at it. What only listens (`listens`) has nothing to be answered while all is quiet, so it has to ask,
    /// early enough for the answer to come within the limit.
    fn look(&self, now: Instant, limit: Duration, owed: bool, listens: bool) -> Finding {
        let Some(since) = self.since else { return Finding::Fine(now + limit) };
        let silent = now.saturating_duration_since(since);
        match owed {
            true if silent >= limit => Finding::Dead,
            false if listens && silent >= limit / 2 => Finding::Doubtful,
            false if listens => Finding::Fine(since + limit / 2),
            _ => Finding::Fine(since + limit),
        }
    }
}

/// Watches one session, until it has been silent for longer than `limit`. Looks once per limit at an idle
/// connection, and not at commands at all.
pub(crate) async fn watch(shared: Arc<Shared>, limit: Duration) {
    let listens = shared.pushes.is_some();
    let mut was_dead = false;
    loop {
        let finding = {
            let inner = shared.lock();
            inner.silence.look(Instant::now(), limit, inner.outbox.is_owed(), listens)
        };
        let is_dead = finding == Finding::Dead;
        let next = match finding {
            Finding::Fine(until) => until,
            Finding::Doubtful => {
                shared.ask_for_life();
                // Answered or not, there is something to look at when the other half is over.
                Instant::now() + limit / 2
            }
            Finding::Dead if was_dead => return shared.order(Order::Lost(dead(&shared, limit))),
            Finding::Dead => Instant::now() + SECOND_LOOK,
        };
        was_dead = is_dead;
        tokio::time::sleep_until(next.max(Instant::now() + SHORTEST_WATCH).into()).await;
    }
}

impl Shared {
    /// Sends what any server answers.
    fn ask_for_life(&self) {
        let mut commands = Commands::default();
        commands.begin("PING", 1).end_once(Destination::Nowhere);
        // A connection that is closing takes nothing, and needs no answer.
        let _ = self.submit_again(&mut commands);
    }
}

fn dead(shared: &Shared, limit: Duration) -> RedisError {
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
        let mut silence = Silence::default();
        let now = Instant::now();
        assert_eq!(silence.look(now, LIMIT, false, false), Finding::Fine(now + LIMIT));
        silence.wrote();
        let since = silence.since.expect("something was written");
        silence.wrote();
        assert_eq!(silence.since, Some(since), "what is written later does not put it off");
        assert_eq!(silence.look(since + LIMIT / 2, LIMIT, true, false), Finding::Fine(since + LIMIT));
        assert_eq!(silence.look(since + LIMIT, LIMIT, true, false), Finding::Dead);
    }

    #[test]
    fn any_byte_begins_it_anew_and_the_last_answer_ends_it() {
        let mut silence = Silence::default();
        silence.wrote();
        silence.heard(true);
        assert!(silence.since.is_some());
        silence.heard(false);
        assert_eq!(silence.since, None);
    }

    #[test]
    fn what_only_listens_asks_after_half_the_limit() {
        let mut silence = Silence::default();
        silence.wrote();
        silence.heard(true);
        let since = silence.since.expect("the connection is watched");
        assert_eq!(silence.look(since, LIMIT, false, true), Finding::Fine(since + LIMIT / 2));
        assert_eq!(silence.look(since + LIMIT / 2, LIMIT, false, true), Finding::Doubtful);
        assert_eq!(silence.look(since + LIMIT / 2, LIMIT, true, true), Finding::Fine(since + LIMIT));
        assert_eq!(silence.look(since + LIMIT, LIMIT, true, true), Finding::Dead);
    }
}
