//! Strings that are numbers.

use crate::embedded::call::{Call, Outcome};
use crate::embedded::keyspace::Value;
use crate::embedded::number;
use crate::embedded::refusal::{NOT_AN_INTEGER, Refusal};
use crate::embedded::table::{Row, Run, row};

/// The rows of these commands.
pub const ROWS: &[Row] = &[
    row("decr", 2, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(decr)),
    row("decrby", 3, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(decrby)),
    row("incr", 2, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(incr)),
    row("incrby", 3, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(incrby)),
];

const OVERFLOW: Refusal = Refusal::new("ERR increment or decrement would overflow");

fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> Outcome {
    let by = call.integer(2)?;
    add(call, by)
}

fn decrby(call: &mut Call<'_>) -> Outcome {
    let by = call.integer(2)?;
    add(call, by.checked_neg().ok_or(Refusal::new("ERR decrement would overflow"))?)
}

fn add(call: &mut Call<'_>, by: i64) -> Outcome {
    let key = call.arg(1);
    let value = match call.core.keyspace.text(key)? {
        Some(text) => number::parse(text).ok_or(NOT_AN_INTEGER)?,
        None => 0,
    };
    let sum = value.checked_add(by).ok_or(OVERFLOW)?;
    call.core.keyspace.put(key, Value::Text(sum.to_string().into_bytes()));
    call.core.touch(key);
    call.reply.integer(sum);
    Ok(())
}
