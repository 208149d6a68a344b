//! The script with which hfxbus 2.2.0 claims what was not acknowledged in time.

use super::claiming::{ClaimOptions, Claimed};
use crate::embedded::command::{CommandContext, CommandResult};
use crate::embedded::key::Key;
use crate::embedded::protocol::command_error::{CommandError, NOT_AN_INTEGER};
use crate::embedded::protocol::number;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id::GREATEST;
use crate::redis_io::streams::entry::EntryId;

/// Keys of the script.
struct Plan<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    retry_limit: i64,
    count: usize,
    page_size: usize,
    deadline: i64,
}

/// Pending entry that can be claimed.
struct Candidate<'a> {
    stream: &'a [u8],
    id: EntryId,
    owner: Key,
    idle: u64,
    deliveries: u64,
}

/// Claims entries of the streams in its arguments, and replies each as `[id, owner, idle, deliveries, stream,
/// fields]`, with what was true before. Pages overlap by one entry, and a page is taken in full once it is begun.
pub fn xretry(call: &mut CommandContext<'_>) -> CommandResult {
    let number = |at: usize| call.args.get(at).and_then(|arg| number::parse(arg)).ok_or(NOT_AN_INTEGER);
    let plan = Plan {
        group: call.args.get(3).copied().unwrap_or_default(),
        consumer: call.args.get(4).copied().unwrap_or_default(),
        retry_limit: number(5)?,
        count: number(6)?.max(0) as usize,
        page_size: number(7)?.max(0) as usize,
        deadline: number(8)?,
    };
    let streams = call.args.get(9..).unwrap_or_default();
    let mut candidates = Vec::new();
    for key in streams {
        let stream = call.core.keyspace.stream(key)?;
        let group = stream.and_then(|stream| stream.groups.get(plan.group));
        if group.is_none() {
            return Err(CommandError::no_group(key, plan.group, ""));
        }
        if let Some(stream) = stream {
            plan.look(key, stream, call.now(), &mut candidates);
        }
        if candidates.len() >= plan.count {
            break;
        }
    }
    let open = call.reply.open();
    let mut claimed = 0;
    for candidate in candidates {
        claimed += usize::from(plan.claim(call, &candidate));
    }
    call.reply.close(open, claimed);
    Ok(())
}

impl<'a> Plan<'a> {
    /// Adds the candidates, page by page.
    fn look(&self, key: &'a [u8], stream: &Stream, now: u64, candidates: &mut Vec<Candidate<'a>>) {
        let Some(group) = stream.groups.get(self.group) else { return };
        let mut from = group.pending.keys().next().copied();
        while let Some(start) = from.filter(|_| candidates.len() < self.count) {
            let page: Vec<_> = group.pending.range(start..=GREATEST).take(self.page_size).collect();
            for &(&id, pending) in &page {
                let idle = now.saturating_sub(pending.delivered_at);
                if (pending.deliveries as i64) < self.retry_limit && idle as i64 >= self.deadline {
                    let (owner, deliveries) = (pending.consumer.clone(), pending.deliveries);
                    candidates.push(Candidate { stream: key, id, owner, idle, deliveries });
                }
            }
            // The next page begins with the last entry of this one. A page that is nothing but its beginning would
            // be the next one too, for ever.
            let last = page.last().map(|(id, _)| **id).filter(|&id| id != start);
            from = last.filter(|_| page.len() >= self.page_size);
        }
    }

    fn claim(&self, call: &mut CommandContext<'_>, candidate: &Candidate<'_>) -> bool {
        let now = call.now();
        let claim = ClaimOptions {
            min_idle: self.deadline.max(0) as u64,
            delivered_at: now,
            deliveries: Some(candidate.deliveries + 1),
            force: false,
            just_id: false,
        };
        let reply = &mut *call.reply;
        let claimed = call.core.keyspace.change_stream(candidate.stream, |stream| {
            let Some(group) = stream.groups.get_mut(self.group) else { return false };
            let (consumer, _) = group.meet(self.consumer, now);
            let is_claimed = claim.take(stream, self.group, &consumer, candidate.id, now) == Claimed::Yes;
            if is_claimed {
                write(stream, candidate, reply);
            }
            is_claimed
        });
        claimed.is_ok_and(|claimed| claimed == Some(true))
    }
}

fn write(stream: &Stream, candidate: &Candidate<'_>, reply: &mut ReplyBuffer) {
    let Some(entry) = stream.log.get(candidate.id) else { return };
    reply.array(6);
    reply.id(candidate.id);
    reply.bulk(&candidate.owner);
    reply.integer(candidate.idle);
    reply.integer(candidate.deliveries);
    reply.bulk(candidate.stream);
    entry.write_fields(reply);
}
