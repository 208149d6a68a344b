//! Commands: their descriptions, the table of all, and the context in which one runs.

use std::collections::HashMap;

use crate::embedded::client::Client;
use crate::embedded::client_id::ClientId;
use crate::embedded::command_error::{CommandError, NOT_AN_INTEGER};
use crate::embedded::core::Core;
use crate::embedded::number;
use crate::embedded::reply::Reply;

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

/// Maximum length of a command name in bytes, with room to spare.
const LONGEST_NAME: usize = 64;

/// All commands, containers and their subcommands included.
pub struct CommandTable {
    commands: Vec<Command>,
    by_name: HashMap<&'static [u8], usize>,
}

impl CommandTable {
    /// A table of these commands.
    pub fn new(specs: impl Iterator<Item = &'static CommandSpec>) -> Self {
        let commands: Vec<Command> = specs.enumerate().map(command).collect();
        let by_name = commands.iter().map(|one| (one.spec.name.as_bytes(), one.number)).collect();
        Self { commands, by_name }
    }

    /// Returns all commands.
    pub fn all(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter()
    }

    /// Returns the command with a name, in lower or upper case.
    pub fn find(&self, name: &[u8]) -> Option<&Command> {
        let mut lower = [0u8; LONGEST_NAME];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).map(|&number| &self.commands[number])
    }
}

/// Whether a command was carried out; what it replied is taken back if not.
pub type Outcome = Result<(), CommandError>;

/// What a command works with.
pub struct CommandContext<'a> {
    /// The server.
    pub core: &'a mut Core,
    /// Who calls.
    pub client: ClientId,
    /// The command's words, its name first. There are as many as the command's arity says.
    pub args: &'a [&'a [u8]],
    /// What is called.
    pub command: &'static Command,
    /// All commands.
    pub table: &'static CommandTable,
    /// Where the reply goes.
    pub reply: &'a mut Reply,
    /// Whether this is part of a transaction, which waits for nothing.
    pub in_transaction: bool,
}

impl<'a> CommandContext<'a> {
    /// One of the words.
    pub fn arg(&self, at: usize) -> &'a [u8] {
        self.args[at]
    }

    /// Whether one of the words is there, and is that.
    pub fn is(&self, at: usize, word: &str) -> bool {
        self.args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// How many words follow that one.
    pub fn after(&self, at: usize) -> usize {
        self.args.len().saturating_sub(at + 1)
    }

    /// One of the words as a number.
    pub fn integer(&self, at: usize) -> Result<i64, CommandError> {
        number::parse(self.args[at]).ok_or(NOT_AN_INTEGER)
    }

    /// What time it is, in ms.
    pub fn now(&self) -> u64 {
        self.core.clock.now()
    }

    /// Who calls.
    pub fn me(&mut self) -> &mut Client {
        self.core.clients.get_mut(&self.client).expect("who calls is connected")
    }

    /// Sends something unasked, to others or to who calls.
    pub fn push(&mut self, to: ClientId, bytes: &[u8]) {
        if to == self.client {
            self.reply.raw(bytes);
        } else if let Some(client) = self.core.clients.get_mut(&to) {
            client.push(bytes);
        }
    }
}
