//! End of entries that are not delivered again: they reached the retry limit, or their job failed for good.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::carried_payload::CarriedPayload;
use crate::redis_io::streams::commands::{Claim, pack_acknowledge, pack_claim};
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::entry_commands::found_entry;
use crate::engine::consumer::lease_renewal::is_for_now;
use crate::engine::consumer::state::stream::ExhaustedEntry;
use crate::engine::host::{Event, Failure, PendingJob};
use crate::engine::protocol::dead_letter::{DeadLetter, DeadLetterReason, EntryContent, pack_dead_letter};
use crate::engine::protocol::job_id::new_id;
use crate::engine::protocol::pending_entries::PendingEntry;
use crate::engine::runtime::backoff::Backoff;

/// Maximum number of claim intervals from one search to the next.
const MAX_SEARCH_INTERVALS: u32 = 5;
/// Maximum change of a server's clock that does not let an exhausted entry run again. While the clock catches up, no search
/// finds the entry.
const CLOCK_CHANGE: Duration = Duration::from_secs(60 * 60);

/// Last rejection of a job.
pub(crate) struct FinalRejection {
    /// Index of the stream.
    pub(crate) stream: usize,
    /// Its entry.
    pub(crate) found: PendingJob,
    /// Payload that the entry carries.
    pub(crate) carried: Option<Arc<CarriedPayload>>,
    /// Headers of the entry, as JSON.
    pub(crate) headers: Option<Box<str>>,
    /// Reason for the end.
    pub(crate) reason: DeadLetterReason,
    /// The error as JSON.
    pub(crate) error: String,
    /// True if the entry needs a delivery count with which no other consumer claims it.
    pub(crate) is_uncounted: bool,
    /// Start of the lease of the entry. No other consumer can have claimed it while the lease holds.
    pub(crate) touched: Instant,
}

impl Consumer {
    /// Ends entries that a search found at the retry limit, idle for `idle`. Each is reported once. `ends` marks the
    /// last page of the search; entries that the search did not find are then forgotten.
    pub(crate) async fn end_exhausted(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
        pending: Vec<PendingEntry>,
        idle: Duration,
        ends: bool,
    ) -> Result<(), RedisError> {
        let has_dead_letters = self.options.dead_letter.is_some();
        let fresh: Vec<PendingEntry> = {
            let mut state = self.lock();
            let (now, known) = (Instant::now(), &mut state.streams[stream]);
            // A move is tried until it succeeds, and a report is made once.
            let is_fresh = |entry: &PendingEntry| match known.exhausted.get_mut(&entry.id) {
                Some(known) => {
                    known.seen = now;
                    has_dead_letters || !known.is_reported || planted("exhausted is reported again")
                }
                None => true,
            };
            let fresh = pending.into_iter().filter(is_fresh).collect();
            if ends && let Some(began) = known.search_began.take() {
                // A search finds an entry only after its idle time, which begins anew when its owner reads its history.
                let unseen = self.longest_unseen();
                known.exhausted.retain(|_, known| known.seen + unseen >= began);
            }
            fresh
        };
        let ids: Vec<EntryId> = fresh.iter().map(|entry| entry.id).collect();
        let (mut gone, mut ended) = (Vec::new(), Vec::new());
        for (pending, entry) in fresh.into_iter().zip(self.fetch(lane, key, &ids).await?) {
            let Some(entry) = entry else {
                gone.push(pending.id);
                continue;
            };
            let entry = OwnedEntry::read(&entry).unwrap_or_default();
            let found = found_entry(key, pending, entry.producer, entry.job.unwrap_or_else(new_id));
            if !has_dead_letters {
                self.lock().streams[stream].exhausted.insert(found.id, ExhaustedEntry::new(true));
                self.report_exhausted(&found, false);
                ended.push(found.id);
            } else {
                self.lock().streams[stream].leaving.insert(found.id);
                let (carried, headers) = (entry.carried.as_deref(), entry.headers.as_deref());
                let (content, idle) = (EntryContent { carried, headers }, idle.as_millis() as u64);
                let moved = self.claim_and_move(stream, lane, &found, content, idle).await;
                self.end_leaving(stream, lane, found.id, moved.is_err());
                if moved? {
                    self.end_turns(stream, &[found.id]);
                }
            }
        }
        self.acknowledge_trimmed(stream, lane, key, &gone);
        ended.append(&mut gone);
        self.end_turns(stream, &ended);
        Ok(())
    }

    /// Returns false if the entry is not idle any more, so that another consumer ends it, or a later search.
    async fn claim_and_move(
        &self,
        stream: usize,
        lane: usize,
        found: &PendingJob,
        content: EntryContent<'_>,
        idle: u64,
    ) -> Result<bool, RedisError> {
        if !self.try_claim(lane, found, idle).await? {
            return Ok(false);
        }
        self.move_to_dead_letters(stream, lane, found, content, DeadLetterReason::Exhausted, None).await?;
        Ok(true)
    }

    /// Notes the end of a move. An entry whose move failed is pending, and must not run again.
    fn end_leaving(&self, stream: usize, lane: usize, entry: EntryId, has_failed: bool) {
        let mut state = self.lock();
        let reads_history = state.lanes[lane].reads_history;
        let known = &mut state.streams[stream];
        known.end_leaving(entry, reads_history);
        if has_failed && self.options.claim_interval.is_some() {
            // The search for candidates will find it, and end it.
            known.exhausted.insert(entry, ExhaustedEntry::new(false));
        }
    }

    /// Maximum time in which no search finds an exhausted entry that is still pending.
    fn longest_unseen(&self) -> Duration {
        let Self { options, .. } = self;
        let cycles = options.claim_interval.unwrap_or_default().saturating_mul(MAX_SEARCH_INTERVALS);
        options.claim_deadline.saturating_mul(2).saturating_add(cycles).saturating_add(CLOCK_CHANGE)
    }

    /// Ends a job of this consumer after its last rejection. A busy Redis is tried again, as long as no other
    /// consumer takes the entry.
    pub(crate) fn end_rejected(&self, mut one: FinalRejection) {
        let Some(consumer) = self.this.upgrade() else { return };
        self.node_set.context().tasks.spawn(async move {
            let disconnects = consumer.lock().stop_counts.disconnects;
            let mut backoff = Backoff::default();
            let mut ended = consumer.dead_letter_or_report(&mut one).await;
            while ended
                .as_ref()
                .is_err_and(|error| error.is_passing() || one.is_uncounted && is_for_now(error))
                && consumer.lock().stop_counts.disconnects == disconnects
            {
                tokio::time::sleep(backoff.next_wait().min(consumer.lease_interval())).await;
                ended = consumer.dead_letter_or_report(&mut one).await;
            }
            let lane = consumer.lock().streams[one.stream].lane;
            // An entry that is given up for good can have deliveries left, so another one can run it after a failed move.
            let is_exhausted = one.reason == DeadLetterReason::Exhausted;
            consumer.end_leaving(one.stream, lane, one.found.id, ended.is_err() && is_exhausted);
            consumer.lock().dead_lettering -= 1;
            if ended.is_ok() || is_exhausted {
                // It does not run again, so its key goes on.
                consumer.end_turns(one.stream, &[one.found.id]);
            }
            if let Err(error) = ended {
                consumer.report_error(Failure::Consume, &error);
            }
            consumer.notify_if_idle();
        });
    }

    async fn dead_letter_or_report(&self, one: &mut FinalRejection) -> Result<(), RedisError> {
        let lane = self.lock().streams[one.stream].lane;
        if !self.holds_lease(one.touched) {
            let (sent, deadline) = (Instant::now(), self.options.claim_deadline.as_millis() as u64);
            if !self.try_claim(lane, &one.found, deadline).await? {
                // Its new consumer ends it.
                return Ok(());
            }
            one.touched = sent;
        }
        let FinalRejection { stream, found, carried, headers, reason, error, .. } = one;
        if self.options.dead_letter.is_some() {
            let content = EntryContent { carried: carried.as_deref(), headers: headers.as_deref() };
            return self.move_to_dead_letters(*stream, lane, found, content, *reason, Some(error)).await;
        }
        if one.is_uncounted && !self.count_for_good(lane, one).await? {
            // Its new consumer ends it.
            return Ok(());
        }
        let FinalRejection { stream, found, .. } = one;
        if self.options.claim_interval.is_some() {
            // The search for candidates will find it.
            self.lock().streams[*stream].exhausted.insert(found.id, ExhaustedEntry::new(true));
        }
        self.report_exhausted(found, false);
        Ok(())
    }

    /// Sets a delivery count with which no other consumer claims the entry. Returns false if another consumer has claimed it
    /// before.
    async fn count_for_good(&self, lane: usize, one: &mut FinalRejection) -> Result<bool, RedisError> {
        let count = one.found.deliveries.max(self.options.retry_limit);
        let names = (one.found.stream.as_str(), self.group.as_str(), self.options.id.as_str());
        let (sender, receiver) = oneshot::channel();
        let mut commands = Commands::default();
        let (min_idle, id) = (self.min_idle_after_lapse(one.touched), std::iter::once(&one.found.id));
        pack_claim(&mut commands, names, min_idle, id, Claim::Count(count), Destination::Task(sender));
        // Later another consumer can own the entry. The next attempt has a minimum idle time of its own.
        commands.all_expire();
        self.shared(lane).submit(&mut commands);
        let taken = receiver.await.unwrap_or_else(|_| Err(RedisError::closed()));
        let taken = match taken {
            Err(error) if !is_for_now(&error) => {
                one.is_uncounted = false;
                return Err(error);
            }
            other => other?,
        };
        one.is_uncounted = false;
        Ok(matches!(taken, Value::Array(ids) if !ids.is_empty()))
    }

    fn report_exhausted(&self, entry: &PendingJob, moved: bool) {
        self.lock().counts.exhausted += 1;
        let host = &self.node_set.context().host;
        host.event(Event::Exhausted { consumer: self.number, entry, moved });
        host.wake();
    }

    /// Claims an entry that was idle for `min_idle` ms, a `claimDeadline` at least. Returns true for one only of the consumers
    /// that find the entry. The command can wait and be sent again: an attempt after an executed one finds a short idle
    /// time, and a later search finds the entry.
    async fn try_claim(&self, lane: usize, found: &PendingJob, min_idle: u64) -> Result<bool, RedisError> {
        let names = (found.stream.as_str(), self.group.as_str(), self.options.id.as_str());
        let taken = self.ask(lane, |commands, to| {
            pack_claim(commands, names, min_idle, std::iter::once(&found.id), Claim::Touch { idle: 0 }, to);
            // After a lost connection its owner gets time to renew its lease.
            commands.last_once();
        });
        Ok(matches!(taken.await?, Value::Array(ids) if !ids.is_empty()))
    }

    /// Moves an entry to the dead letters and reports it.
    async fn move_to_dead_letters(
        &self,
        stream: usize,
        lane: usize,
        found: &PendingJob,
        content: EntryContent<'_>,
        reason: DeadLetterReason,
        error: Option<&str>,
    ) -> Result<(), RedisError> {
        let Some(name) = &self.options.dead_letter else { return Ok(()) };
        let node = self.node(lane).clone();
        let target = node.keys().stream(name);
        let from = self.lock().streams[stream].options.name.clone();
        self.record_failure(stream, lane, found, error).await?;
        let letter = DeadLetter { found, from: &from, group: &self.options.group, reason, error, content };
        let together = node.slot(&target) == node.slot(&found.stream);
        if together {
            self.move_in_transaction(lane, &target, &letter).await?;
        } else {
            // In a Cluster the streams can be on different nodes. Two letters are better than none.
            self.ask(lane, |commands, to| pack_dead_letter(commands, &target, &letter, to)).await?;
            self.ask(lane, |commands, to| {
                pack_acknowledge(commands, (&found.stream, &self.group), 1, std::iter::once(found.id), to);
            })
            .await?;
        }
        self.report_exhausted(found, true);
        Ok(())
    }

    /// Sends XADD and XACK in one transaction, which is not sent again after a lost connection. An entry whose move
    /// failed is found pending again.
    async fn move_in_transaction(
        &self,
        lane: usize,
        target: &str,
        letter: &DeadLetter<'_>,
    ) -> Result<(), RedisError> {
        let key = letter.found.stream.as_str();
        let (sender, receiver) = oneshot::channel();
        let mut commands = Commands::default();
        commands.begin("MULTI", 1).route_with(key.as_bytes()).end(Destination::Nowhere);
        if !planted("dead letter is not kept") {
            pack_dead_letter(&mut commands, target, letter, Destination::Nowhere);
        }
        let id = std::iter::once(letter.found.id);
        pack_acknowledge(&mut commands, (key, &self.group), 1, id, Destination::Nowhere);
        commands.begin("EXEC", 1).route_with(key.as_bytes()).end(Destination::Task(sender));
        commands.send_once();
        self.shared(lane).submit(&mut commands);
        // Every command gets a reply or an error.
        let replies = receiver.await.unwrap_or_else(|_| Err(RedisError::closed()))?;
        let Value::Array(replies) = replies else { return Ok(()) };
        let Some(text) = replies.into_iter().find_map(error_in) else { return Ok(()) };
        // Redis runs the other command of a transaction even if one fails. Without a letter the entry must stay
        // pending.
        let names = (key, self.group.as_str(), self.options.id.as_str());
        self.ask(lane, |commands, to| {
            let (ids, idle) =
                (std::iter::once(&letter.found.id), self.options.claim_deadline.as_millis() as u64);
            pack_claim(commands, names, idle, ids, Claim::Restore(letter.found.deliveries), to);
        })
        .await?;
        Err(RedisError::reply(text.as_bytes(), "EXEC", &Arc::from("")))
    }
}

fn error_in(reply: Value) -> Option<String> {
    match reply {
        Value::Error(text) => Some(text),
        _ => None,
    }
}
