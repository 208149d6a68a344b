//! Takeover of a partition: the new owner claims all entries that are pending in the group, in their order, before it reads
//! new ones. No other consumer runs them, since it has the lease.
//!
//! It claims page by page, and the next page only once there is room for it. So its memory has a limit, however many entries
//! are pending.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim};
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::entry_commands::found_entry;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::state::buffer::partition_entries::PartitionEntries;
use crate::engine::consumer::state::ownership::{MAX_PARKED, OwnershipPhase};
use crate::engine::consumer::state::stream::Position;
use crate::engine::host::Event;
use crate::engine::protocol::pending_entries::{PendingEntry, read_rows};

/// Maximum number of entries of one page.
const MAX_PAGE_SIZE: usize = 100;
/// Number of entries of the first page, whose size in bytes is unknown.
const FIRST_PAGE_SIZE: usize = 16;
/// Size of the entries of one page, in bytes, if they are as large as the largest one of the page before.
const PAGE_BYTES: usize = 1_024 * 1_024;
/// Size of the entries of a takeover that wait, in bytes, by the same measure.
const WAITING_BYTES: usize = 16 * 1_024 * 1_024;
/// Time until a failed page is asked for again.
const RETRY_WAIT: Duration = Duration::from_millis(50);
/// Maximum time of a wait for room without another look at the partition.
const ROOM_WAIT: Duration = Duration::from_millis(500);

/// Next page of a takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TakeoverPage {
    from: EntryId,
    size: usize,
    /// Size of the largest entry of the page before, in bytes.
    largest: usize,
}

impl TakeoverPage {
    fn first() -> Self {
        Self { from: EntryId::default(), size: FIRST_PAGE_SIZE, largest: 1 }
    }

    /// The page behind this one. Pages grow gradually, since a larger entry can follow small ones.
    fn next(self, from: EntryId, largest: Option<usize>) -> Self {
        let largest = largest.unwrap_or(self.largest).max(1);
        let size = (PAGE_BYTES / largest).clamp(1, MAX_PAGE_SIZE).min(2 * self.size);
        Self { from, size, largest }
    }

    /// Returns true if the page has room beside the entries that wait.
    fn fits(self, parked: usize, startable: usize) -> bool {
        let limit = (WAITING_BYTES / self.largest).clamp(1, MAX_PARKED);
        // Entries that can start have a small limit, so that no other takeover waits for them.
        startable < self.size && (parked + startable == 0 || parked + startable + self.size <= limit)
    }
}

/// Claims page by page, until the partition is held or its lease is lost.
pub(crate) async fn take_over(consumer: Weak<Consumer>, at: usize, fence: u64) {
    let mut page = TakeoverPage::first();
    loop {
        let Some(consumer) = consumer.upgrade() else { return };
        let room = consumer.takeover_room.clone();
        let mut woken = pin!(room.notified());
        // An entry that starts from here on is noticed.
        woken.as_mut().enable();
        if consumer.has_disconnected() || !consumer.lock().is_taking_over(at, fence) {
            return;
        }
        if planted("takeover leaves pending entries") {
            return consumer.hold(at, fence);
        }
        if !consumer.lock().has_room_for(at, page) {
            drop(consumer);
            // A partition that was left, or a consumer that was dropped, makes no room.
            let _ = timeout(ROOM_WAIT, woken).await;
            continue;
        }
        match consumer.take_page(at, fence, page).await {
            Ok(Some(next)) => page = next,
            Ok(None) => return consumer.hold(at, fence),
            Err(error) => {
                // The reads create a missing group again.
                if error.reply_code() == Some("NOGROUP") {
                    return consumer.hold(at, fence);
                }
                consumer.claim_failed(error);
                drop(consumer);
                tokio::time::sleep(RETRY_WAIT).await;
            }
        }
    }
}

impl ConsumerState {
    fn await_end_of(&mut self, at: usize, entry: &OwnedEntry) {
        if let Some(key) = entry.carried.as_ref().and_then(|carried| carried.order_key.as_deref()) {
            self.await_end(at, entry.id, key);
        }
    }

    fn has_room_for(&self, at: usize, page: TakeoverPage) -> bool {
        let partition = self.buffered.partition(at as u32);
        // Entries that wait for permits of keys delay those of other keys as little as parked ones.
        let held = |partition: &PartitionEntries| partition.parked() + partition.limited_taken();
        partition.is_none_or(|partition| page.fits(held(partition), partition.waiting_taken()))
    }
}

impl Consumer {
    /// Begins to read a partition.
    fn hold(&self, at: usize, fence: u64) {
        {
            let mut state = self.lock();
            let is_taking_over = state.is_taking_over(at, fence);
            let stream = &mut state.streams[at];
            (stream.position, stream.handed_back) = (Position::New, None);
            let Some(ownership) = stream.ownership.as_mut().filter(|_| is_taking_over) else { return };
            ownership.phase = OwnershipPhase::Held;
            self.end_read_of(&mut state, at);
        }
        self.step();
    }

    /// Takes one page. Returns the start of the next one; `None` after the last.
    async fn take_page(
        &self,
        at: usize,
        fence: u64,
        page: TakeoverPage,
    ) -> Result<Option<TakeoverPage>, RedisError> {
        let (lane, key) = {
            let state = self.lock();
            (state.streams[at].lane, state.streams[at].key.clone())
        };
        let start = page.from.to_string();
        let rows = self.ask(lane, |commands, to| {
            commands
                .begin("XPENDING", 6)
                .key(key.as_bytes())
                .arg(self.group.as_bytes())
                .arg(start.as_bytes());
            commands.arg(b"+").arg_number(page.size as u64).end(to);
        });
        let rows = read_rows(&rows.await?).unwrap_or_default();
        let is_last = rows.len() < page.size;
        let next = rows.last().and_then(|row| row.id.successor());
        let limit = self.options.retry_limit;
        let (wanted, exhausted) = {
            let state = self.lock();
            if !state.is_taking_over(at, fence) {
                return Ok(None);
            }
            let is_free = |row: &PendingEntry| !state.holds(at as u32, row.id);
            let free = rows.into_iter().filter(is_free);
            free.partition::<Vec<PendingEntry>, _>(|row| row.deliveries < limit)
        };
        let ending = self.fetch_ending(lane, &key, &exhausted).await?;
        {
            let mut state = self.lock();
            if !state.is_taking_over(at, fence) {
                return Ok(None);
            }
            // A pause waits for them, and a stop removes the consumer's name behind them.
            state.claiming += wanted.len();
        }
        let mut largest = ending.iter().map(OwnedEntry::size).max();
        if !wanted.is_empty() || !ending.is_empty() {
            let sent = Instant::now();
            let entries = self.claim_rows(lane, &key, &wanted).await;
            let (count, claimed) = (wanted.len(), entries.as_ref().map_or(&[][..], Vec::as_slice));
            largest = largest.max(claimed.iter().map(OwnedEntry::size).max());
            // A page whose claim failed is taken again, in its order.
            let ending = if entries.is_ok() { ending } else { Vec::new() };
            self.run_taken((at, fence, sent), &key, (wanted, ending), claimed);
            self.lock().claiming -= count;
            self.notify_if_idle();
            entries?;
        }
        let next = next.filter(|_| !is_last).map(|from| page.next(from, largest));
        let mut state = self.lock();
        if !state.is_taking_over(at, fence) {
            return Ok(None);
        }
        if let (Some(next), Some(ownership)) = (next, &mut state.streams[at].ownership) {
            // From now on the claim cycle has the entries of this page that fail.
            ownership.takeover_from = next.from;
        }
        Ok(next)
    }

    /// Fetches entries at the retry limit, whose keys wait for their dead letters. The claim cycle ends them.
    async fn fetch_ending(
        &self,
        lane: usize,
        key: &str,
        exhausted: &[PendingEntry],
    ) -> Result<Vec<OwnedEntry>, RedisError> {
        if exhausted.is_empty() || self.options.dead_letter.is_none() {
            return Ok(Vec::new());
        }
        let ids: Vec<EntryId> = exhausted.iter().map(|row| row.id).collect();
        let entries = self.fetch(lane, key, &ids).await?;
        Ok(entries.iter().flatten().filter_map(OwnedEntry::read).collect())
    }

    /// Claims entries with the number of deliveries that they have. A move of ownership alone is no delivery.
    async fn claim_rows(
        &self,
        lane: usize,
        key: &str,
        wanted: &[PendingEntry],
    ) -> Result<Vec<OwnedEntry>, RedisError> {
        let mut by_count: BTreeMap<u64, Vec<EntryId>> = BTreeMap::new();
        for row in wanted {
            by_count.entry(row.deliveries).or_default().push(row.id);
        }
        let mut replies = Vec::with_capacity(by_count.len());
        {
            let mut commands = Commands::default();
            let names = (key, self.group.as_str(), self.options.id.as_str());
            for (count, ids) in by_count {
                let (sender, receiver) = oneshot::channel();
                let claim = Claim::DeliverAs(count);
                pack_claim(&mut commands, names, 0, ids.iter(), claim, Destination::Task(sender));
                replies.push(receiver);
            }
            // The lease of the partition holds now, and not for ever: later another consumer can own it.
            commands.all_expire();
            self.shared(lane).submit(&mut commands);
        }
        let mut entries = Vec::with_capacity(wanted.len());
        for reply in replies {
            // Every command gets a reply or an error.
            let reply = reply.await.unwrap_or_else(|_| Err(RedisError::closed()))?;
            if let Value::Array(found) = reply {
                entries.extend(found.iter().filter_map(OwnedEntry::read));
            }
        }
        Ok(entries)
    }

    /// Starts or buffers the `wanted` entries of a page, and lets keys wait for the `ending` ones, in the order of all. The claim
    /// was submitted at `sent`.
    fn run_taken(
        &self,
        (at, fence, sent): (usize, u64, Instant),
        key: &str,
        (wanted, ending): (Vec<PendingEntry>, Vec<OwnedEntry>),
        entries: &[OwnedEntry],
    ) {
        let mut ending = ending.iter().peekable();
        let mut found = Vec::with_capacity(entries.len());
        let reads = {
            let mut state = self.lock();
            if !state.is_taking_over(at, fence) {
                return;
            }
            for row in wanted {
                while let Some(entry) = ending.next_if(|entry| entry.id < row.id) {
                    state.await_end_of(at, entry);
                }
                let Some(entry) = entries.iter().find(|entry| entry.id == row.id) else { continue };
                let deliveries = row.deliveries + 1;
                let job = self.buffer_taken(&mut state, at as u32, entry, deliveries, sent);
                found.push(found_entry(key, PendingEntry { deliveries, ..row }, entry.producer.clone(), job));
            }
            ending.for_each(|entry| state.await_end_of(at, entry));
            state.counts.claimed += found.len() as u64;
            self.advance(&mut state, &[])
        };
        let host = &self.node_set.context().host;
        for entry in &found {
            host.event(Event::Claimed { consumer: self.number, entry });
        }
        self.submit_reads(reads);
        host.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(size: usize, largest: usize) -> TakeoverPage {
        TakeoverPage { size, largest, ..TakeoverPage::first() }
    }

    #[test]
    fn pages_grow_to_their_limit_and_shrink_with_large_entries() {
        let next = |page: TakeoverPage, largest| page.next(EntryId::default(), Some(largest)).size;
        assert_eq!([16, 32, 64, 100].map(|size| next(page_of(size, 1), 200)), [32, 64, 100, 100]);
        assert_eq!([next(page_of(100, 1), 64 * 1_024), next(page_of(100, 1), 8 * PAGE_BYTES)], [16, 1]);
        assert_eq!(page_of(16, 64).next(EntryId::default(), None).largest, 64, "a page without entries");
    }

    #[test]
    fn a_page_waits_for_room_in_entries_and_in_bytes() {
        let small = page_of(100, 200);
        assert!(small.fits(0, 0) && small.fits(900, 24) && !small.fits(900, 25) && !small.fits(0, 100));
        let large = page_of(16, 64 * 1_024);
        assert!(large.fits(240, 0) && !large.fits(241, 0));
        let largest = page_of(1, 64 * PAGE_BYTES);
        assert!(largest.fits(0, 0) && !largest.fits(1, 0) && !largest.fits(0, 1));
    }
}
