//! Removes dead consumers from a group: names that have nothing pending and were idle for long.
//!
//! An idle consumer that lives returns with its next entry: Redis creates the name again. An entry delivered between
//! the query and the removal would be neither pending nor delivered again. So one transaction lists the pending
//! entries of the name and removes the name. Listed entries are then made pending again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim, pack_group_del_consumer, pack_pending_of};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::Phase;
use crate::engine::consumer::state::stream::StreamState;
use crate::engine::host::{Event, Failure};
use crate::engine::protocol::pending_entries::{PendingEntry, read_rows};

/// Minimum time between two queries for idle consumers of a group, unless the idle limit is shorter.
const MIN_QUERY_INTERVAL: Duration = Duration::from_secs(60 * 60);

impl Consumer {
    /// Returns true if a query for idle consumers of the stream's group is due, and notes its time. A consumer that
    /// is alone in the group sends none.
    pub(crate) fn is_idle_query_due(&self, stream: &mut StreamState) -> bool {
        let Some(limit) = self.options.remove_idle.filter(|_| !stream.is_alone) else { return false };
        let is_due =
            stream.idle_queried.is_none_or(|looked| looked.elapsed() >= limit.min(MIN_QUERY_INTERVAL));
        if is_due {
            stream.idle_queried = Some(Instant::now());
        }
        is_due
    }

    /// Removes the idle consumers that the last query found. Without the rights for it they stay, and no error is
    /// reported.
    pub(crate) async fn remove_idle(&self) {
        let found: Vec<usize> = {
            let state = self.lock();
            (0..state.streams.len()).filter(|&stream| !state.streams[stream].idle.is_empty()).collect()
        };
        for stream in found {
            let (lane, number, key, mut names) = {
                let mut state = self.lock();
                let is_playing = state.phase == Phase::Playing;
                let stream = &mut state.streams[stream];
                let names = std::mem::take(&mut stream.idle);
                (stream.lane, stream.number, stream.key.clone(), if is_playing { names } else { Vec::new() })
            };
            self.exclude_own(&mut names);
            if names.is_empty() {
                continue;
            }
            let removed = self.remove_members(lane, &key, names).await.unwrap_or_default();
            if !removed.is_empty() {
                let host = &self.node_set.context().host;
                host.event(Event::Removed { consumer: self.number, stream: number, names: &removed });
                host.wake();
            }
        }
    }

    /// Removes the consumers of this bus from the list. They are alive, even while they are paused.
    fn exclude_own(&self, names: &mut Vec<String>) {
        names.retain(|name| !self.node_set.has_consumer_name(&self.group, name));
    }

    /// Removes consumers, and returns the names of those that were removed.
    async fn remove_members(
        &self,
        lane: usize,
        key: &str,
        names: Vec<String>,
    ) -> Result<Vec<String>, RedisError> {
        // Without the right to MULTI, Redis would run the commands behind it one by one.
        self.transact(lane, key, |_| {}).await?;
        let replies = self.transact(lane, key, |commands| {
            for name in &names {
                let of = (key, self.group.as_str(), name.as_str());
                pack_pending_of(commands, of, u64::from(u32::MAX), Destination::Nowhere);
                pack_group_del_consumer(commands, key, &self.group, name, Destination::Nowhere);
            }
        });
        let replies = replies.await?;
        let mut removed = Vec::with_capacity(names.len());
        for (name, pair) in names.into_iter().zip(replies.chunks(2)) {
            let [pending, Value::Integer(_)] = pair else { continue };
            let dropped = read_rows(pending).unwrap_or_default();
            if let Err(error) = self.restore(lane, (key, &name), dropped).await {
                self.report_error(Failure::Consume, &error);
            }
            removed.push(name);
        }
        Ok(removed)
    }

    /// Makes entries pending again that were delivered to a consumer just before its removal. The command is sent again after a
    /// lost connection, since the entries would never be delivered otherwise. Redis ignores the minimum idle time for entries
    /// that are not pending, so a late attempt takes nothing from a new owner.
    async fn restore(
        &self,
        lane: usize,
        (key, name): (&str, &str),
        dropped: Vec<PendingEntry>,
    ) -> Result<(), RedisError> {
        let mut by_count: BTreeMap<u64, Vec<EntryId>> = BTreeMap::new();
        for entry in dropped {
            by_count.entry(entry.deliveries).or_default().push(entry.id);
        }
        for (deliveries, ids) in by_count {
            let (claim, idle) = (Claim::Restore(deliveries), self.options.claim_deadline.as_millis() as u64);
            self.ask(lane, |commands, to| {
                pack_claim(commands, (key, &self.group, name), idle, ids.iter(), claim, to);
            })
            .await?;
        }
        Ok(())
    }

    /// Sends the packed commands as one transaction, and returns their replies.
    async fn transact(
        &self,
        lane: usize,
        key: &str,
        pack: impl FnOnce(&mut Commands),
    ) -> Result<Vec<Value>, RedisError> {
        let (sender, receiver) = oneshot::channel();
        let mut commands = Commands::default();
        commands.begin("MULTI", 1).route_with(key.as_bytes()).end(Destination::Nowhere);
        pack(&mut commands);
        commands.begin("EXEC", 1).route_with(key.as_bytes()).end(Destination::Task(sender));
        commands.bind();
        self.shared(lane).submit(&mut commands);
        // Every command gets a reply or an error.
        match receiver.await.unwrap_or_else(|_| Err(RedisError::closed()))? {
            Value::Array(replies) => Ok(replies),
            _ => Ok(Vec::new()),
        }
    }
}
