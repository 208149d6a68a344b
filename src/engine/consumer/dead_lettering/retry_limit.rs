//! Entries that are not delivered again: they were delivered too often, or their job said so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_acknowledge, pack_claim};
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};

use crate::engine::connections::client::closed;
use crate::engine::consumer::Consumer;
use crate::engine::consumer::claiming::claim::found_of;
use crate::engine::host::{Event, Failure, Found};
use crate::engine::protocol::dead_letter::{DeadLetter, Reason, pack_dead_letter};
use crate::engine::protocol::job_id::new_id;
use crate::engine::protocol::pending_entries::Pending;
use crate::engine::runtime::backoff::Backoff;

/// A job that was rejected for the last time.
pub(crate) struct GivenUp {
    /// Index of the stream.
    pub(crate) stream: usize,
    /// Its entry.
    pub(crate) found: Found,
    /// Why.
    pub(crate) reason: Reason,
    /// The error as JSON.
    pub(crate) error: String,
    /// For how long the entry must have been idle, in ms, if nobody else is at it; none if nobody else can be.
    pub(crate) min_idle: Option<u64>,
}

impl Consumer {
    /// The search for entries to claim came across these, which have been `idle`. Each is reported once; `ends` says
    /// that the search is through, after which those that it has not come across are forgotten.
    pub(crate) async fn find_exhausted(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
        pending: Vec<Pending>,
        idle: Duration,
        ends: bool,
    ) -> Result<(), RedisError> {
        let buries = self.options.dead_letter.is_some();
        let fresh: Vec<Pending> = {
            let mut state = self.lock();
            let (now, known) = (Instant::now(), &mut state.streams[stream]);
            // What is to be moved stays to be moved until it is, and what is to be reported until it is known.
            let is_fresh = |entry: &Pending| match known.exhausted.get_mut(&entry.id) {
                Some(seen) => {
                    *seen = now;
                    buries
                }
                None => true,
            };
            let fresh = pending.into_iter().filter(is_fresh).collect();
            if ends && let Some(began) = known.search_began.take() {
                // One that was given up here is not come across before it was idle for long enough.
                known.exhausted.retain(|_, seen| *seen + self.options.claim_deadline >= began);
            }
            fresh
        };
        let ids: Vec<EntryId> = fresh.iter().map(|entry| entry.id).collect();
        let mut gone = Vec::new();
        for (pending, entry) in fresh.into_iter().zip(self.fetch(lane, key, &ids).await?) {
            let Some(entry) = entry else {
                gone.push(pending.id);
                continue;
            };
            let entry = OwnedEntry::read(&entry).unwrap_or_default();
            let found = found_of(key, pending, entry.producer, entry.job.unwrap_or_else(new_id));
            if !buries {
                self.lock().streams[stream].exhausted.insert(found.id, Instant::now());
                self.report_exhausted(&found, false);
            } else if self.takes_over(lane, &found, idle.as_millis() as u64).await? {
                self.move_away(stream, lane, &found, Reason::Exhausted, None).await?;
            }
        }
        self.acknowledge_trimmed(stream, lane, key, &gone);
        Ok(())
    }

    /// A job of this consumer was rejected for the last time. What Redis is too busy for is tried again, as long as
    /// nobody else is at the entry.
    pub(crate) fn give_up(&self, mut one: GivenUp) {
        let Some(consumer) = self.this.upgrade() else { return };
        self.node_set.context().tasks.spawn(async move {
            let cuts = consumer.lock().ends.cuts;
            let mut backoff = Backoff::default();
            let mut ended = consumer.end_story(&mut one).await;
            while ended.as_ref().is_err_and(RedisError::is_passing) && consumer.lock().ends.cuts == cuts {
                tokio::time::sleep(backoff.next_wait().min(consumer.lease_interval())).await;
                ended = consumer.end_story(&mut one).await;
            }
            consumer.lock().giving_up -= 1;
            if let Err(error) = ended {
                consumer.complain(Failure::Consume, &error);
            }
            consumer.tell_of_quiet();
        });
    }

    async fn end_story(&self, one: &mut GivenUp) -> Result<(), RedisError> {
        let lane = self.lock().streams[one.stream].lane;
        if let Some(min_idle) = one.min_idle
            && !self.takes_over(lane, &one.found, min_idle).await?
        {
            // Whoever has it by now ends it.
            return Ok(());
        }
        // If this has to be tried again, that is some time later.
        one.min_idle = Some(0);
        let GivenUp { stream, found, reason, error, .. } = one;
        if self.options.dead_letter.is_some() {
            return self.move_away(*stream, lane, found, *reason, Some(error)).await;
        }
        if *reason == Reason::Unrecoverable {
            // Whoever claims counts deliveries, so that is how they are told.
            let count = found.deliveries.max(self.options.retry_limit);
            let names = (found.stream.as_str(), self.group.as_str(), self.options.id.as_str());
            self.ask(lane, |commands, to| {
                pack_claim(commands, names, 0, std::iter::once(&found.id), Claim::Count(count), to);
            })
            .await?;
        }
        if self.options.claim_interval.is_some() {
            // The search for entries to claim will come across it.
            self.lock().streams[*stream].exhausted.insert(found.id, Instant::now());
        }
        self.report_exhausted(found, false);
        Ok(())
    }

    fn report_exhausted(&self, entry: &Found, moved: bool) {
        self.lock().counts.exhausted += 1;
        let host = &self.node_set.context().host;
        host.event(Event::Exhausted { consumer: self.number, entry, moved });
        host.wake();
    }

    /// Makes sure that of several consumers that come across an entry only one goes on: the one that finds it idle for
    /// so many ms.
    async fn takes_over(&self, lane: usize, found: &Found, min_idle: u64) -> Result<bool, RedisError> {
        let names = (found.stream.as_str(), self.group.as_str(), self.options.id.as_str());
        let taken = self.ask(lane, |commands, to| {
            pack_claim(commands, names, min_idle, std::iter::once(&found.id), Claim::Touch { idle: 0 }, to);
        });
        Ok(matches!(taken.await?, Value::Array(ids) if !ids.is_empty()))
    }

    /// Moves an entry to the dead letters and reports it.
    async fn move_away(
        &self,
        stream: usize,
        lane: usize,
        found: &Found,
        reason: Reason,
        error: Option<&str>,
    ) -> Result<(), RedisError> {
        let Some(name) = &self.options.dead_letter else { return Ok(()) };
        let node = self.node(lane).clone();
        let target = node.keys().stream(name);
        let from = self.lock().streams[stream].options.name.clone();
        self.record_failure(stream, lane, found, error).await?;
        let letter = DeadLetter { found, from: &from, group: &self.options.group, reason, error };
        let together = node.slot(&target) == node.slot(&found.stream);
        if together {
            self.move_at_once(lane, &target, &letter).await?;
        } else {
            // In a Cluster they may be on different nodes: rather twice than not at all.
            self.ask(lane, |commands, to| pack_dead_letter(commands, &target, &letter, to)).await?;
            self.ask(lane, |commands, to| {
                pack_acknowledge(commands, (&found.stream, &self.group), std::iter::once(&found.id), to);
            })
            .await?;
        }
        self.report_exhausted(found, true);
        Ok(())
    }

    /// XADD and XACK in one transaction, none of which is sent again if the connection drops: what was not carried out
    /// is found pending again.
    async fn move_at_once(
        &self,
        lane: usize,
        target: &str,
        letter: &DeadLetter<'_>,
    ) -> Result<(), RedisError> {
        let key = letter.found.stream.as_str();
        let (sender, receiver) = oneshot::channel();
        let mut commands = Commands::default();
        commands.begin("MULTI", 1).route_with(key.as_bytes()).end(Destination::Nowhere);
        pack_dead_letter(&mut commands, target, letter, Destination::Nowhere);
        let ids = std::iter::once(&letter.found.id);
        pack_acknowledge(&mut commands, (key, &self.group), ids, Destination::Nowhere);
        commands.begin("EXEC", 1).route_with(key.as_bytes()).end(Destination::Task(sender));
        commands.send_once();
        self.shared(lane).submit(&mut commands);
        // Whoever takes a command gives its reply, or an error.
        let replies = receiver.await.unwrap_or_else(|_| Err(closed()))?;
        let Value::Array(replies) = replies else { return Ok(()) };
        let Some(text) = replies.into_iter().find_map(error_in) else { return Ok(()) };
        // One failed, which does not keep Redis from carrying out the other: without a letter the entry is to stay.
        let names = (key, self.group.as_str(), self.options.id.as_str());
        self.ask(lane, |commands, to| {
            let ids = std::iter::once(&letter.found.id);
            pack_claim(commands, names, 0, ids, Claim::Restore(letter.found.deliveries), to);
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
