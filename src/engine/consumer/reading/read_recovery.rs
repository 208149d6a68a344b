//! Recovery from a failed read: a back-off, new groups, or another node.

use std::time::Duration;

use crate::redis_io::cluster::redirect::Redirect;
use crate::redis_io::error::{RedisError, RedisErrorKind};

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::host::Failure;

/// Maximum wait for an error that passes by itself.
const SHORT_WAIT: Duration = Duration::from_millis(200);

/// Chance of a failed read on another node of a Cluster.
enum Elsewhere {
    /// On the node of the new connection.
    Now,
    /// After a while.
    Soon,
    /// No, or it is no Cluster.
    No,
}

impl Consumer {
    /// Starts the recovery from a failed read, and returns the error if it must be reported.
    pub(crate) fn read_failed(
        &self,
        state: &mut ConsumerState,
        lane: usize,
        error: RedisError,
    ) -> Option<RedisError> {
        let code = error.reply_code().unwrap_or_default().to_owned();
        match error.kind {
            // The next read waits for the new connection.
            RedisErrorKind::Dropped => {
                // The CLIENT ID of the next session is not known.
                state.lanes[lane].client_id_asked = None;
                state.reread_history(lane, self.options.fresh_id);
                let is_loss = state.phase == Phase::Playing && !self.has_moved(lane, &error);
                return (is_loss && state.lanes[lane].is_news("lost")).then_some(error);
            }
            RedisErrorKind::MaxRetries => return Some(error),
            // A pause gives up a read that does not end, and Redis can carry it out later.
            RedisErrorKind::Closed => state.reread_history(lane, self.options.fresh_id),
            _ => {}
        }
        if state.phase != Phase::Playing {
            return None;
        }
        match self.elsewhere(lane, &error) {
            Elsewhere::Now => {
                state.lanes[lane].client_id_asked = None;
                return None;
            }
            Elsewhere::Soon if !state.lanes[lane].backoff.is_lasting() => {
                self.recover(state, lane, SHORT_WAIT, None);
                return None;
            }
            _ => {}
        }
        let news = state.lanes[lane].is_news(&format!("{:?} {code}", error.kind));
        let (told, remade) = if code == "NOGROUP" { (None, Some(error)) } else { (Some(error), None) };
        self.recover(state, lane, Duration::MAX, remade.map(|error| (error, news)));
        told.filter(|_| news)
    }

    /// Returns true if the lane left the node of `error`, which does not serve its streams any more.
    fn has_moved(&self, lane: usize, error: &RedisError) -> bool {
        let topology = self.node(lane).topology();
        topology.is_some_and(|topology| !topology.is_right(self.lanes()[lane].slot, &error.node))
    }

    /// Classifies an error that passes by itself: the streams are on another node of a Cluster, or migrate.
    fn elsewhere(&self, lane: usize, error: &RedisError) -> Elsewhere {
        if error.reply_code() == Some("UNBLOCKED") {
            return Elsewhere::Soon;
        }
        let (Some(topology), at) = (self.node(lane).topology(), self.lane(lane)) else {
            return Elsewhere::No;
        };
        match Redirect::read(error, &error.node) {
            Some(Redirect::Moved(slot, to)) => topology.moved(slot, &topology.reachable(to)),
            Some(Redirect::Ask(slot, to)) => topology.importing(slot, &topology.reachable(to)),
            Some(Redirect::TryAgain | Redirect::Down) => {
                topology.refresh();
                return Elsewhere::Soon;
            }
            None => return Elsewhere::No,
        }
        if let Some(link) = at.blocking.current() {
            link.reset();
        }
        Elsewhere::Now
    }

    /// Reads again after a back-off of `most` at most. With `missing`, the groups are created again; the error is
    /// reported only if one was created and the error is news. In a Cluster the stream can have been in migration.
    fn recover(
        &self,
        state: &mut ConsumerState,
        lane: usize,
        most: Duration,
        missing: Option<(RedisError, bool)>,
    ) {
        state.lanes[lane].recovering = true;
        let wait = state.lanes[lane].backoff.next_wait().min(most);
        let this = self.this.clone();
        self.node_set.context().tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            let Some(consumer) = this.upgrade() else { return };
            let playing = consumer.lock().phase == Phase::Playing;
            if let Some((error, news)) = missing.filter(|_| playing) {
                let remade = consumer.remake_groups(lane).await;
                if news && remade != Ok(false) {
                    consumer.report_error(Failure::Consume, &error);
                }
            }
            consumer.lock().lanes[lane].recovering = false;
            consumer.step();
        });
    }
}
