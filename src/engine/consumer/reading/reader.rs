//! Replies to the reads of a consumer: entries become jobs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::command::ReplyTag;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::ReplySink;
use crate::redis_io::resp::{Cursor, Reply};
use crate::redis_io::streams::entry::{Entry, EntryId, Item, read_streams};
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::in_flight::Delivery;
use crate::engine::consumer::state::stream::Position;
use crate::engine::consumer::turn::Started;
use crate::engine::consumer::turn::hand_back::HandBack;
use crate::engine::consumer::turn::read_command::{CLIENT_ID, READ};
use crate::engine::consumer::turn::wakeups::notify_idle;
use crate::engine::host::{Failure, Host};
use crate::engine::nodes::reply_router::ReplyHandler;
use crate::engine::protocol::job_id::new_id;

/// Number of reads within `removeIdle` that show Redis that the consumer lives.
const PRESENCE_READS: u32 = 3;
/// Four times the maximum delay of the reply to a read that counts as in time.
const MAX_READ_DELAY: Duration = Duration::from_secs(4);
/// Maximum time between two such reads.
const MAX_PRESENCE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Sink of one reader connection.
pub struct ReaderSink {
    consumer: Weak<Consumer>,
    lane: usize,
    host: Arc<dyn Host>,
}

impl ReaderSink {
    /// Creates the sink of a lane of `consumer`.
    pub fn new(consumer: Weak<Consumer>, lane: usize, host: Arc<dyn Host>) -> Self {
        Self { consumer, lane, host }
    }
}

impl ReplySink for ReaderSink {
    fn reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        let Some(consumer) = self.consumer.upgrade() else { return };
        match (ticket.kind, outcome) {
            (CLIENT_ID, Ok(Reply::Integer(id))) => {
                let session = consumer.lane(self.lane).blocking.session();
                consumer.lock().lanes[self.lane].client_id = Some((session, id));
            }
            (READ, outcome) => consumer.read_answered(self.lane, outcome),
            // The next read asks again.
            (CLIENT_ID, Err(error)) if error.is_passing() => {
                consumer.lock().lanes[self.lane].client_id_asked = None;
            }
            // Without a CLIENT ID a pause waits for the end of the read.
            (CLIENT_ID, _) => {}
            (_, outcome) => consumer.on_reply(ticket, outcome),
        }
    }

    fn burst_end(&self) {
        self.host.wake();
    }
}

/// Result of one reply.
#[derive(Default)]
struct ReadBatch {
    /// Number of slots for its entries.
    free: usize,
    /// Number of slots for the other streams while those of a limited stream are read, which start later, with a permit.
    put_aside: Option<usize>,
    started: Started,
    deleted: Vec<(u32, EntryId)>,
    /// Entries of partitions that leave.
    returned: HandBack,
    foreign: Option<RedisError>,
}

impl ReadBatch {
    /// Sets the slots for the entries of the next stream.
    fn choose_slots(&mut self, is_limited: bool) {
        match (is_limited, self.put_aside) {
            (true, None) => self.put_aside = Some(std::mem::take(&mut self.free)),
            (false, Some(free)) => (self.free, self.put_aside) = (free, None),
            _ => {}
        }
    }
}

impl Consumer {
    fn read_answered(&self, lane: usize, outcome: Result<Reply<'_>, RedisError>) {
        let mut batch = ReadBatch::default();
        let mut failed = None;
        let (reads, idle_waiters) = {
            let mut state = self.lock();
            state.lanes[lane].reading = false;
            let read = match outcome {
                Ok(Reply::Array(entries)) => {
                    state.lanes[lane].busy = true;
                    self.process_entries(&mut state, lane, entries, &mut batch)
                }
                Ok(_) => {
                    state.lanes[lane].busy = false;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if !batch.returned.is_empty() {
                drop(self.send_hand_back(&state, std::mem::take(&mut batch.returned)));
            }
            if std::mem::take(&mut state.lanes[lane].reads_history) {
                let of_lane = state.streams.iter_mut().filter(|stream| stream.lane == lane);
                of_lane.for_each(|stream| stream.left.clear());
            }
            match read {
                Ok(()) => {
                    state.lanes[lane].backoff.reset();
                    state.lanes[lane].last_failure = None;
                    state.show_presence(lane, self.presence_interval(), Instant::now());
                }
                Err(error) => failed = self.read_failed(&mut state, lane, error),
            }
            let reads = self.advance(&mut state, &batch.started);
            (reads, state.take_idle_waiters())
        };
        self.submit_reads(reads);
        self.drop_deleted(lane, &batch.deleted);
        for error in batch.foreign.iter() {
            self.report_error(Failure::Foreign, error);
        }
        for error in failed.iter() {
            self.report_error(Failure::Consume, error);
        }
        notify_idle(idle_waiters);
    }

    /// Returns the time between two reads that show Redis that the consumer lives.
    fn presence_interval(&self) -> Duration {
        let interval = |limit: Duration| (limit / PRESENCE_READS).min(MAX_PRESENCE_INTERVAL);
        self.options.remove_idle.map_or(MAX_PRESENCE_INTERVAL, interval)
    }

    /// Returns the time from which the leases of a read count: that of its reply, or that of its command if the reply is late.
    /// Then the process or the network stood still, and Redis can have delivered the entries long ago.
    fn delivered_at(&self, state: &ConsumerState, lane: usize, now: Instant) -> Instant {
        let limit = self.options.longest_read() + self.options.claim_deadline.min(MAX_READ_DELAY) / 4;
        let sent = state.lanes[lane].read_sent;
        sent.filter(|sent| now.saturating_duration_since(*sent) > limit).unwrap_or(now)
    }

    /// Takes slots for entries in order, and buffers the entries beyond the free slots.
    fn process_entries(
        &self,
        state: &mut ConsumerState,
        lane: usize,
        reply: Cursor<'_>,
        batch: &mut ReadBatch,
    ) -> Result<(), RedisError> {
        let now = Instant::now();
        let times = (self.delivered_at(state, lane, now), now);
        self.wake_claiming(state);
        let is_late = self.awaits_renewal(times.0, now);
        // With fair dispatch all entries wait for the choice among their keys. Another consumer can have claimed late ones.
        let is_buffered = state.fair.is_some() || is_late;
        batch.free = if is_buffered { 0 } else { state.startable(self.options.concurrency) };
        let mut current: Option<u32> = None;
        let read = read_streams(reply, |item| match item {
            Item::Stream(key, entries) => {
                let mut streams = state.streams.iter();
                let read = streams.position(|stream| stream.lane == lane && stream.key.as_bytes() == key);
                current = read.map(|at| at as u32);
                let is_limited = read.is_some_and(|at| state.streams[at].limit.is_some());
                batch.choose_slots(is_limited);
                if let Some(stream) = current.filter(|_| entries == 0) {
                    state.streams[stream as usize].end_history();
                }
            }
            Item::Entry(entry) => {
                let is_skipped = planted("entry without a slot is dropped") && batch.free == 0;
                if let Some(stream) = current.filter(|_| !is_skipped) {
                    self.take_entry(state, stream, entry, times, batch);
                }
            }
        });
        read.map_err(|_| {
            let message = "Redis sent no such reply as XREADGROUP has.";
            self.error(lane, RedisErrorKind::Protocol, "XREADGROUP", message)
        })
    }

    fn take_entry(
        &self,
        state: &mut ConsumerState,
        stream: u32,
        entry: Entry<'_>,
        (at, now): (Instant, Instant),
        batch: &mut ReadBatch,
    ) {
        if !state.is_taken(stream) {
            // The next owner takes it over.
            if state.returns(stream) && !entry.deleted {
                let is_new = state.streams[stream as usize].position == Position::New;
                batch.returned.add_unstarted(stream, entry.id, is_new);
            }
            return;
        }
        let known = &mut state.streams[stream as usize];
        let from_history = known.position != Position::New;
        if from_history {
            known.position = Position::History(entry.id.to_string());
        }
        // A new primary that lacks the last writes delivers entries again.
        let is_repeated = known.is_repeated(entry.id);
        known.last_seen.get_or_insert_default().see(entry.id, entry.job);
        known.trim_detector.receive(entry.id);
        known.is_member = true;
        if entry.deleted {
            batch.deleted.push((stream, entry.id));
            return;
        }
        let known = &state.streams[stream as usize];
        if from_history
            && (known.is_over(entry.id) || known.claimed.contains(&entry.id) || state.holds(stream, entry.id))
        {
            return;
        }
        if from_history && !state.streams[stream as usize].takes_of_history(entry.id) {
            return;
        }
        if is_repeated && state.holds_job(stream, entry.id, entry.job) {
            return;
        }
        let generated_id;
        let job = match entry.job.map(std::str::from_utf8) {
            Some(Ok(job)) => job,
            None => {
                generated_id = new_id();
                generated_id.as_str()
            }
            Some(Err(_)) => return self.skip_foreign(state, stream, entry, batch),
        };
        let Ok(producer) = std::str::from_utf8(entry.producer.unwrap_or_default()) else {
            return self.skip_foreign(state, stream, entry, batch);
        };
        let carried = entry.carried.as_ref();
        let history = &mut state.streams[stream as usize];
        let deliveries = if from_history { history.deliveries_of_history(entry.id) } else { 1 };
        let Entry { id: entry, record, is_sharded, headers, .. } = entry;
        let delivery =
            Delivery { stream, entry, producer, job, record, is_sharded, headers, carried, deliveries, at };
        let started = self.start_or_buffer(state, delivery, now, &mut batch.free);
        batch.started.extend(started.map(|token| (stream, token)));
    }

    /// Leaves a foreign entry pending and counts it. The first one is reported.
    fn skip_foreign(&self, state: &mut ConsumerState, stream: u32, entry: Entry<'_>, batch: &mut ReadBatch) {
        state.foreign += 1;
        if state.foreign == 1 {
            let name = &state.streams[stream as usize].options.name;
            let message = format!("Entry {} of stream {name} is not a job of this bus.", entry.id);
            let lane = state.streams[stream as usize].lane;
            batch.foreign = Some(self.error(lane, RedisErrorKind::Protocol, "XREADGROUP", &message));
        }
    }

    /// Acknowledges entries that were deleted while pending; they have nothing to run.
    fn drop_deleted(&self, lane: usize, deleted: &[(u32, EntryId)]) {
        for run in deleted.chunk_by(|(left, _), (right, _)| left == right) {
            let stream = run[0].0 as usize;
            let key = self.lock().streams[stream].key.clone();
            let ids: Vec<EntryId> = run.iter().map(|(_, id)| *id).collect();
            self.acknowledge_trimmed(stream, lane, &key, &ids);
            self.end_turns(stream, &ids);
        }
    }
}
