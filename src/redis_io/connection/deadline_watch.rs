//! Check of `commandTimeout`: fails the commands whose time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::command::Destination;
use crate::redis_io::connection::state::ConnectionState;
use crate::redis_io::error::{RedisError, RedisErrorKind};

/// Minimum time between two checks of the deadlines.
const SHORTEST_WATCH: Duration = Duration::from_millis(1);

/// Fails commands that have waited longer than `commandTimeout`. Later replies to them are dropped.
pub(crate) async fn watch(shared: Arc<ConnectionState>) {
    loop {
        let next = shared.lock().queue.next_deadline();
        let due = async {
            match next {
                // A command is late by this minimum at most.
                Some(next) => {
                    tokio::time::sleep_until(next.max(Instant::now() + SHORTEST_WATCH)).await;
                }
                None => shared.to_time.notified().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.gone() => return,
            () = due => fail_late(&shared),
        }
    }
}

fn fail_late(shared: &ConnectionState) {
    let (late, cause): (Vec<_>, _) = {
        let mut inner = shared.lock();
        let cause = inner.cause.clone().filter(|_| !inner.is_flowing());
        let expired = inner.queue.expired(Instant::now()).map(|pending| {
            (pending.deadline, pending.is_given_up) = (None, true);
            let destination = std::mem::replace(&mut pending.meta.destination, Destination::Nowhere);
            (destination, pending.meta.name)
        });
        (expired.collect(), cause)
    };
    if late.is_empty() {
        return;
    }
    let error = RedisError::local(RedisErrorKind::Timeout, "Command timed out", &shared.node()).after(cause);
    for (destination, name) in late {
        shared.deliver(destination, Err(error.clone().of(name)));
    }
    shared.burst_end();
}
