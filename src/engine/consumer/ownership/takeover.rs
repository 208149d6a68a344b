//! Takeover of a partition: the new owner claims all entries that are pending in the group, in their order, before it reads
//! new ones. No other consumer runs them, since it has the lease.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim};
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};

use crate::engine::consumer::Consumer;
use crate::engine::consumer::entry_commands::found_entry;
use crate::engine::consumer::state::ownership::OwnershipPhase;
use crate::engine::consumer::state::stream::Position;
use crate::engine::host::Event;
use crate::engine::protocol::pending_entries::{PendingEntry, read_rows};

/// Number of entries of one page.
const PAGE_SIZE: u64 = 100;
/// Time until a failed page is asked for again.
const RETRY_WAIT: Duration = Duration::from_millis(50);

/// Claims page by page, until the partition is held or its lease is lost.
pub(crate) async fn take_over(consumer: Weak<Consumer>, at: usize, fence: u64) {
    let mut from = EntryId::default();
    loop {
        let Some(consumer) = consumer.upgrade() else { return };
        if consumer.has_disconnected() || !consumer.lock().is_taking_over(at, fence) {
            return;
        }
        match consumer.take_page(at, fence, from).await {
            Ok(Some(next)) => from = next,
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
    async fn take_page(&self, at: usize, fence: u64, from: EntryId) -> Result<Option<EntryId>, RedisError> {
        let (lane, key) = {
            let state = self.lock();
            (state.streams[at].lane, state.streams[at].key.clone())
        };
        let start = from.to_string();
        let page = self.ask(lane, |commands, to| {
            commands
                .begin("XPENDING", 6)
                .key(key.as_bytes())
                .arg(self.group.as_bytes())
                .arg(start.as_bytes());
            commands.arg(b"+").arg_number(PAGE_SIZE).end(to);
        });
        let rows = read_rows(&page.await?).unwrap_or_default();
        let is_last = (rows.len() as u64) < PAGE_SIZE;
        let next = rows.last().and_then(|row| row.id.successor());
        let limit = self.options.retry_limit;
        let wanted: Vec<PendingEntry> = {
            let mut state = self.lock();
            if !state.is_taking_over(at, fence) {
                return Ok(None);
            }
            // The claim cycle ends those at the retry limit.
            let is_wanted = |row: &PendingEntry| row.deliveries < limit && !state.holds(at as u32, row.id);
            let wanted: Vec<PendingEntry> = rows.into_iter().filter(is_wanted).collect();
            // A pause waits for them, and a stop removes the consumer's name behind them.
            state.claiming += wanted.len();
            wanted
        };
        if !wanted.is_empty() {
            let sent = Instant::now();
            let entries = self.claim_rows(lane, &key, &wanted).await;
            let (count, claimed) = (wanted.len(), entries.as_ref().map_or(&[][..], Vec::as_slice));
            self.run_taken((at, fence, sent), &key, wanted, claimed);
            self.lock().claiming -= count;
            self.notify_if_idle();
            entries?;
        }
        Ok(next.filter(|_| !is_last))
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

    /// Starts or buffers the entries of a page in their order. Their claim was submitted at `sent`.
    fn run_taken(
        &self,
        (at, fence, sent): (usize, u64, Instant),
        key: &str,
        wanted: Vec<PendingEntry>,
        entries: &[OwnedEntry],
    ) {
        let mut found = Vec::with_capacity(entries.len());
        let reads = {
            let mut state = self.lock();
            if !state.is_taking_over(at, fence) {
                return;
            }
            for row in wanted {
                let Some(entry) = entries.iter().find(|entry| entry.id == row.id) else { continue };
                let deliveries = row.deliveries + 1;
                let job = self.buffer_taken(&mut state, at as u32, entry, deliveries, sent);
                found.push(found_entry(key, PendingEntry { deliveries, ..row }, entry.producer.clone(), job));
            }
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
