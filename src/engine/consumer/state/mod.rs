//! State of a consumer: its phase, its streams and lanes, its jobs in flight. Pure: no I/O.
//!
//! ```text
//! idle ──play──▶ playing ──pause──▶ pausing ──idle───▶ idle
//!                   ▲                  │
//!                   └───────play───────┘          any ──disconnect──▶ idle
//! ```

pub mod buffer;
pub mod claim_backlog;
pub mod clock_skew;
pub mod counts;
pub mod fair_dispatch;
pub mod group_position;
pub mod in_flight;
pub mod job_slot;
pub mod lane;
pub mod last_entry;
pub mod limits;
pub mod ownership;
pub mod payload_changes;
pub mod read_ahead;
pub mod read_size;
pub mod report_limit;
pub mod retry_queue;
pub mod settled_job;
pub mod settlement_batch;
pub mod stream;
pub mod trim_detector;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::error::RedisError;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::state::buffer::EntryBuffer;
use crate::engine::consumer::state::claim_backlog::ClaimBacklog;
use crate::engine::consumer::state::counts::Counts;
use crate::engine::consumer::state::fair_dispatch::dispatch::FairDispatch;
use crate::engine::consumer::state::in_flight::JobsInFlight;
use crate::engine::consumer::state::lane::LaneState;
use crate::engine::consumer::state::limits::Limits;
use crate::engine::consumer::state::ownership::{Ownership, OwnershipPhase};
use crate::engine::consumer::state::retry_queue::RetryQueue;
use crate::engine::consumer::state::settled_job::SettledJob;
use crate::engine::consumer::state::settlement_batch::SettlementBatch;
use crate::engine::consumer::state::stream::{Position, StreamState};
use crate::engine::host::job_token::JobToken;
use crate::engine::protocol::reply_tag::SettlementStep;

/// Phase of a consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reads nothing, runs nothing.
    #[default]
    Idle,
    /// Reads and runs.
    Playing,
    /// Reads nothing new; jobs in flight still run.
    Pausing,
    /// A stop hands everything back, and nothing starts any more.
    HandingBack,
}

/// Entry of a rejected job that is due later than `claimDeadline` from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedRetry {
    /// Index of the stream.
    pub stream: u32,
    /// The entry's id.
    pub entry: EntryId,
    /// Time of the next delivery.
    pub due: Instant,
    /// Start of the entry's current idle time, as far as known here.
    pub touched: Instant,
}

/// Number of pauses and disconnects, so that an operation detects one that came meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopCounts {
    /// Number of pauses.
    pub pauses: u64,
    /// Number of disconnects.
    pub disconnects: u64,
}

/// The state of a consumer.
#[derive(Debug, Default)]
pub struct ConsumerState {
    /// Current phase.
    pub phase: Phase,
    /// Streams in the order of their addition, each once per node.
    pub streams: Vec<StreamState>,
    /// The jobs in flight.
    pub jobs: JobsInFlight,
    /// Counters of jobs.
    pub counts: Counts,
    /// Buffered entries. With fair dispatch, the parked ones only.
    pub buffered: EntryBuffer,
    /// The others, with fair dispatch.
    pub fair: Option<Box<FairDispatch>>,
    /// Maximum number of buffered entries that reads ask for beyond the free slots.
    pub read_ahead: usize,
    /// True if a stream is ordered.
    pub is_ordered: bool,
    /// Rate limits of the streams.
    pub limits: Limits,
    /// True once an entry has stopped to be parked, until it can start.
    pub has_unparked: bool,
    /// True while the task that owns partitions runs.
    pub owning: bool,
    /// Current failure of that task by stream, so that it is reported once.
    pub ownership_failures: BTreeMap<String, String>,
    /// Ordered streams whose announcement failed, with the first success since then.
    pub announced_again: BTreeMap<String, Option<Instant>>,
    /// Number of commands under way that hand back buffered entries.
    pub handing_back: usize,
    /// The nodes it reads from.
    pub lanes: Vec<LaneState>,
    /// Number of free slots that are reserved for claims.
    pub reserved: usize,
    /// Number of claim intervals that have passed.
    pub claim_intervals: usize,
    /// True while claiming waits for longer than one interval.
    pub backed_off: bool,
    /// Number of entries that an XCLAIM under way can take over.
    pub claiming: usize,
    /// Streams with more candidates than free slots.
    pub claim_backlog: ClaimBacklog,
    /// Ends the claim task when dropped.
    pub claimer: Option<oneshot::Sender<()>>,
    /// Ends the retention task when dropped.
    pub retainer: Option<oneshot::Sender<()>>,
    /// Current failure of claiming, so that it is reported once.
    pub last_claim_failure: Option<String>,
    /// True once a refused inspection was reported.
    pub inspection_refused: bool,
    /// True while the task that renews leases runs.
    pub leasing: bool,
    /// Delayed retries of rejected jobs.
    pub delayed_retries: Vec<DelayedRetry>,
    /// Settlements without a reply, in the order of sending.
    pub batches: VecDeque<SettlementBatch>,
    /// The last batch's number.
    pub last_batch: u32,
    /// Settlements that Redis refused for the moment.
    pub retry_queue: RetryQueue,
    /// True once the commands of a transaction ran by themselves, since the user has no right to MULTI. A cut in the middle of
    /// them can leave an acknowledged entry without its completion.
    pub lacks_transactions: bool,
    /// Number of entries that are being dead-lettered.
    pub dead_lettering: usize,
    /// Waiters for an idle consumer.
    pub waiting: Vec<oneshot::Sender<()>>,
    /// Next time of the deadline timer, while there is one.
    pub timer: Option<Instant>,
    /// Number of foreign entries that were skipped.
    pub foreign: u64,
    /// True after a disconnect. A late settlement is then refused instead of ignored.
    pub disconnected: bool,
    /// Number of pauses and disconnects so far.
    pub stop_counts: StopCounts,
    /// True while the consumer's name is removed from its groups. With the name Redis forgets the entries that a read gets
    /// meanwhile.
    pub leaving_groups: bool,
}

impl ConsumerState {
    /// Returns the streams that a lane reads.
    pub fn active_streams(&self, lane: usize) -> impl Iterator<Item = &StreamState> {
        self.streams.iter().filter(move |stream| stream.lane == lane && stream.is_read())
    }

    /// Maximum time of the next read of a lane. A held partition counts also if its lease is too short for this read, since a read
    /// of the other streams would keep it from the one behind the renewal.
    pub fn longest_ordered_read(&self, lane: usize) -> Duration {
        let of_lane = self.streams.iter().filter(|stream| stream.active && stream.lane == lane);
        let held = of_lane
            .filter_map(|stream| stream.ownership.as_ref())
            .filter(|of| of.phase == OwnershipPhase::Held);
        held.map(Ownership::longest_read).min().unwrap_or(Duration::MAX)
    }

    /// Number of streams at the last `play()`.
    pub fn known(&self) -> usize {
        self.streams.iter().take_while(|stream| stream.active).count()
    }

    /// Notes that the commands of a transaction ran by themselves.
    pub fn note_untransacted(&mut self, batch: u32, step: SettlementStep) {
        self.lacks_transactions = true;
        if let Some(batch) = self.batches.iter_mut().find(|known| known.number == batch) {
            batch.note_untransacted(step);
        }
    }

    /// Notes whether the entry of a settled job is still pending, or the reason why Redis did not say.
    pub fn note_pending(&mut self, batch: u32, at: usize, is_pending: Result<bool, RedisError>) {
        if let Some(batch) = self.batches.iter_mut().find(|known| known.number == batch) {
            batch.note_pending(at, is_pending);
        }
    }

    /// Returns true if a read of any lane has no reply yet.
    pub fn is_reading(&self) -> bool {
        self.lanes.iter().any(|lane| lane.reading)
    }

    /// Returns true if nothing is in flight or buffered, and no read can bring an entry.
    pub fn is_idle(&self) -> bool {
        !self.is_reading() && self.has_ended()
    }

    /// Returns true if nothing is in flight, buffered, being claimed, handed back or dead-lettered.
    fn has_ended(&self) -> bool {
        self.claiming == 0
            && self.handing_back == 0
            && self.dead_lettering == 0
            && self.buffered_count() == 0
            && self.jobs.in_flight() == 0
    }

    /// Notes that the jobs of entries end. A read of a history that is under way can still have the entries.
    pub fn note_ends(&mut self, tokens: impl Iterator<Item = JobToken>) {
        if !self.lanes.iter().any(|lane| lane.reads_history) {
            return;
        }
        for token in tokens {
            let Some(slot) = self.jobs.job(token) else { continue };
            let (stream, entry) = (&mut self.streams[slot.stream as usize], slot.entry);
            if self.lanes[stream.lane].reads_history {
                stream.left.insert(entry);
            }
        }
    }

    /// Returns true if the next delivery of an entry waits for a back-off.
    pub fn delays(&self, stream: u32, entry: EntryId) -> bool {
        let mut retries = self.delayed_retries.iter();
        retries.any(|retry| retry.stream == stream && retry.entry == entry && retry.due > Instant::now())
    }

    /// Deadline of a job that starts now.
    pub fn deadline(&self, stream: u32, now: Instant) -> Option<Instant> {
        let limit: Duration = self.streams.get(stream as usize)?.options.deadline?;
        now.checked_add(limit)
    }

    /// Reads the history behind the last known id after a lost read, which can have received entries. Entries that were claimed
    /// are known too: those that failed wait for their next claim. A consumer whose id existed before cannot distinguish lost
    /// entries from older failures until it has seen an id.
    pub fn reread_history(&mut self, lane: usize, fresh_id: bool) {
        if planted("lost read is forgotten") {
            return;
        }
        let of_lane = self.streams.iter_mut().filter(|stream| stream.active && stream.lane == lane);
        for stream in of_lane.filter(|stream| stream.position == Position::New) {
            if stream.last_seen.is_some() || fresh_id {
                let known = stream.last_known();
                stream.position =
                    Position::History(known.map_or_else(|| "0".to_owned(), |id| id.to_string()));
            }
        }
    }

    /// Notes an entry that this consumer has claimed, so that it is none of a lost read.
    pub fn note_claim(&mut self, stream: u32, entry: EntryId) {
        let stream = &mut self.streams[stream as usize];
        stream.note_claim(entry, self.lanes[stream.lane].reading);
    }

    /// Notes the reply to a read of a lane. Before Redis 7.2 a consumer without new entries counts as idle, however
    /// often it reads. A read behind the last known id, every so often, shows Redis that it lives.
    pub fn show_presence(&mut self, lane: usize, every: Duration, now: Instant) {
        let shown = *self.lanes[lane].shown.get_or_insert(now);
        if now.saturating_duration_since(shown) >= every {
            self.lanes[lane].shown = Some(now);
            self.reread_history(lane, false);
        }
    }

    /// Notes the last reply of a node to a batch. Returns the jobs of the batch after its last node.
    pub fn take_answered(&mut self, number: u32) -> Option<Vec<SettledJob>> {
        // Batches are mostly answered in the order of sending, so this is the first one.
        let at = self.batches.iter().position(|batch| batch.number == number)?;
        self.batches[at].unanswered -= 1;
        if self.batches[at].unanswered > 0 {
            return None;
        }
        self.batches.remove(at).map(|batch| batch.jobs)
    }

    /// Takes the waiters for an idle consumer if it is idle, and ends its pausing phase.
    pub fn take_idle_waiters(&mut self) -> Vec<oneshot::Sender<()>> {
        if !self.has_ended() || (self.phase != Phase::Playing && self.is_reading()) {
            return Vec::new();
        }
        if self.phase == Phase::Pausing {
            self.phase = Phase::Idle;
        }
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engine::consumer::state::in_flight::Delivery;
    use crate::engine::consumer::state::stream::StreamPlace;
    use crate::engine::options::consumer::{OrderOptions, ReadFrom, StreamOptions};

    fn stream(active: bool) -> StreamState {
        let options = StreamOptions {
            name: "s".to_owned(),
            stream: "s".to_owned(),
            is_partition: false,
            order: None,
            fair: None,
            limit: None,
            read_from: ReadFrom::New,
            from_id: "$".to_owned(),
            set_id: false,
            deadline: None,
            prefetch: Default::default(),
        };
        let place = StreamPlace { key: "hfxbus:str:s".to_owned(), ..StreamPlace::default() };
        StreamState { active, ..StreamState::new(place, options) }
    }

    /// State of a consumer that plays `streams` streams of one lane.
    pub(crate) fn playing(streams: usize) -> ConsumerState {
        let streams = (0..streams).map(|_| stream(true)).collect();
        ConsumerState {
            phase: Phase::Playing,
            streams,
            lanes: vec![LaneState::default()],
            ..ConsumerState::default()
        }
    }

    #[test]
    fn a_read_is_short_while_a_held_partition_awaits_its_renewal() {
        let (mut state, lease, now) = (playing(2), Duration::from_secs(1), Instant::now());
        assert_eq!(state.longest_ordered_read(0), Duration::MAX);
        let order = Some(OrderOptions { stream: "s".to_owned(), lease });
        let options = state.streams[1].options.clone();
        state.streams[1].change_options(StreamOptions { order, ..options });
        state.is_ordered = true;
        assert_eq!(state.longest_ordered_read(0), Duration::MAX, "another consumer has it");
        state.own(1, 1, now + lease / 2);
        state.streams[1].ownership.as_mut().expect("is ordered").phase = OwnershipPhase::Held;
        assert_eq!(state.active_streams(0).count(), 1, "its lease does not outlast a read");
        assert_eq!(state.longest_ordered_read(0), lease / 5);
    }

    #[test]
    fn a_lost_read_is_repeated_behind_the_last_known_id() {
        let mut state = playing(1);
        state.reread_history(0, false);
        assert_eq!(state.streams[0].position, Position::New);
        state.streams[0].last_seen.get_or_insert_default().see(EntryId { time: 5, sequence: 1 }, None);
        state.reread_history(0, false);
        assert_eq!(state.streams[0].position_text(), "5-1");
        let mut fresh = playing(1);
        fresh.reread_history(0, true);
        assert_eq!(fresh.streams[0].position_text(), "0");
    }

    #[test]
    fn a_lost_read_is_repeated_without_the_entries_that_were_claimed() {
        let entry = |time| EntryId { time, sequence: 0 };
        let mut state = playing(1);
        state.streams[0].last_seen.get_or_insert_default().see(entry(5), None);
        for claimed in [4, 7, 6] {
            state.streams[0].note_claim(entry(claimed), false);
        }
        state.streams[0].note_read();
        state.streams[0].note_claim(entry(6), true);
        state.streams[0].note_claim(entry(9), true);
        state.reread_history(0, false);
        assert_eq!(state.streams[0].position_text(), "7-0", "the read can have new entries behind this one");
        state.streams[0].note_claim(entry(10), false);
        assert!([9, 10].iter().all(|&time| state.streams[0].claimed.contains(&entry(time))));
        assert_eq!(state.streams[0].claimed.len(), 2);
        state.streams[0].note_read();
        state.streams[0].end_history();
        state.streams[0].note_read();
        assert_eq!((state.streams[0].last_known(), state.streams[0].claimed.len()), (Some(entry(10)), 0));
    }

    #[test]
    fn a_consumer_reads_the_history_at_each_presence_interval() {
        let (mut state, every, began) = (playing(2), Duration::from_secs(60), Instant::now());
        state.streams[0].last_seen.get_or_insert_default().see(EntryId { time: 5, sequence: 1 }, None);
        let mut read_after = |passed| {
            state.show_presence(0, every, began + passed);
            let position = state.streams[0].position_text().to_owned();
            state.streams[0].position = Position::New;
            (position, state.streams[1].position_text().to_owned())
        };
        let new = (">".to_owned(), ">".to_owned());
        let history = ("5-1".to_owned(), ">".to_owned());
        let found = [0, 59, 60, 119, 120].map(|seconds| read_after(Duration::from_secs(seconds)));
        assert_eq!(found, [new.clone(), new.clone(), history.clone(), new, history]);
    }

    #[test]
    fn a_read_of_the_history_that_is_under_way_does_not_start_what_has_ended_meanwhile() {
        let entry = |time| EntryId { time, sequence: 0 };
        let mut state = playing(1);
        let token =
            state.jobs.take(Delivery { job: "a", ..Delivery::bare(0, entry(1), Instant::now()) }, None);
        assert!(state.holds_job(0, entry(1), Some(b"a")));
        assert!(!state.holds_job(0, entry(1), Some(b"b")), "another job, after a loss of all data");
        state.note_ends(std::iter::once(token));
        assert!(!state.streams[0].is_over(entry(1)), "no reply can have it");
        state.lanes[0].reads_history = true;
        state.note_ends(std::iter::once(token));
        assert!(state.streams[0].is_over(entry(1)));
    }

    #[test]
    fn an_entry_is_repeated_after_a_read_and_after_a_claim() {
        let (mut stream, entry) = (stream(true), |time| EntryId { time, sequence: 0 });
        assert!(!stream.is_repeated(entry(1)));
        stream.last_seen.get_or_insert_default().see(entry(3), None);
        [7, 5].into_iter().for_each(|time| stream.note_claim(entry(time), false));
        assert!(
            stream.is_repeated(entry(3)) && stream.is_repeated(entry(7)) && !stream.is_repeated(entry(8))
        );
        stream.forget_last_entry();
        assert!(!stream.is_repeated(entry(1)), "a new stream numbers its entries from below");
    }

    #[test]
    fn an_entry_that_moves_to_the_dead_letters_is_over_until_no_reply_can_have_it() {
        let entry = EntryId { time: 1, sequence: 0 };
        let mut stream = stream(true);
        stream.leaving.insert(entry);
        assert!(stream.is_over(entry));
        stream.end_leaving(entry, false);
        assert!(!stream.is_over(entry));
        stream.leaving.insert(entry);
        stream.end_leaving(entry, true);
        assert!(stream.is_over(entry), "the history is being read");
    }

    #[test]
    fn waiters_are_notified_when_nothing_is_in_flight_or_being_read() {
        let mut state = playing(1);
        state.phase = Phase::Pausing;
        state.lanes[0].reading = true;
        state.waiting.push(oneshot::channel().0);
        assert!(state.take_idle_waiters().is_empty());
        state.lanes[0].reading = false;
        assert_eq!(state.take_idle_waiters().len(), 1);
        assert_eq!(state.phase, Phase::Idle);
    }
}
