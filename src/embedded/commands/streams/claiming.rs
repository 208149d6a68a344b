//! Commands that claim pending entries: XCLAIM and XAUTOCLAIM.

use super::pending::check_group;
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};
use crate::embedded::protocol::number;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::streams::group::UnacknowledgedEntry;
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id::{self, GREATEST, LEAST};
use crate::redis_io::streams::entry::EntryId;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("xautoclaim", -6, "write fast", [1, 1, 1], "write stream fast", Run::Handler(xautoclaim)),
    spec("xclaim", -6, "write fast", [1, 1, 1], "write stream fast", Run::Handler(xclaim)),
];

/// Number of entries that XAUTOCLAIM reads for each one it can claim.
const ATTEMPTS: i64 = 10;

/// Options of a claim.
pub struct ClaimOptions {
    /// At least so long ago they were delivered, in ms.
    pub min_idle: u64,
    /// Delivery time that the entries get.
    pub delivered_at: u64,
    /// Delivery count that the entries get. Without it the count grows by one, unless only ids are wanted.
    pub deliveries: Option<u64>,
    /// Claims entries that are not pending too.
    pub force: bool,
    /// Replies ids only.
    pub just_id: bool,
}

/// Outcome of a claim for one entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It has changed hands.
    Yes,
    /// It was delivered too recently, or not at all.
    No,
    /// It left the stream, and is no longer pending.
    Gone,
}

impl ClaimOptions {
    /// Claims one entry for a consumer, who is made known to the group by that.
    pub fn take(&self, stream: &mut Stream, group: &[u8], consumer: &[u8], id: EntryId, now: u64) -> Claimed {
        let Stream { log, groups } = stream;
        let Some(group) = groups.get_mut(group) else { return Claimed::No };
        if log.get(id).is_none() {
            return if group.settle(id) { Claimed::Gone } else { Claimed::No };
        }
        let deliveries = match group.pending.get(&id) {
            None if !self.force => return Claimed::No,
            // As if it had been delivered before.
            None => 1,
            Some(pending) if now.saturating_sub(pending.delivered_at) < self.min_idle => {
                return Claimed::No;
            }
            Some(pending) => pending.deliveries,
        };
        let more = u64::from(!self.just_id);
        let deliveries = self.deliveries.unwrap_or(deliveries + more);
        let (consumer, _) = group.meet(consumer, now);
        group.assign(id, UnacknowledgedEntry { consumer, delivered_at: self.delivered_at, deliveries });
        Claimed::Yes
    }
}

fn min_idle(call: &CommandContext<'_>, name: &str) -> Result<u64, CommandError> {
    let name = name.as_bytes();
    let idle = number::parse(call.arg(4))
        .ok_or_else(|| CommandError::with(&[b"ERR Invalid min-idle-time argument for ", name]))?;
    Ok(idle.max(0) as u64)
}

fn xclaim(call: &mut CommandContext<'_>) -> CommandResult {
    let (key, group, consumer) = (call.arg(1), call.arg(2), call.arg(3));
    check_group(call, key, group)?;
    let now = call.now();
    let min_idle = min_idle(call, "XCLAIM")?;
    let ids: Vec<EntryId> = call.args[5..].iter().map_while(|id| stream_id::parse(id, 0).ok()).collect();
    let (claim, last) = claim_options(call, 5 + ids.len(), min_idle, now)?;
    let reply = &mut *call.reply;
    call.core.keyspace.change_stream(key, |stream| {
        if let Some(group) = stream.groups.get_mut(group) {
            group.last = group.last.max(last);
        }
        let open = reply.open();
        let mut written = 0;
        for id in ids {
            if claim.take(stream, group, consumer, id, now) == Claimed::Yes {
                write(stream, id, claim.just_id, reply);
                written += 1;
            }
        }
        reply.close(open, written);
    })?;
    Ok(())
}

fn claim_options(
    call: &CommandContext<'_>,
    mut at: usize,
    min_idle: u64,
    now: u64,
) -> Result<(ClaimOptions, EntryId), CommandError> {
    let mut claim =
        ClaimOptions { min_idle, delivered_at: now, deliveries: None, force: false, just_id: false };
    let mut last = LEAST;
    let number = |at: usize, name: &str| {
        let name = name.as_bytes();
        number::parse(call.arg(at))
            .ok_or_else(|| CommandError::with(&[b"ERR Invalid ", name, b" option argument for XCLAIM"]))
    };
    // What is in the future, or before 1970, is now.
    let sane = |time: i64| u64::try_from(time).ok().filter(|&time| time <= now).unwrap_or(now);
    while at < call.args.len() {
        let more = call.after(at);
        if call.is(at, "FORCE") {
            claim.force = true;
            at += 1;
            continue;
        } else if call.is(at, "JUSTID") {
            claim.just_id = true;
            at += 1;
            continue;
        } else if more > 0 && call.is(at, "IDLE") {
            claim.delivered_at = sane((now as i64).wrapping_sub(number(at + 1, "IDLE")?));
        } else if more > 0 && call.is(at, "TIME") {
            claim.delivered_at = sane(number(at + 1, "TIME")?);
        } else if more > 0 && call.is(at, "RETRYCOUNT") {
            claim.deliveries = u64::try_from(number(at + 1, "RETRYCOUNT")?).ok();
        } else if more > 0 && call.is(at, "LASTID") {
            last = stream_id::parse(call.arg(at + 1), 0)?;
        } else {
            return Err(CommandError::with(&[b"ERR Unrecognized XCLAIM option '", call.arg(at), b"'"]));
        }
        at += 2;
    }
    Ok((claim, last))
}

fn write(stream: &Stream, id: EntryId, just_id: bool, reply: &mut ReplyBuffer) {
    match stream.log.get(id) {
        Some(entry) if !just_id => entry.write(reply),
        _ => reply.id(id),
    }
}

fn xautoclaim(call: &mut CommandContext<'_>) -> CommandResult {
    let (key, group, consumer) = (call.arg(1), call.arg(2), call.arg(3));
    let min_idle = min_idle(call, "XAUTOCLAIM")?;
    let from = stream_id::parse_start(call.arg(5))?;
    let (mut count, mut just_id, mut at) = (100, false, 6);
    while at < call.args.len() {
        if call.is(at, "COUNT") && call.after(at) > 0 {
            let given = number::parse(call.arg(at + 1));
            count = given
                .filter(|&count| count > 0 && count <= i64::MAX / 16)
                .ok_or(CommandError::new("ERR COUNT must be > 0"))?;
            at += 2;
        } else if call.is(at, "JUSTID") {
            just_id = true;
            at += 1;
        } else {
            return Err(SYNTAX);
        }
    }
    check_group(call, key, group)?;
    let now = call.now();
    let claim = ClaimOptions { min_idle, delivered_at: now, deliveries: None, force: false, just_id };
    let reply = &mut *call.reply;
    call.core.keyspace.change_stream(key, |stream| {
        sweep(stream, group, consumer, &claim, Sweep { from, count, now }, reply);
    })?;
    Ok(())
}

/// Start of a claim, and its number of entries.
struct Sweep {
    from: EntryId,
    count: i64,
    now: u64,
}

fn sweep(
    stream: &mut Stream,
    group: &[u8],
    consumer: &[u8],
    claim: &ClaimOptions,
    mut sweep: Sweep,
    reply: &mut ReplyBuffer,
) {
    let mut attempts = sweep.count * ATTEMPTS;
    let mut next = next_pending(stream, group, Some(sweep.from));
    let mut gone = Vec::new();
    reply.array(3);
    let mut entries = ReplyBuffer::default();
    let mut written = 0;
    while let Some(id) = next.filter(|_| attempts > 0 && sweep.count > 0) {
        attempts -= 1;
        match claim.take(stream, group, consumer, id, sweep.now) {
            Claimed::Yes => {
                write(stream, id, claim.just_id, &mut entries);
                written += 1;
                sweep.count -= 1;
            }
            Claimed::Gone => {
                gone.push(id);
                sweep.count -= 1;
            }
            Claimed::No => {}
        }
        next = next_pending(stream, group, id.successor());
    }
    reply.id(next.unwrap_or(LEAST));
    reply.array(written);
    reply.raw(&entries.into_bytes());
    reply.array(gone.len());
    for id in gone {
        reply.id(id);
    }
}

fn next_pending(stream: &Stream, group: &[u8], from: Option<EntryId>) -> Option<EntryId> {
    stream.groups.get(group)?.pending.range(from?..=GREATEST).next().map(|(id, _)| *id)
}
