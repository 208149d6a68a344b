//! COMMAND.

use crate::embedded::command_context::{CommandContext, Outcome};
use crate::embedded::command_error::SYNTAX;
use crate::embedded::command_table::{self, Command, CommandSpec, Run, spec};
use crate::embedded::reply::Reply;
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
fn top() -> impl Iterator<Item = &'static Command> {
    command_table::all().filter(|command| !command.spec.name.contains('|'))
}

fn subcommands(container: &str) -> Vec<&'static Command> {
    let is_sub = |name: &str| name.strip_prefix(container).is_some_and(|rest| rest.starts_with('|'));
    command_table::all().filter(|command| is_sub(command.spec.name)).collect()
}

/// Says which subcommands a command has here.
pub fn help(call: &mut CommandContext<'_>) -> Outcome {
    let container = call.command.spec.name;
    let subcommands = subcommands(container);
    call.reply.array(subcommands.len() + 1);
    call.reply.simple(&format!("{} has these subcommands here:", container.to_ascii_uppercase()));
    for command in subcommands {
        call.reply.simple(&command.spec.name[container.len() + 1..].to_ascii_uppercase());
    }
    Ok(())
}

fn command(call: &mut CommandContext<'_>) -> Outcome {
    let all: Vec<&Command> = top().collect();
    call.reply.array(all.len());
    for command in all {
        describe(command.spec, call.reply);
    }
    Ok(())
}

fn describe(row: &CommandSpec, reply: &mut Reply) {
    reply.array(10);
    reply.text(row.name);
    reply.integer(row.arity);
    set(row.flags, "", reply);
    for key in row.keys {
        reply.integer(key);
    }
    set(row.categories, "@", reply);
    // Tips and key specifications are for clients that choose between servers.
    reply.array(0);
    reply.array(0);
    let subcommands = subcommands(row.name);
    reply.array(subcommands.len());
    for command in subcommands {
        describe(command.spec, reply);
    }
}

fn set(words: &str, sign: &str, reply: &mut Reply) {
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    reply.array(words.len());
    for word in words {
        reply.simple(&format!("{sign}{word}"));
    }
}

fn count(call: &mut CommandContext<'_>) -> Outcome {
    call.reply.count(top().count());
    Ok(())
}

fn info(call: &mut CommandContext<'_>) -> Outcome {
    if call.args.len() == 2 {
        return command(call);
    }
    let names = &call.args[2..];
    call.reply.array(names.len());
    for name in names {
        match command_table::find(name) {
            Some(command) => describe(command.spec, call.reply),
            None => call.reply.nil_array(),
        }
    }
    Ok(())
}

/// There are no texts about the commands here; `redis-cli` does without.
fn docs(call: &mut CommandContext<'_>) -> Outcome {
    call.reply.array(0);
    Ok(())
}

fn list(call: &mut CommandContext<'_>) -> Outcome {
    let is_wanted: Box<dyn Fn(&CommandSpec) -> bool> = match *call.args {
        [_, _] => Box::new(|_| true),
        [_, _, _, _, value] if call.is(2, "FILTERBY") && call.is(3, "PATTERN") => {
            Box::new(move |row| glob::matches(value, row.name.as_bytes()))
        }
        [_, _, _, _, value] if call.is(2, "FILTERBY") && call.is(3, "ACLCAT") => {
            Box::new(move |row| row.categories.split(' ').any(|one| one.as_bytes() == value))
        }
        _ => return Err(SYNTAX),
    };
    let names: Vec<&str> =
        top().filter(|command| is_wanted(command.spec)).map(|command| command.spec.name).collect();
    call.reply.array(names.len());
    for name in names {
        call.reply.text(name);
    }
    Ok(())
}
