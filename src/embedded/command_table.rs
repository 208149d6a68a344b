//! The commands there are.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::command_context::{CommandContext, Outcome};
use super::command_error::CommandError;
use super::commands;

/// What carries a command out.
pub type Handler = fn(&mut CommandContext<'_>) -> Outcome;

/// How a command is carried out.
#[derive(Clone, Copy)]
pub enum Run {
    /// By this.
    Handler(Handler),
    /// By one of its subcommands, which have rows of their own. What is left is HELP.
    Container,
    /// By this if it stands alone, and else by one of its subcommands, or HELP.
    Both(Handler),
}

/// What COMMAND says of a command.
pub struct CommandSpec {
    /// In lower case; a subcommand's follows its container's and a `|`.
    pub name: &'static str,
    /// How many words it has, itself included; if negative, at least so many.
    pub arity: i32,
    /// What is special about it.
    pub flags: &'static str,
    /// Which of its words are keys: the first, the last, and from one to the next.
    pub keys: [i32; 3],
    /// What access rules go by.
    pub categories: &'static str,
    /// How it is carried out.
    pub run: Run,
}

/// A row.
pub const fn spec(
    name: &'static str,
    arity: i32,
    flags: &'static str,
    keys: [i32; 3],
    categories: &'static str,
    run: Run,
) -> CommandSpec {
    CommandSpec { name, arity, flags, keys, categories, run }
}

/// A row, and what has to be known of it at every call.
pub struct Command {
    /// What COMMAND says.
    pub spec: &'static CommandSpec,
    /// Numbers the commands.
    pub number: usize,
    /// Whether it changes keys.
    pub writes: bool,
    /// Whether it is refused while memory is full.
    pub needs_memory: bool,
    /// Whether who has not authenticated may call it.
    pub is_open: bool,
    /// Whether a subscriber may call it.
    pub is_for_subscribers: bool,
    /// Whether it is carried out at once in a transaction instead of being queued.
    pub ends_transaction: bool,
    /// Whether monitors do not hear of it, or not before it is carried out.
    pub is_silent: bool,
}

/// The longest name, with room to spare: what is longer is no command.
const LONGEST_NAME: usize = 64;

struct Table {
    commands: Vec<Command>,
    by_name: HashMap<&'static [u8], usize>,
}

static TABLE: OnceLock<Table> = OnceLock::new();

fn table() -> &'static Table {
    TABLE.get_or_init(|| {
        let commands: Vec<Command> = commands::specs().enumerate().map(command).collect();
        let by_name = commands.iter().map(|one| (one.spec.name.as_bytes(), one.number)).collect();
        Table { commands, by_name }
    })
}

fn command((number, spec): (usize, &'static CommandSpec)) -> Command {
    let has = |flag: &str| spec.flags.split(' ').any(|one| one == flag);
    let is = |names: &[&str]| names.contains(&spec.name);
    Command {
        spec,
        number,
        writes: has("write"),
        needs_memory: has("denyoom"),
        is_open: has("no_auth"),
        is_for_subscribers: spec.categories.contains("pubsub") && spec.name.ends_with("subscribe")
            || is(&["ping", "quit", "reset"]),
        ends_transaction: is(&["exec", "discard", "multi", "watch", "quit", "reset"]),
        is_silent: has("admin") || is(&["exec"]),
    }
}

/// How many commands there are, containers and their subcommands included.
pub fn len() -> usize {
    table().commands.len()
}

/// All commands, containers and their subcommands included.
pub fn all() -> impl Iterator<Item = &'static Command> {
    table().commands.iter()
}

/// The command of a name, in lower or upper case.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0u8; LONGEST_NAME];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let table = table();
    table.by_name.get(&*lower).map(|&number| &table.commands[number])
}

/// The command that words call, and that there are as many of them as it takes.
pub fn resolve(args: &[&[u8]]) -> Result<&'static Command, CommandError> {
    let named = find(args[0]).filter(|_| !args[0].contains(&b'|')).ok_or_else(|| unknown(args))?;
    let command = match (&named.spec.run, args.get(1)) {
        (Run::Container | Run::Both(_), Some(sub)) => {
            let name = [args[0], b"|", sub].concat();
            match find(&name) {
                Some(command) => command,
                // Which the container has itself.
                None if sub.eq_ignore_ascii_case(b"HELP") => named,
                None => return Err(unknown_sub(named.spec.name, sub)),
            }
        }
        _ => named,
    };
    let (arity, count) = (command.spec.arity, args.len());
    let fits = if arity < 0 {
        count >= arity.unsigned_abs() as usize
    } else {
        count == arity.unsigned_abs() as usize
    };
    if fits { Ok(command) } else { Err(CommandError::wrong_arity(command.spec.name)) }
}

/// As much of what a client sent is in an error.
const MOST_SHOWN: usize = 128;

fn unknown(args: &[&[u8]]) -> CommandError {
    let mut shown = Vec::new();
    for arg in &args[1..] {
        if shown.len() >= MOST_SHOWN {
            break;
        }
        let room = MOST_SHOWN - shown.len();
        shown.push(b'\'');
        shown.extend_from_slice(&arg[..arg.len().min(room)]);
        shown.extend_from_slice(b"' ");
    }
    let name = &args[0][..args[0].len().min(MOST_SHOWN)];
    CommandError::with(&[b"ERR unknown command '", name, b"', with args beginning with: ", &shown])
}

fn unknown_sub(container: &str, sub: &[u8]) -> CommandError {
    let sub = &sub[..sub.len().min(MOST_SHOWN)];
    let container = container.to_ascii_uppercase();
    CommandError::with(&[b"ERR unknown subcommand '", sub, b"'. Try ", container.as_bytes(), b" HELP."])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_once() {
        assert_eq!(find(b"XaDd").map(|command| command.spec.name), Some("xadd"));
        assert!(find(b"lpush").is_none());
        assert!(find(&[b'x'; 100]).is_none());
        assert_eq!(table().by_name.len(), len());
    }

    #[test]
    fn a_subcommand_is_resolved_and_counted_as_one() {
        let resolve = |words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            resolve(&words).map(|command| command.spec.name)
        };
        assert_eq!(resolve(&["XGROUP", "Create", "k", "g", "$"]), Ok("xgroup|create"));
        assert_eq!(resolve(&["xgroup", "create"]), Err(CommandError::wrong_arity("xgroup|create")));
        assert_eq!(resolve(&["xgroup"]), Err(CommandError::wrong_arity("xgroup")));
        assert!(resolve(&["xgroup|create", "k", "g", "$", "x"]).is_err());
    }
}
