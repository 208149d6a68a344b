//! COMMAND.

use crate::embedded::command::{
    Command, CommandContext, CommandResult, CommandSpec, CommandTable, Run, spec,
};
use crate::embedded::execution::subcommands;
use crate::embedded::protocol::command_error::SYNTAX;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::redis_io::glob;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("command", -1, "loading stale", [0, 0, 0], "slow connection", Run::Both(command)),
    spec("command|count", 2, "loading stale", [0, 0, 0], "slow connection", Run::Handler(count)),
    spec("command|docs", -2, "loading stale", [0, 0, 0], "slow connection", Run::Handler(docs)),
    spec("command|info", -2, "loading stale", [0, 0, 0], "slow connection", Run::Handler(info)),
    spec("command|list", -2, "loading stale", [0, 0, 0], "slow connection", Run::Handler(list)),
];

/// Commands that are no subcommands.
fn top(table: &'static CommandTable) -> impl Iterator<Item = &'static Command> {
    table.all().filter(|command| !command.spec.name.contains('|'))
}

fn command(call: &mut CommandContext<'_>) -> CommandResult {
    let all: Vec<&Command> = top(call.table).collect();
    call.reply.array(all.len());
    for command in all {
        describe(call.table, command.spec, call.reply);
    }
    Ok(())
}

fn describe(table: &'static CommandTable, spec: &CommandSpec, reply: &mut ReplyBuffer) {
    reply.array(10);
    reply.text(spec.name);
    reply.integer(spec.arity);
    set(spec.flags, "", reply);
    for key in spec.keys {
        reply.integer(key);
    }
    set(spec.categories, "@", reply);
    // Tips and key specifications are for clients that choose between servers.
    reply.array(0);
    reply.array(0);
    let subcommands = subcommands(table, spec.name);
    reply.array(subcommands.len());
    for command in subcommands {
        describe(table, command.spec, reply);
    }
}

fn set(words: &str, sign: &str, reply: &mut ReplyBuffer) {
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    reply.array(words.len());
    for word in words {
        reply.simple(&format!("{sign}{word}"));
    }
}

fn count(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.count(top(call.table).count());
    Ok(())
}

fn info(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len() == 2 {
        return command(call);
    }
    let names = &call.args[2..];
    call.reply.array(names.len());
    for name in names {
        match call.table.find(name) {
            Some(command) => describe(call.table, command.spec, call.reply),
            None => call.reply.nil_array(),
        }
    }
    Ok(())
}

/// There are no texts about the commands here; `redis-cli` does without.
fn docs(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.array(0);
    Ok(())
}

fn list(call: &mut CommandContext<'_>) -> CommandResult {
    let is_wanted: Box<dyn Fn(&CommandSpec) -> bool> = match *call.args {
        [_, _] => Box::new(|_| true),
        [_, _, _, _, value] if call.is(2, "FILTERBY") && call.is(3, "PATTERN") => {
            Box::new(move |spec| glob::matches(value, spec.name.as_bytes()))
        }
        [_, _, _, _, value] if call.is(2, "FILTERBY") && call.is(3, "ACLCAT") => {
            Box::new(move |spec| spec.categories.split(' ').any(|one| one.as_bytes() == value))
        }
        _ => return Err(SYNTAX),
    };
    let names: Vec<&str> =
        top(call.table).filter(|command| is_wanted(command.spec)).map(|command| command.spec.name).collect();
    call.reply.array(names.len());
    for name in names {
        call.reply.text(name);
    }
    Ok(())
}
