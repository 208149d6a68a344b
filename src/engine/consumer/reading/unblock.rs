//! End of a blocking read by CLIENT UNBLOCK from the shared connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::redis_io::link::{Link, LinkState};

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::{ConsumerState, Phase};

/// Maximum time until a read ends after CLIENT UNBLOCK.
const MAX_UNBLOCK_TIME: Duration = Duration::from_secs(3);
/// Time between two requests to end a read. The read can be on its way to the server at the first one.
const UNBLOCK_INTERVAL: Duration = Duration::from_millis(10);

impl Consumer {
    /// Starts entries whose lapsed lease was renewed, and reads the others of a lane again at once.
    pub(crate) fn advance_renewed(&self, lane: usize) {
        {
            let mut state = self.lock();
            let is_due = state.active_streams(lane).any(|stream| stream.handed_back.is_some())
                && state.lanes[lane].reading;
            if is_due && !std::mem::replace(&mut state.lanes[lane].outdated, true) {
                self.end_read(lane);
            }
        }
        self.step();
        // The last entries of a pause can have left.
        self.notify_if_idle();
    }

    /// Ends the read under way, which lacks a stream or has one too many. One that is not sent yet ends by itself.
    pub(crate) fn end_read_if_ready(&self, state: &mut ConsumerState, lane: usize) {
        let is_ready = |link: Arc<dyn Link>| link.state() == LinkState::Ready;
        if !self.lane(lane).blocking.current().is_some_and(is_ready) {
            return;
        }
        if state.lanes[lane].reading && !std::mem::replace(&mut state.lanes[lane].outdated, true) {
            self.end_read(lane);
        }
    }

    /// Ends the read under way without losing entries: CLIENT UNBLOCK goes over the shared connection, and the reply
    /// of the read is awaited as usual.
    pub(crate) fn end_read(&self, lane: usize) {
        let this = self.this.clone();
        self.node_set.context().tasks.spawn(async move {
            let deadline = tokio::time::Instant::now() + MAX_UNBLOCK_TIME;
            loop {
                let Some(consumer) = this.upgrade() else { return };
                if !consumer.lock().is_ending_a_read(lane) {
                    return;
                }
                let asked = timeout(
                    UNBLOCK_INTERVAL.max(deadline - tokio::time::Instant::now()),
                    consumer.unblock(lane),
                )
                .await;
                if !consumer.lock().is_ending_a_read(lane) {
                    return;
                }
                if tokio::time::Instant::now() >= deadline || asked == Ok(Unblock::Impossible) {
                    // The connection does not answer any more, or was never established.
                    consumer.lane(lane).blocking.close();
                    return;
                }
                if asked == Ok(Unblock::Refused) {
                    // The server does not allow it: the read ends by itself, after `blockTimeout`.
                    return;
                }
                drop(consumer);
                tokio::time::sleep(UNBLOCK_INTERVAL).await;
            }
        });
    }

    async fn unblock(&self, lane: usize) -> Unblock {
        let blocking = &self.lane(lane).blocking;
        let Some(link) = blocking.current().filter(|link| link.state() == LinkState::Ready) else {
            return Unblock::Impossible;
        };
        let session = blocking.session();
        let id = self.lock().lanes[lane].client_id.filter(|(of, _)| *of == session).map(|(_, id)| id);
        let Some(id) = id else { return Unblock::Asked };
        // An id is valid on one server, so the request goes to the server of the reader connection.
        let asked = self
            .shared(lane)
            .call_on(&link.node(), |commands, to| {
                commands.begin("CLIENT", 3).arg(b"UNBLOCK").arg(id.to_string().as_bytes()).end(to);
            })
            .await;
        match asked {
            Err(error) if error.reply_code() == Some("NOPERM") => Unblock::Refused,
            _ => Unblock::Asked,
        }
    }
}

impl ConsumerState {
    fn is_ending_a_read(&self, lane: usize) -> bool {
        self.lanes[lane].reading && (self.lanes[lane].outdated || self.phase != Phase::Playing)
    }
}

/// Result of a request to end a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unblock {
    /// The server was asked, or the connection's id is not known yet. A read that goes on needs another request.
    Asked,
    /// The server does not allow it.
    Refused,
    /// No connection can have a read under way.
    Impossible,
}
