//! Claims idle entries: those of dead consumers, and those of failed jobs.
//!
//! XPENDING lists idle entries, this consumer chooses, XCLAIM takes over. Of two consumers with the same choice only
//! one succeeds, since XCLAIM takes only entries that are still idle. Scripts are not used, so claiming works for
//! users without the right to run them, and on every Redis from version 5.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim, pack_pending_entry};
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::claiming::inspection::PendingPage;
use crate::engine::consumer::claiming::pending_page::{self, ClaimLimits, ClaimPlan};
use crate::engine::consumer::entry_commands::found_entry;
use crate::engine::consumer::state::Phase;
use crate::engine::consumer::state::in_flight::Delivery;
use crate::engine::consumer::state::ownership::Ownership;
use crate::engine::consumer::turn::hand_back::HandBack;
use crate::engine::host::{Event, Failure};
use crate::engine::protocol::job_id::new_id;
use crate::engine::protocol::pending_entries::{PendingEntry, read_rows};

impl Consumer {
    /// Searches all streams with pending entries once, beginning with another one each time. A slot that was waited
    /// for stays reserved for the first candidate. `passed` is the number of intervals since the last cycle.
    pub(crate) async fn claim_all(&self, passed: u32) {
        self.end_lost_turns().await;
        let searches = self.find_candidates(passed).await;
        self.remove_idle().await;
        if searches.is_empty() {
            return;
        }
        let mut kept = self.reserve().await;
        for search in searches {
            self.search(search, &mut kept).await;
        }
        self.end_search(kept);
    }

    /// Decides about a page, and returns the minimum idle time. Reserves the slots of the entries to claim, and one
    /// more if one is free.
    pub(crate) fn decide(
        &self,
        stream: usize,
        page: Result<PendingPage, RedisError>,
        size: usize,
        kept: &mut usize,
    ) -> Result<(ClaimPlan, Duration), RedisError> {
        let mut state = self.lock();
        let room = *kept + state.reserve(self.options.concurrency, self.options.claim_page_size - *kept);
        let room_now = if state.phase == Phase::Playing { room.min(state.claim_room(stream)) } else { 0 };
        let from = state.streams[stream].claim_from;
        let front = state.streams[stream].ownership.as_ref().and_then(Ownership::takeover_front);
        let decided = page.map(|page| {
            let idle = self.options.claim_deadline.saturating_add(page.gained);
            let deliveries = self.options.retry_limit + u64::from(planted("retry limit off by one"));
            let limits = ClaimLimits { deadline: idle, deliveries };
            let is_ours = |entry: &PendingEntry| {
                // A short lease can lapse before its renewal.
                let is_delayed = entry.owner == self.options.id && state.delays(stream as u32, entry.id);
                is_delayed || state.holds(stream as u32, entry.id)
            };
            let plan = match page.entries {
                Some(mut entries) => {
                    // Without the rest the page is the last one.
                    entries.retain(|entry| front.is_none_or(|front| entry.id < front));
                    pending_page::plan(entries, size, limits, room_now, is_ours)
                }
                None => ClaimPlan { next: from, crowded: true, ..ClaimPlan::default() },
            };
            (plan, idle)
        });
        let used = decided.as_ref().map_or(0, |(plan, _)| plan.claim.len());
        *kept = (room - used).min(1);
        state.reserved -= room - used - *kept;
        state.claiming += used;
        state.streams[stream].claiming += used;
        if used > 0 {
            state.claim_backlog.claim();
        }
        state.streams[stream].claim_from = decided.as_ref().map_or(from, |(plan, _)| plan.next);
        decided
    }

    /// Reserves slots for claims: the free ones, or else the next one that becomes free. A consumer with a constant
    /// flow of new entries would never claim otherwise.
    async fn reserve(&self) -> usize {
        let room = self.try_reserve();
        if room > 0 {
            return room;
        }
        let patience = self.options.claim_interval.unwrap_or_default();
        // Without a free slot in that time the next cycle tries again.
        let _ = timeout(patience, self.slot_free.notified()).await;
        let room = self.try_reserve();
        self.lock().claim_backlog.claims_due = false;
        room
    }

    fn try_reserve(&self) -> usize {
        let mut state = self.lock();
        let room = state.reserve(self.options.concurrency, self.options.claim_page_size);
        state.claim_backlog.claims_due = room == 0;
        room
    }

    /// Claims entries of a page that was `asked` for, with reserved slots, if they still are `idle`, and has their jobs run.
    pub(crate) async fn claim(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
        mut wanted: Vec<PendingEntry>,
        (idle, asked): (Duration, Instant),
    ) -> Result<(), RedisError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let names = (key, self.group.as_str(), self.options.id.as_str());
        // A lease begins here at the earliest, even if the reply comes late.
        let sent = Instant::now();
        // After a lost connection the owners get time to renew their leases, so it must not be sent then.
        let reply = if self.is_ready(lane) {
            let reply = self.ask(lane, |commands, to| {
                let ids = wanted.iter().map(|entry| &entry.id);
                let idle = if planted("claim without idle time") { 0 } else { idle.as_millis() as u64 };
                pack_claim(commands, names, idle, ids, Claim::Deliver, to);
                if !planted("claim is sent again") {
                    commands.last_once();
                }
            });
            reply.await
        } else {
            Err(RedisError::closed())
        };
        let mut entries: Vec<OwnedEntry> = match &reply {
            Ok(Value::Array(entries)) => entries.iter().filter_map(OwnedEntry::read).collect(),
            _ => Vec::new(),
        };
        if asked.elapsed() >= self.options.claim_deadline {
            self.count_again((stream, lane, key), &mut wanted, &mut entries).await;
        }
        let missing = self.run_claimed((stream as u32, key), wanted, entries, sent);
        reply?;
        self.drop_trimmed(stream, lane, key, missing).await
    }

    /// Corrects the numbers of deliveries of claimed entries whose page is older than `claimDeadline`. Another consumer can have
    /// claimed one in between, and it is idle again. `claimed` keeps the entries that can run. A later search finds the others, also
    /// those at their retry limit.
    async fn count_again(
        &self,
        (stream, lane, key): (usize, usize, &str),
        wanted: &mut [PendingEntry],
        claimed: &mut Vec<OwnedEntry>,
    ) {
        let ids: Vec<EntryId> = claimed.iter().map(|entry| entry.id).collect();
        let replies = self.submit_each(lane, &ids, |commands, id, to| {
            pack_pending_entry(commands, key, &self.group, *id, to);
        });
        let mut own = Vec::with_capacity(ids.len());
        for reply in replies {
            let row = reply.await.ok().and_then(Result::ok).and_then(|reply| read_rows(&reply)?.pop());
            // The claim has counted one more.
            let is_below = |entry: &PendingEntry| entry.deliveries <= self.options.retry_limit;
            own.extend(row.filter(|entry| entry.owner == self.options.id && is_below(entry)));
        }
        claimed.retain(|entry| own.iter().any(|counted| counted.id == entry.id));
        for one in wanted {
            if let Some(counted) = own.iter().find(|counted| counted.id == one.id) {
                one.deliveries = counted.deliveries.saturating_sub(1);
            }
        }
        let mut state = self.lock();
        for id in ids.into_iter().filter(|id| own.iter().all(|counted| counted.id != *id)) {
            state.note_claim(stream as u32, id);
        }
    }

    /// Runs the jobs of entries whose claim was submitted at `sent`, and returns the wanted entries that XCLAIM did not return.
    fn run_claimed(
        &self,
        (stream, key): (u32, &str),
        wanted: Vec<PendingEntry>,
        entries: Vec<OwnedEntry>,
        sent: Instant,
    ) -> Vec<EntryId> {
        let now = Instant::now();
        let mut missing = Vec::new();
        let mut found = Vec::with_capacity(wanted.len());
        let mut returned = HandBack::default();
        let reads = {
            let mut state = self.lock();
            if planted("claimed slot is kept") && entries.len() < wanted.len() {
                state.reserved += 1;
            }
            state.reserved -= wanted.len();
            state.claiming -= wanted.len();
            state.streams[stream as usize].claiming -= wanted.len();
            if state.disconnected {
                // The next consumer that claims runs them.
                return Vec::new();
            }
            let mut started = Vec::with_capacity(wanted.len());
            for pending in wanted {
                let Some(entry) = entries.iter().find(|entry| entry.id == pending.id) else {
                    missing.push(pending.id);
                    continue;
                };
                if state.holds(stream, entry.id) {
                    // A read of the history, or a search before a pause, was faster.
                    continue;
                }
                if !state.is_taken(stream) {
                    // The next owner takes it over, with the deliveries before this claim.
                    if state.returns(stream) {
                        returned.add_claimed(stream, entry.id, pending.deliveries);
                    }
                    continue;
                }
                let (producer, job) = (entry.producer.clone(), entry.job.clone().unwrap_or_else(new_id));
                let deliveries =
                    if planted("deliveries are not counted") { 1 } else { pending.deliveries + 1 };
                let delivery = Delivery {
                    stream,
                    entry: entry.id,
                    producer: &producer,
                    job: &job,
                    record: entry.record,
                    is_sharded: entry.is_sharded,
                    headers: entry.headers.as_deref(),
                    carried: entry.carried.as_ref(),
                    deliveries,
                    at: sent,
                };
                // Its deliveries were set back, or it would not have been claimed.
                state.streams[stream as usize].exhausted.remove(&entry.id);
                state.note_claim(stream, entry.id);
                started.extend(self.start_claimed(&mut state, delivery, now).map(|token| (stream, token)));
                found.push(found_entry(key, PendingEntry { deliveries, ..pending }, producer, job));
            }
            if !returned.is_empty() {
                drop(self.send_hand_back(&state, returned));
            }
            state.counts.claimed += found.len() as u64;
            self.advance(&mut state, &started)
        };
        let host = &self.node_set.context().host;
        for entry in &found {
            host.event(Event::Claimed { consumer: self.number, entry });
        }
        self.submit_reads(reads);
        host.wake();
        self.notify_if_idle();
        missing
    }

    /// Acknowledges the unclaimed entries that are not in the stream any more. The others were claimed by another
    /// consumer.
    async fn drop_trimmed(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
        ids: Vec<EntryId>,
    ) -> Result<(), RedisError> {
        let entries = self.fetch(lane, key, &ids).await?;
        let gone: Vec<EntryId> =
            ids.into_iter().zip(entries).filter(|(_, entry)| entry.is_none()).map(|(id, _)| id).collect();
        self.acknowledge_trimmed(stream, lane, key, &gone);
        self.end_turns(stream, &gone);
        Ok(())
    }

    pub(crate) fn claim_failed(&self, error: RedisError) {
        let code = format!("{:?} {}", error.kind, error.reply_code().unwrap_or_default());
        // The reads report these errors.
        let is_reported = matches!(
            error.kind,
            RedisErrorKind::Closed | RedisErrorKind::MaxRetries | RedisErrorKind::Dropped
        ) || error.reply_code() == Some("NOGROUP");
        let is_news = self.lock().last_claim_failure.replace(code.clone()) != Some(code);
        if is_news && !is_reported {
            self.report_error(Failure::Consume, &error);
        }
    }
}
