//! Start of a consumer: its groups, its first reads and its claim task.

use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::host::Failure;
use crate::engine::nodes::schedule_watches::ScheduleUser;

/// Maximum wait for slow nodes once one node is ready.
const SLOW_NODE_WAIT: Duration = Duration::from_secs(1);

impl ScheduleUser for Consumer {
    fn is_active(&self) -> bool {
        self.lock().phase == Phase::Playing
    }

    fn report(&self, error: &RedisError) {
        self.report_error(Failure::Consume, error);
    }
}

impl Consumer {
    /// Creates missing groups, then reads. Resolves once the first read is under way. Of several nodes, slow ones are
    /// read as soon as they answer. A pause in between prevents the reads; a stop prevents them with an error.
    pub async fn play(self: Arc<Self>) -> Result<(), RedisError> {
        let (known, mut lanes, stops) = {
            let state = self.lock();
            let lanes = state.streams.iter().map(|stream| stream.lane).collect::<Vec<usize>>();
            (state.streams.len(), lanes, state.stop_counts)
        };
        lanes.sort_unstable();
        lanes.dedup();
        let late = self.clone().prepare(lanes, known).await?;
        {
            let mut state = loop {
                // Made before the state is read, so that an end in between is not missed.
                let left = self.left.notified();
                if let Some(state) = self.unless_leaving() {
                    break state;
                }
                left.await;
            };
            if state.stop_counts.disconnects != stops.disconnects {
                return Err(RedisError::closed().of("XGROUP"));
            }
            if state.stop_counts != stops {
                return Ok(());
            }
            let ConsumerState { phase, disconnected, streams, lanes, limits, .. } = &mut *state;
            (*phase, *disconnected) = (Phase::Playing, false);
            limits.resume();
            for stream in &mut streams[..known] {
                lanes[stream.lane].outdated |= !stream.active;
                stream.active = true;
            }
            for lane in (0..lanes.len()).filter(|&lane| lanes[lane].reading && lanes[lane].outdated) {
                self.end_read(lane);
            }
            for &lane in &late {
                lanes[lane].recovering = true;
                if !std::mem::replace(&mut lanes[lane].catching_up, true) {
                    self.node_set.context().tasks.spawn(catch_up(self.this.clone(), lane));
                }
            }
            self.start_claiming(&mut state);
            self.start_retention(&mut state);
            self.start_owning(&mut state);
        }
        self.follow_delayed_sends();
        self.step();
        Ok(())
    }

    /// Watches the delayed sends of the streams.
    fn follow_delayed_sends(self: &Arc<Self>) {
        let streams: Vec<(usize, String)> = {
            let state = self.lock();
            state.streams.iter().map(|stream| (stream.node, stream.options.name.clone())).collect()
        };
        let user: Weak<dyn ScheduleUser> = self.this.clone();
        for (node, stream) in streams {
            self.node_set.follow_delayed(node, &stream, user.clone());
        }
    }

    /// Returns the state, unless the consumer's name is being removed from its groups.
    fn unless_leaving(&self) -> Option<MutexGuard<'_, ConsumerState>> {
        Some(self.lock()).filter(|state| !state.leaving_groups)
    }

    /// Prepares lanes in parallel, and returns the slow ones.
    async fn prepare(self: Arc<Self>, lanes: Vec<usize>, known: usize) -> Result<Vec<usize>, RedisError> {
        if let [only] = lanes[..] {
            self.prepare_lane(only, known).await?;
            return Ok(Vec::new());
        }
        let mut tasks = JoinSet::new();
        for &lane in &lanes {
            let consumer = self.clone();
            let prepared = async move { (lane, consumer.prepare_lane(lane, known).await) };
            tasks.spawn(self.node_set.context().tasks.counted(prepared));
        }
        let (mut late, mut failure, mut patience) = (lanes, None, None);
        loop {
            let next = match patience {
                Some(until) => timeout_at(until, tasks.join_next()).await.ok().flatten(),
                None => tasks.join_next().await,
            };
            let Some(Ok((lane, outcome))) = next else { break };
            match outcome {
                Ok(()) => {
                    patience.get_or_insert_with(|| Instant::now() + SLOW_NODE_WAIT);
                    late.retain(|&other| other != lane);
                }
                // A refusal is final.
                Err(error) if error.kind == RedisErrorKind::Reply => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) if patience.is_none() => Err(error),
            _ => Ok(late),
        }
    }

    /// Creates the groups of one lane's streams among the first `known` streams.
    async fn prepare_lane(&self, lane: usize, known: usize) -> Result<(), RedisError> {
        for at in 0..known {
            let (is_due, key, options) = {
                let stream = &self.lock().streams[at];
                let is_due = stream.lane == lane && !stream.is_prepared;
                (is_due, stream.key.clone(), stream.options.clone())
            };
            if is_due {
                let created = self.create_inspected(at, lane, &key, &options.from_id).await;
                let is_new = self.begin_group(lane, &key, &options, created).await?;
                if is_new {
                    self.lock().streams[at].begin_new_group();
                }
                let tail = self
                    .inspect_before_read(at, lane, &key)
                    .await
                    .ok()
                    .and_then(|reply| read_last_id(&reply));
                let stream = &mut self.lock().streams[at];
                stream.set_tail(tail, is_new);
                stream.is_prepared = options.is_partition;
            }
        }
        Ok(())
    }
}

/// Reads the id of a stream's last entry, if it has one.
fn read_last_id(entries: &Value) -> Option<EntryId> {
    let Value::Array(entries) = entries else { return None };
    let Value::Array(entry) = entries.first()? else { return None };
    EntryId::parse(entry.first()?.bytes()?)
}

/// Prepares a lane with a slow node, until it can be read. One task per lane, also across pauses.
async fn catch_up(consumer: Weak<Consumer>, lane: usize) {
    loop {
        let Some(consumer) = consumer.upgrade() else { return };
        let known = consumer.lock().known();
        let prepared = consumer.prepare_lane(lane, known).await;
        let wait = {
            let mut state = consumer.lock();
            let news =
                prepared.as_ref().is_err_and(|error| state.lanes[lane].is_news(&format!("{:?}", error.kind)));
            let wait = state.lanes[lane].backoff.next_wait();
            let ends = prepared.is_ok() && state.known() == known || state.phase != Phase::Playing;
            state.lanes[lane].recovering = !ends;
            state.lanes[lane].catching_up = !ends;
            drop(state);
            match prepared {
                Err(error) if news && !ends => consumer.report_error(Failure::Consume, &error),
                _ => {}
            }
            (!ends).then_some(wait)
        };
        let Some(wait) = wait else { return consumer.step() };
        drop(consumer);
        tokio::time::sleep(wait).await;
    }
}
