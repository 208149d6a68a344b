//! The consumer's reads: one at a time per node, on a connection of its own, armed again whenever there is room.

use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::ReplySink;
use crate::redis_io::resp::{Cursor, Reply};
use crate::redis_io::streams::commands::Read;
use crate::redis_io::streams::entry::{Entry, EntryId, Item, read_streams};

use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::buffer::Surplus;
use crate::engine::consumer::state::in_flight::Delivery;
use crate::engine::consumer::state::stream::Position;
use crate::engine::consumer::{Consumer, Reads};
use crate::engine::host::job_token::JobToken;
use crate::engine::host::{Event, Failure, Host};
use crate::engine::nodes::reply_router::ReplyHandler;
use crate::engine::protocol::job_id::new_id;

/// The ticket of a CLIENT ID.
const CLIENT_ID: u8 = 0;
/// The ticket of a read.
const READ: u8 = 1;

/// The sink of one of a consumer's blocking connections.
pub struct Reader {
    consumer: Weak<Consumer>,
    lane: usize,
    host: Arc<dyn Host>,
}

impl Reader {
    /// Hands the replies of a lane to `consumer`.
    pub fn new(consumer: Weak<Consumer>, lane: usize, host: Arc<dyn Host>) -> Self {
        Self { consumer, lane, host }
    }
}

impl ReplySink for Reader {
    fn reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        let Some(consumer) = self.consumer.upgrade() else { return };
        match (ticket.kind, outcome) {
            (CLIENT_ID, Ok(Reply::Integer(id))) => {
                let session = consumer.lane(self.lane).blocking.session();
                consumer.lock().lanes[self.lane].client_id = Some((session, id));
            }
            (READ, outcome) => consumer.read_answered(self.lane, outcome),
            // Without a CLIENT ID a pause waits for the read to end by itself.
            (CLIENT_ID, _) => {}
            (_, outcome) => consumer.on_reply(ticket, outcome),
        }
    }

    fn burst_end(&self) {
        self.host.wake();
    }
}

/// What one reply brought.
#[derive(Default)]
struct Harvest {
    started: Vec<(u32, JobToken)>,
    deleted: Vec<(u32, EntryId)>,
    foreign: Option<RedisError>,
}

impl Consumer {
    /// Packs the next reads, as far as there is room for what they may bring.
    pub(crate) fn arm(&self, state: &mut ConsumerState, reads: &mut Reads) {
        for lane in 0..state.lanes.len() {
            if let Some(count) = state.next_count(lane, self.options.concurrency) {
                reads.push((lane, self.pack_read(state, lane, count)));
            }
        }
    }

    fn pack_read(&self, state: &mut ConsumerState, lane: usize, count: usize) -> Commands {
        let mut commands = Commands::default();
        let session = self.lanes()[lane].blocking.session();
        if state.lanes[lane].client_id_asked != Some(session) {
            state.lanes[lane].client_id_asked = Some(session);
            commands.begin("CLIENT", 2).arg(b"ID");
            commands.end_once(Destination::Sink(ReplyTag { kind: CLIENT_ID, index: 0, id: 0 }));
        }
        if self.is_importing(lane) {
            commands.begin("ASKING", 1).end_once(Destination::Nowhere);
        }
        let mut active: Vec<(&str, &str)> =
            state.active_streams(lane).map(|stream| (stream.key.as_str(), stream.position_text())).collect();
        // The first stream named is served first, so each gets its turn.
        let length = active.len();
        active.rotate_left(state.lanes[lane].rotation % length);
        let history = active.iter().any(|(_, position)| *position != ">");
        let read = Read {
            group: &self.group,
            consumer: &self.options.id,
            count: count as u64,
            block: if history { None } else { Some(self.block_ms()) },
        };
        read.pack(
            &mut commands,
            active.iter().copied(),
            Destination::Sink(ReplyTag { kind: READ, index: 0, id: 0 }),
        );
        let asked = count * active.len();
        let lane = &mut state.lanes[lane];
        lane.rotation = lane.rotation.wrapping_add(1);
        lane.reading = true;
        lane.asked = asked;
        lane.outdated = false;
        commands
    }

    /// Whether the node is to read what it does not have for good yet.
    fn is_importing(&self, lane: usize) -> bool {
        let Some(slot) = self.lanes()[lane].slot else { return false };
        self.node(lane).topology().is_some_and(|topology| topology.is_importing(slot))
    }

    fn block_ms(&self) -> u64 {
        // BLOCK 0 would wait for ever.
        (self.options.longest_read().as_millis() as u64).max(1)
    }

    fn read_answered(&self, lane: usize, outcome: Result<Reply<'_>, RedisError>) {
        let mut reads = Reads::new();
        let mut harvest = Harvest::default();
        let mut failed = None;
        let quiet = {
            let mut state = self.lock();
            state.lanes[lane].reading = false;
            let read = match outcome {
                Ok(Reply::Array(entries)) => {
                    state.lanes[lane].busy = true;
                    state.backlog.read();
                    self.harvest(&mut state, lane, entries, &mut harvest)
                }
                Ok(_) => {
                    state.lanes[lane].busy = false;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            self.hand_over(&state, &harvest.started);
            match read {
                Ok(()) => {
                    state.lanes[lane].backoff.reset();
                    state.lanes[lane].complaint = None;
                    state.show_presence(lane, self.presence_interval(), Instant::now());
                }
                Err(error) => failed = self.read_failed(&mut state, lane, error),
            }
            self.arm(&mut state, &mut reads);
            state.quiet_waiters()
        };
        self.submit_reads(reads);
        self.drop_deleted(lane, &harvest.deleted);
        for error in harvest.foreign.iter() {
            self.complain(Failure::Foreign, error);
        }
        for error in failed.iter() {
            self.complain(Failure::Consume, error);
        }
        for waiter in quiet {
            // Who waited may have given up meanwhile.
            let _ = waiter.send(());
        }
    }

    /// Takes slots for entries, in order; the ones for which there is none wait.
    fn harvest(
        &self,
        state: &mut ConsumerState,
        lane: usize,
        reply: Cursor<'_>,
        harvest: &mut Harvest,
    ) -> Result<(), RedisError> {
        let now = Instant::now();
        self.stir(state);
        let mut current: Option<u32> = None;
        let read = read_streams(reply, |item| match item {
            Item::Stream(key, entries) => {
                let mut streams = state.streams.iter();
                let read = streams.position(|stream| stream.lane == lane && stream.key.as_bytes() == key);
                current = read.map(|at| at as u32);
                if let Some(stream) = current.filter(|_| entries == 0) {
                    // The end of the history.
                    state.streams[stream as usize].position = Position::New;
                }
            }
            Item::Entry(entry) => {
                if let Some(stream) = current {
                    self.take_entry(state, stream, entry, now, harvest);
                }
            }
        });
        self.start_timer(state);
        self.start_leasing(state);
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
        now: Instant,
        harvest: &mut Harvest,
    ) {
        let at = &mut state.streams[stream as usize];
        let from_history = at.position != Position::New;
        if from_history {
            at.position = Position::History(entry.id.to_string());
        }
        at.last_seen.get_or_insert_default().see(entry.id, entry.job);
        at.losses.receive(entry.id);
        at.is_member = true;
        if entry.deleted {
            harvest.deleted.push((stream, entry.id));
            return;
        }
        if from_history && state.holds(stream, entry.id) {
            return;
        }
        let made_up;
        let job = match entry.job.map(std::str::from_utf8) {
            Some(Ok(job)) => job,
            None => {
                made_up = new_id();
                made_up.as_str()
            }
            Some(Err(_)) => return self.pass_over(state, stream, entry, harvest),
        };
        let Ok(producer) = std::str::from_utf8(entry.producer.unwrap_or_default()) else {
            return self.pass_over(state, stream, entry, harvest);
        };
        // Reading the history counts as a delivery too, but not how many there were before.
        let deliveries = if from_history { 0 } else { 1 };
        let (entry, record, headers) = (entry.id, entry.record, entry.headers);
        let delivery = Delivery { stream, entry, producer, job, record, headers, deliveries, at: now };
        harvest.started.extend(self.run_or_keep(state, delivery).map(|token| (stream, token)));
    }

    /// Takes a slot for a delivery, or keeps it until there is one.
    pub(crate) fn run_or_keep(&self, state: &mut ConsumerState, delivery: Delivery<'_>) -> Option<JobToken> {
        if state.free(self.options.concurrency) == 0 || !state.surplus.is_empty() {
            state.surplus.push_back(Surplus::new(delivery));
            return None;
        }
        let deadline = state.deadline(delivery.stream, delivery.at);
        state.counts.start(delivery.deliveries);
        Some(state.slots.take(delivery, deadline))
    }

    /// An entry that is no job of ours stays pending, where whoever looks for it finds it; the first one is
    /// reported.
    fn pass_over(&self, state: &mut ConsumerState, stream: u32, entry: Entry<'_>, harvest: &mut Harvest) {
        state.foreign += 1;
        if state.foreign == 1 {
            let name = &state.streams[stream as usize].options.name;
            let message = format!("Entry {} of stream {name} is not a job of this bus.", entry.id);
            let lane = state.streams[stream as usize].lane;
            harvest.foreign = Some(self.error(lane, RedisErrorKind::Protocol, "XREADGROUP", &message));
        }
    }

    /// Starts entries that wait for a slot, as far as slots are free.
    pub(crate) fn start_surplus(&self, state: &mut ConsumerState) {
        if state.surplus.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut started = Vec::new();
        while state.free(self.options.concurrency) > 0 {
            let Some(next) = state.surplus.pop_front() else { break };
            let deadline = state.deadline(next.stream, now);
            state.counts.start(next.deliveries);
            let token = state.slots.take(next.delivery(), deadline);
            started.push((next.stream, token));
        }
        self.start_timer(state);
        self.hand_over(state, &started);
    }

    /// Has jobs begin, stream by stream.
    pub(crate) fn hand_over(&self, state: &ConsumerState, started: &[(u32, JobToken)]) {
        for run in started.chunk_by(|(left, _), (right, _)| left == right) {
            if state.streams[run[0].0 as usize].options.prefetch.is_empty() {
                self.begin(state, run);
            } else {
                self.begin_with_payloads(state, run);
            }
        }
    }

    /// Tells the host of jobs of one stream.
    pub(crate) fn begin(&self, state: &ConsumerState, run: &[(u32, JobToken)]) {
        let Some(&(stream, _)) = run.first() else { return };
        let mut jobs = run
            .iter()
            .filter_map(|&(_, token)| state.slots.job(token).map(|slot| (token, slot.job.as_str())));
        let host = &self.node_set.context().host;
        for &(_, token) in run {
            if let Some(headers) = state.slots.job(token).and_then(|slot| slot.headers.as_deref()) {
                host.event(Event::Headers { consumer: self.number, token, headers });
            }
        }
        host.jobs(self.number, state.streams[stream as usize].number, &mut jobs);
    }

    /// Entries that were deleted while pending have nothing to run; acknowledging them ends their story.
    fn drop_deleted(&self, lane: usize, deleted: &[(u32, EntryId)]) {
        for run in deleted.chunk_by(|(left, _), (right, _)| left == right) {
            let stream = run[0].0 as usize;
            let key = self.lock().streams[stream].key.clone();
            let ids: Vec<EntryId> = run.iter().map(|(_, id)| *id).collect();
            self.acknowledge_trimmed(stream, lane, &key, &ids);
        }
    }

    pub(crate) fn error(
        &self,
        lane: usize,
        kind: RedisErrorKind,
        command: &'static str,
        message: &str,
    ) -> RedisError {
        let node = self.lane(lane).blocking.current().map(|link| link.node()).unwrap_or_default();
        RedisError::local(kind, message, &node).of(command)
    }
}
