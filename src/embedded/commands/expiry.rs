//! Until when keys are there.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::CommandError;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("expire", -3, "write fast", [1, 1, 1], "keyspace write fast", Run::Handler(expire)),
    spec("expireat", -3, "write fast", [1, 1, 1], "keyspace write fast", Run::Handler(expireat)),
    spec("expiretime", 2, "readonly fast", [1, 1, 1], "keyspace read fast", Run::Handler(expiretime)),
    spec("persist", 2, "write fast", [1, 1, 1], "keyspace write fast", Run::Handler(persist)),
    spec("pexpire", -3, "write fast", [1, 1, 1], "keyspace write fast", Run::Handler(pexpire)),
    spec("pexpireat", -3, "write fast", [1, 1, 1], "keyspace write fast", Run::Handler(pexpireat)),
    spec("pexpiretime", 2, "readonly fast", [1, 1, 1], "keyspace read fast", Run::Handler(pexpiretime)),
    spec("pttl", 2, "readonly fast", [1, 1, 1], "keyspace read fast", Run::Handler(pttl)),
    spec("ttl", 2, "readonly fast", [1, 1, 1], "keyspace read fast", Run::Handler(ttl)),
];

/// Unit of a given time.
#[derive(Clone, Copy)]
pub struct Unit {
    /// In seconds, not in ms.
    pub is_seconds: bool,
    /// Since 1970, not since now.
    pub is_absolute: bool,
}

/// Time of the expiry, in ms since 1970; `None` on overflow. A time before 1970 becomes 0.
pub fn deadline(given: i64, unit: Unit, now: u64) -> Option<u64> {
    let ms = if unit.is_seconds { given.checked_mul(1000)? } else { given };
    let at = if unit.is_absolute { ms } else { ms.checked_add(i64::try_from(now).ok()?)? };
    Some(at.max(0) as u64)
}

const SECONDS: Unit = Unit { is_seconds: true, is_absolute: false };
const MS: Unit = Unit { is_seconds: false, is_absolute: false };
const AT_SECONDS: Unit = Unit { is_seconds: true, is_absolute: true };
const AT_MS: Unit = Unit { is_seconds: false, is_absolute: true };

fn expire(call: &mut CommandContext<'_>) -> CommandResult {
    set(call, SECONDS)
}

fn pexpire(call: &mut CommandContext<'_>) -> CommandResult {
    set(call, MS)
}

fn expireat(call: &mut CommandContext<'_>) -> CommandResult {
    set(call, AT_SECONDS)
}

fn pexpireat(call: &mut CommandContext<'_>) -> CommandResult {
    set(call, AT_MS)
}

/// Condition on the expiry that a new one replaces.
#[derive(Default)]
struct Conditions {
    missing: bool,
    there: bool,
    greater: bool,
    less: bool,
}

impl Conditions {
    fn read(call: &CommandContext<'_>) -> Result<Self, CommandError> {
        let mut conditions = Self::default();
        for at in 3..call.args.len() {
            if call.is(at, "NX") {
                conditions.missing = true;
            } else if call.is(at, "XX") {
                conditions.there = true;
            } else if call.is(at, "GT") {
                conditions.greater = true;
            } else if call.is(at, "LT") {
                conditions.less = true;
            } else {
                return Err(CommandError::with(&[b"ERR Unsupported option ", call.arg(at)]));
            }
        }
        if conditions.missing && (conditions.there || conditions.greater || conditions.less) {
            return Err(CommandError::new(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.greater && conditions.less {
            return Err(CommandError::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Returns true if `new` can replace `old`. A missing expiry counts as later than any other.
    fn allow(&self, old: Option<u64>, new: u64) -> bool {
        !(self.missing && old.is_some()
            || self.there && old.is_none()
            || self.greater && old.is_none_or(|old| new <= old)
            || self.less && old.is_some_and(|old| new >= old))
    }
}

fn set(call: &mut CommandContext<'_>, unit: Unit) -> CommandResult {
    let conditions = Conditions::read(call)?;
    let name = call.command.spec.name.as_bytes();
    let at = deadline(call.integer(2)?, unit, call.now())
        .ok_or_else(|| CommandError::with(&[b"ERR invalid expire time in '", name, b"' command"]))?;
    let key = call.arg(1);
    let old = call.core.keyspace.expires_at(key);
    let changes = call.core.keyspace.contains(key) && conditions.allow(old, at);
    if changes && at <= call.now() {
        call.core.remove(key);
    } else if changes {
        call.core.keyspace.set_expiry(key, Some(at));
        call.core.touch(key);
    }
    call.reply.integer(i64::from(changes));
    Ok(())
}

fn persist(call: &mut CommandContext<'_>) -> CommandResult {
    let key = call.arg(1);
    let changes = call.core.keyspace.expires_at(key).is_some();
    if changes {
        call.core.keyspace.set_expiry(key, None);
        call.core.touch(key);
    }
    call.reply.integer(i64::from(changes));
    Ok(())
}

fn ttl(call: &mut CommandContext<'_>) -> CommandResult {
    tell(call, |at, now| (at.saturating_sub(now) + 500) / 1000)
}

fn pttl(call: &mut CommandContext<'_>) -> CommandResult {
    tell(call, u64::saturating_sub)
}

fn expiretime(call: &mut CommandContext<'_>) -> CommandResult {
    tell(call, |at, _| (at + 500) / 1000)
}

fn pexpiretime(call: &mut CommandContext<'_>) -> CommandResult {
    tell(call, |at, _| at)
}

fn tell(call: &mut CommandContext<'_>, convert: fn(u64, u64) -> u64) -> CommandResult {
    let key = call.arg(1);
    let now = call.now();
    match (call.core.keyspace.contains(key), call.core.keyspace.expires_at(key)) {
        (false, _) => call.reply.integer(-2),
        (true, None) => call.reply.integer(-1),
        (true, Some(at)) => call.reply.integer(convert(at, now)),
    }
    Ok(())
}
