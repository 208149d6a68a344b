//! INFO, CONFIG, MONITOR and what else is about the server.

use super::report;
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};
use crate::embedded::protocol::number;
use crate::redis_io::glob;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("asking", 1, "fast", [0, 0, 0], "fast connection", Run::Handler(asking)),
    spec("cluster", -2, "", [0, 0, 0], "slow", Run::Handler(cluster)),
    spec(
        "config|get",
        -3,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous",
        Run::Handler(get),
    ),
    spec(
        "config|set",
        -4,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous",
        Run::Handler(set),
    ),
    spec("info", -1, "loading stale", [0, 0, 0], "slow dangerous", Run::Handler(info)),
    spec(
        "monitor",
        1,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous",
        Run::Handler(monitor),
    ),
    spec("readonly", 1, "loading stale fast", [0, 0, 0], "fast connection", Run::Handler(readonly)),
    spec("role", 1, "noscript loading stale fast", [0, 0, 0], "admin fast dangerous", Run::Handler(role)),
    spec("time", 1, "loading stale fast", [0, 0, 0], "fast", Run::Handler(time)),
    spec("wait", 3, "noscript", [0, 0, 0], "slow connection", Run::Handler(wait)),
    spec("config", -2, "", [0, 0, 0], "slow", Run::Container),
];

const NO_CLUSTER: CommandError = CommandError::new("ERR This instance has cluster support disabled");

fn asking(_: &mut CommandContext<'_>) -> CommandResult {
    Err(NO_CLUSTER)
}

fn cluster(_: &mut CommandContext<'_>) -> CommandResult {
    Err(NO_CLUSTER)
}

fn readonly(_: &mut CommandContext<'_>) -> CommandResult {
    Err(NO_CLUSTER)
}

fn role(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.array(3);
    call.reply.text("master");
    call.reply.integer(0);
    call.reply.array(0);
    Ok(())
}

fn time(call: &mut CommandContext<'_>) -> CommandResult {
    let micros = call.core.clock.wall();
    call.reply.array(2);
    call.reply.digits(micros / 1_000_000);
    call.reply.digits(micros % 1_000_000);
    Ok(())
}

/// There are no replicas that could have what was written.
fn wait(call: &mut CommandContext<'_>) -> CommandResult {
    call.integer(1)?;
    super::client::timeout(call.arg(2))?;
    call.reply.integer(0);
    Ok(())
}

fn monitor(call: &mut CommandContext<'_>) -> CommandResult {
    if call.in_transaction {
        return Err(CommandError::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let id = call.client;
    if !call.me().is_monitor {
        call.me().is_monitor = true;
        call.core.monitors.push(id);
    }
    call.reply.ok();
    Ok(())
}

fn info(call: &mut CommandContext<'_>) -> CommandResult {
    let wanted: Vec<String> =
        call.args[1..].iter().map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    let text = report::write(call.core, &wanted);
    call.reply.text(&text);
    Ok(())
}

/// The settings that can be asked for: how this server behaves, in Redis' words.
fn settings(call: &CommandContext<'_>) -> [(&'static str, String); 12] {
    let fixed = |text: &str| text.to_owned();
    [
        ("appendonly", fixed("no")),
        ("bind", fixed("127.0.0.1")),
        ("databases", fixed("1")),
        ("maxmemory", call.core.max_memory.to_string()),
        ("maxmemory-policy", fixed("noeviction")),
        ("port", call.core.port.to_string()),
        ("proto-max-bulk-len", fixed("536870912")),
        ("save", String::new()),
        ("stream-node-max-bytes", fixed("4096")),
        ("stream-node-max-entries", fixed("100")),
        ("tcp-keepalive", fixed("0")),
        ("timeout", fixed("0")),
    ]
}

fn get(call: &mut CommandContext<'_>) -> CommandResult {
    let patterns: Vec<Vec<u8>> = call.args[2..].iter().map(|arg| arg.to_ascii_lowercase()).collect();
    let is_wanted = |name: &str| patterns.iter().any(|pattern| glob::matches(pattern, name.as_bytes()));
    let found: Vec<_> = settings(call).into_iter().filter(|(name, _)| is_wanted(name)).collect();
    call.reply.array(found.len() * 2);
    for (name, value) in found {
        call.reply.text(name);
        call.reply.text(&value);
    }
    Ok(())
}

fn set(call: &mut CommandContext<'_>) -> CommandResult {
    let pairs = &call.args[2..];
    if !pairs.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    for pair in pairs.chunks_exact(2) {
        if !pair[0].eq_ignore_ascii_case(b"maxmemory") {
            return Err(CommandError::with(&[
                b"ERR Unknown option or number of arguments for CONFIG SET - '",
                pair[0],
                b"'",
            ]));
        }
        call.core.max_memory = memory(pair[1]).ok_or(CommandError::new(
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
        ))?;
    }
    call.reply.ok();
    Ok(())
}

/// Reads an amount of memory, such as `100mb`.
fn memory(text: &[u8]) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit = match &lower[digits..] {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1024,
        b"m" => 1000 * 1000,
        b"mb" => 1024 * 1024,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1024 * 1024 * 1024,
        _ => return None,
    };
    usize::try_from(number::parse(&lower[..digits])?).ok()?.checked_mul(unit)
}
