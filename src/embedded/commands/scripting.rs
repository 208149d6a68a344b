//! EVAL and SCRIPT. There is no Lua here: the scripts of hfxbus itself are known by their digests.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

#[cfg(feature = "simulation")]
use super::delayed_sends;
use super::streams::retrying;
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Handler, Run, spec};
use crate::embedded::protocol::command_error::{CommandError, NOT_AN_INTEGER};
use crate::embedded::protocol::number;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec(
        "eval",
        -3,
        "noscript stale skip_monitor no_mandatory_keys movablekeys",
        [0, 0, 0],
        "slow scripting",
        Run::Handler(eval),
    ),
    spec(
        "evalsha",
        -3,
        "noscript stale skip_monitor no_mandatory_keys movablekeys",
        [0, 0, 0],
        "slow scripting",
        Run::Handler(evalsha),
    ),
    spec("script|exists", -3, "noscript", [0, 0, 0], "slow scripting", Run::Handler(exists)),
    spec("script|flush", -2, "noscript", [0, 0, 0], "slow scripting", Run::Handler(flush)),
    spec("script|kill", 2, "noscript allow_busy", [0, 0, 0], "slow scripting", Run::Handler(kill)),
    spec("script|load", 3, "noscript stale", [0, 0, 0], "slow scripting", Run::Handler(load)),
    spec("script", -2, "", [0, 0, 0], "slow", Run::Container),
];

const FOREIGN: CommandError = CommandError::new(
    "ERR The embedded server of hfxbus runs no scripts but those of hfxbus itself: use a real Redis for others",
);
const UNKNOWN: CommandError = CommandError::new("NOSCRIPT No matching script. Please use EVAL.");
const TOO_MANY_KEYS: CommandError =
    CommandError::new("ERR Number of keys can't be greater than number of args");
const TOO_FEW_KEYS: CommandError = CommandError::new("ERR Number of keys can't be negative");
const NONE_RUNS: CommandError = CommandError::new("NOTBUSY No scripts in execution right now.");

/// The scripts, by the SHA-1 of their text. The handler of a script finds keys and arguments behind the digest and
/// the number of keys of EVALSHA.
const SCRIPTS: &[(&str, Handler)] = &[
    // hfxbus 2.2.0: claims entries that were not acknowledged in time.
    ("7af43432684d3a8bf5856d64ce605ac768a03f24", retrying::xretry),
    // An entry for an idempotency id.
    #[cfg(feature = "simulation")]
    ("f73fe78eff0d5cf8abe167f996c04af88a1c7647", delayed_sends::add_once),
    // Delayed sends, as the files of the engine have the texts.
    #[cfg(feature = "simulation")]
    ("a87bde8efeca5e00632c60d0699ab24a0711006d", delayed_sends::schedule),
    #[cfg(feature = "simulation")]
    ("05535485f7a6571d01258d1327e1a96ece625890", delayed_sends::find_due),
    #[cfg(feature = "simulation")]
    ("eb94c56897a0cf2f3f0c8e7f0f002faf9019de7e", delayed_sends::release),
    #[cfg(feature = "simulation")]
    ("5d5c6113b0ff381e2292b92683cfc8a9dc4bfb6c", delayed_sends::find_payload),
    #[cfg(feature = "simulation")]
    ("3737463c166fa37a1773fdb16492f0a7e8573354", delayed_sends::cancel),
];

/// Length of a digest in hexadecimal.
const DIGEST: usize = 40;

fn find(sha: &[u8]) -> Option<Handler> {
    SCRIPTS.iter().find(|(known, _)| sha.eq_ignore_ascii_case(known.as_bytes())).map(|(_, run)| *run)
}

/// The SHA-1 of a text, in hexadecimal.
fn sha(text: &[u8]) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The number of keys is one, and there are as many.
fn check_keys(call: &CommandContext<'_>) -> CommandResult {
    let keys = number::parse(call.arg(2)).ok_or(NOT_AN_INTEGER)?;
    match usize::try_from(keys) {
        Err(_) => Err(TOO_FEW_KEYS),
        Ok(keys) if keys > call.args.len() - 3 => Err(TOO_MANY_KEYS),
        Ok(_) => Ok(()),
    }
}

fn eval(call: &mut CommandContext<'_>) -> CommandResult {
    check_keys(call)?;
    let run = find(sha(call.arg(1)).as_bytes()).ok_or(FOREIGN)?;
    run(call)
}

fn evalsha(call: &mut CommandContext<'_>) -> CommandResult {
    if call.arg(1).len() != DIGEST {
        return Err(UNKNOWN);
    }
    check_keys(call)?;
    let run = find(call.arg(1)).ok_or(UNKNOWN)?;
    run(call)
}

fn load(call: &mut CommandContext<'_>) -> CommandResult {
    let sha = sha(call.arg(2));
    find(sha.as_bytes()).ok_or(FOREIGN)?;
    call.reply.text(&sha);
    Ok(())
}

fn exists(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.array(call.args.len() - 2);
    for sha in &call.args[2..] {
        call.reply.integer(i64::from(find(sha).is_some()));
    }
    Ok(())
}

fn flush(call: &mut CommandContext<'_>) -> CommandResult {
    match call.args.len() {
        2 => {}
        3 if call.is(2, "SYNC") || call.is(2, "ASYNC") => {}
        _ => return Err(CommandError::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
    }
    // The table of scripts is fixed: FLUSH removes none of them.
    call.reply.ok();
    Ok(())
}

fn kill(_: &mut CommandContext<'_>) -> CommandResult {
    Err(NONE_RUNS)
}
