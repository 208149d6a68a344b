//! Executes one command, and counts it.

use crate::embedded::command::{Command, CommandContext, CommandResult, CommandTable, Run};

/// Executes a command. An error replaces the reply.
pub fn run(call: &mut CommandContext<'_>) {
    let number = call.command.number;
    let start = call.reply.len();
    let outcome = match call.command.spec.run {
        Run::Handler(handler) => handler(call),
        Run::Both(handler) if call.args.len() == 1 => handler(call),
        Run::Both(_) | Run::Container => help(call),
    };
    let count = &mut call.core.counts[number];
    count.calls += 1;
    if let Err(refusal) = outcome {
        count.failed += 1;
        call.reply.truncate(start);
        call.reply.error(&refusal);
    }
    #[cfg(feature = "simulation")]
    crate::redis_io::world::simulation::executed(call.core.port, call.args, call.reply.since(start));
}

/// Replies the subcommands of a command.
fn help(call: &mut CommandContext<'_>) -> CommandResult {
    let container = call.command.spec.name;
    let subcommands = subcommands(call.table, container);
    call.reply.array(subcommands.len() + 1);
    call.reply.simple(&format!("{} has these subcommands here:", container.to_ascii_uppercase()));
    for command in subcommands {
        call.reply.simple(&command.spec.name[container.len() + 1..].to_ascii_uppercase());
    }
    Ok(())
}

/// Returns the subcommands of a container.
pub fn subcommands(table: &'static CommandTable, container: &str) -> Vec<&'static Command> {
    let is_sub = |name: &str| name.strip_prefix(container).is_some_and(|rest| rest.starts_with('|'));
    table.all().filter(|command| is_sub(command.spec.name)).collect()
}
