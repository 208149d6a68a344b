//! Detects connections that ended without an error: they receive nothing and report nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::inner::DriverCommand;
use crate::redis_io::connection::liveness::LivenessCheck;
use crate::redis_io::connection::state::ConnectionState;
use crate::redis_io::error::{RedisError, RedisErrorKind};

/// Minimum time between two checks.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// Delay of a second check. A process that was stopped needs it to read the replies that arrived meanwhile.
const SECOND_CHECK: Duration = Duration::from_millis(50);

/// Watches one session until its server is silent for longer than `limit`. Checks an idle connection once per limit, and
/// never looks at commands.
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
        tokio::time::sleep_until(next.max(Instant::now() + SHORTEST_INTERVAL)).await;
    }
}

impl ConnectionState {
    /// Sends PING, which any server answers.
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
