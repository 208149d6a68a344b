//! Renewals that XCLAIM did not carry out: the entry has another owner, or its idle time is shorter than this consumer
//! knows. The latter follows a clock of Redis that was set back, and replies that take very long.
//!
//! A claim of another consumer counts a delivery. An entry that has another owner without one was taken by a command of an earlier
//! owner, which the network has delivered late. If its job runs here, it is taken back.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{Claim, pack_claim, pack_entry, pack_pending_entry};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashSet;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::lease_renewal::{Renewal, RenewalResult, is_for_now, read_ids};
use crate::engine::consumer::state::ConsumerState;
use crate::engine::protocol::pending_entries::{PendingEntry, read_rows};

/// Returns true if an entry of a renewal still needs it: its job runs, perhaps only since the command left, it waits, or it is
/// delayed.
fn is_held(state: &ConsumerState, renewal: &Renewal, id: EntryId) -> bool {
    let Renewal { key, entries, .. } = renewal;
    let mut tokens = entries.iter().filter(|(entry, _)| *entry == id).map(|(_, token)| *token);
    tokens.any(|token| match token {
        Some(token) => state.jobs.running_job(token).is_some(),
        None if key.idle > 0 => state.delays(key.stream, id),
        None => {
            state.buffers(key.stream, id) || state.delays(key.stream, id) || state.jobs.runs(key.stream, id)
        }
    })
}

/// What Redis knows of an entry.
enum Ownership {
    /// It belongs to this consumer.
    Own(PendingEntry),
    /// It belongs to another consumer.
    Lost(PendingEntry),
    /// It is not pending.
    Gone,
    /// This consumer must not ask.
    Hidden,
    /// Redis did not answer.
    Unknown,
}

impl Consumer {
    /// Looks up the entries that a renewal has missed, and renews those that belong to this consumer, or that a late command has
    /// taken from it. Their minimum idle time is the one that Redis has reported, so it holds by the clock of Redis. An entry
    /// that another consumer claims meanwhile is idle for less.
    pub(crate) async fn renew_missed(
        &self,
        lane: usize,
        renewal: &Renewal,
        renewed: HashSet<EntryId>,
    ) -> RenewalResult {
        let mut result = RenewalResult { renewed, ..RenewalResult::default() };
        let key = renewal.key;
        let ids = renewal.entries.iter().map(|(id, _)| *id);
        let missed: Vec<EntryId> = ids.filter(|id| !result.renewed.contains(id)).collect();
        if missed.is_empty() {
            return result;
        }
        let may_be_taken = self.may_be_taken(renewal);
        let stream_key = self.lock().streams[key.stream as usize].key.clone();
        // No other consumer claims the entries of an owned partition, and without an idle time only one that is gone is missed.
        let (mut gone, asked) = if key.min_idle == 0 { (missed, Vec::new()) } else { (Vec::new(), missed) };
        let (mut own, mut hidden) = (Vec::new(), HashSet::default());
        let sent = Instant::now();
        let replies = self.submit_each(lane, &asked, |commands, id, to| {
            pack_pending_entry(commands, &stream_key, &self.group, *id, to);
        });
        for (id, reply) in asked.into_iter().zip(replies) {
            match self.ownership_in(reply.await.unwrap_or_else(|_| Err(RedisError::closed()))) {
                Ownership::Own(entry) => own.push(entry),
                Ownership::Lost(entry) if self.is_taken_late(renewal, &entry) => own.push(entry),
                Ownership::Lost(_) => drop(result.lost.insert(id)),
                // An entry that was trimmed while it waits still runs, if nobody else can have run it.
                Ownership::Gone if may_be_taken => drop(result.lost.insert(id)),
                Ownership::Gone => gone.push(id),
                Ownership::Hidden if may_be_taken => drop(result.hidden.insert(id)),
                Ownership::Hidden => {
                    hidden.insert(id);
                    gone.push(id);
                }
                Ownership::Unknown => {}
            }
        }
        // After a longer time another consumer can have claimed an entry, which is idle again. The next renewal asks anew.
        if sent.elapsed() > self.options.claim_deadline / 2 {
            own.clear();
        }
        let renewing = self.renew_own(lane, renewal, &stream_key, own);
        for id in self.still_in_stream(lane, renewal, &stream_key, gone).await {
            let left = if hidden.contains(&id) { &mut result.hidden } else { &mut result.lost };
            left.insert(id);
        }
        for reply in renewing {
            if let Ok(Ok(reply)) = reply.await {
                result.renewed.extend(read_ids(reply).unwrap_or_default());
            }
        }
        result
    }

    /// Submits the renewals of entries that belong to this consumer, if they are still needed.
    fn renew_own(
        &self,
        lane: usize,
        renewal: &Renewal,
        stream_key: &str,
        mut own: Vec<PendingEntry>,
    ) -> Vec<oneshot::Receiver<Result<Value, RedisError>>> {
        let names = (stream_key, self.group.as_str(), self.options.id.as_str());
        let key = renewal.key;
        // Under the lock, as other commands on these entries.
        let state = self.lock();
        own.retain(|entry| is_held(&state, renewal, entry.id));
        self.submit_each(lane, &own, |commands, entry, to| {
            let (idle, id) = (entry.idle.as_millis() as u64, std::iter::once(&entry.id));
            pack_claim(commands, names, idle, id, Claim::Touch { idle: key.idle }, to);
        })
    }

    /// Returns those of the entries that are not pending, which another consumer can have run, and which are in the stream. An
    /// earlier consumer has acknowledged them, behind the claim or the takeover. A trimmed one still runs.
    async fn still_in_stream(
        &self,
        lane: usize,
        renewal: &Renewal,
        stream_key: &str,
        mut gone: Vec<EntryId>,
    ) -> Vec<EntryId> {
        {
            let mut state = self.lock();
            gone.retain(|id| state.may_have_run(renewal.key.stream, *id));
        }
        let replies = self.submit_each(lane, &gone, |commands, id, to| {
            pack_entry(commands, stream_key, *id, to);
        });
        let mut found = Vec::new();
        for (id, reply) in gone.into_iter().zip(replies) {
            if let Ok(Ok(Value::Array(entries))) = reply.await
                && !entries.is_empty()
            {
                found.push(id);
            }
        }
        found
    }

    /// Returns true if the last delivery of an entry is that of a job that runs here, and its lease holds.
    fn is_taken_late(&self, renewal: &Renewal, entry: &PendingEntry) -> bool {
        let state = self.lock();
        let of_entry = renewal.entries.iter().filter(|(id, _)| *id == entry.id);
        of_entry
            .filter_map(|(_, token)| state.jobs.running_job((*token)?))
            .any(|slot| slot.deliveries == entry.deliveries && self.holds_lease(slot.touched()))
    }

    /// Submits a command for each of `subjects`. None of them waits for a connection.
    pub(crate) fn submit_each<T>(
        &self,
        lane: usize,
        subjects: &[T],
        pack: impl Fn(&mut Commands, &T, Destination),
    ) -> Vec<oneshot::Receiver<Result<Value, RedisError>>> {
        let mut commands = Commands::default();
        let mut replies = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let (sender, receiver) = oneshot::channel();
            pack(&mut commands, subject, Destination::Task(sender));
            replies.push(receiver);
        }
        if !commands.is_empty() {
            commands.all_expire();
            self.shared(lane).submit(&mut commands);
        }
        replies
    }

    fn ownership_in(&self, reply: Result<Value, RedisError>) -> Ownership {
        match reply {
            Ok(reply) => match read_rows(&reply).unwrap_or_default().pop() {
                Some(entry) if entry.owner == self.options.id => Ownership::Own(entry),
                Some(entry) => Ownership::Lost(entry),
                None => Ownership::Gone,
            },
            Err(error) if is_for_now(&error) || error.reply_code().is_none() => Ownership::Unknown,
            Err(_) => Ownership::Hidden,
        }
    }
}
