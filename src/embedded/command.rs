//! Commands: their descriptions, the table of all, and the context in which one runs.

use crate::embedded::clients::client::ClientState;
use crate::embedded::clients::client_id::ClientId;
use crate::embedded::core::Core;
use crate::embedded::protocol::command_error::{CommandError, NOT_AN_INTEGER};
use crate::embedded::protocol::number;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::redis_io::world::map::HashMap;

/// Function that executes a command.
pub type Handler = fn(&mut CommandContext<'_>) -> CommandResult;

/// Way to execute a command.
#[derive(Clone, Copy)]
pub enum Run {
    /// By this function.
    Handler(Handler),
    /// By one of its subcommands, which have specifications of their own, or as HELP.
    Container,
    /// By this function without arguments, or else by a subcommand or as HELP.
    Both(Handler),
}

/// Description of a command, as COMMAND replies it.
pub struct CommandSpec {
    /// Name in lower case. A subcommand has the name of its container and a `|` in front.
    pub name: &'static str,
    /// Number of words, the name included. Negative means at least that many.
    pub arity: i32,
    /// Flags of the command.
    pub flags: &'static str,
    /// Positions of keys: the first, the last, and the step.
    pub keys: [i32; 3],
    /// Categories for access rules.
    pub categories: &'static str,
    /// Way to execute it.
    pub run: Run,
}

/// Makes a specification.
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

/// A specification, and the facts that every call needs.
pub struct Command {
    /// Description of the command.
    pub spec: &'static CommandSpec,
    /// Number of the command.
    pub number: usize,
    /// True if it changes keys.
    pub writes: bool,
    /// True if it is refused while memory is full.
    pub needs_memory: bool,
    /// True if it needs no authentication.
    pub is_open: bool,
    /// True if a subscriber can call it.
    pub is_for_subscribers: bool,
    /// True if a transaction executes it at once instead of queueing it.
    pub ends_transaction: bool,
    /// True if monitors do not receive it, or receive it after its execution.
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

/// Result of a command. An error replaces its reply.
pub type CommandResult = Result<(), CommandError>;

/// Context in which a command runs.
pub struct CommandContext<'a> {
    /// The server.
    pub core: &'a mut Core,
    /// Client that called.
    pub client: ClientId,
    /// The command's words, its name first. There are as many as the command's arity says.
    pub args: &'a [&'a [u8]],
    /// Command that was called.
    pub command: &'static Command,
    /// All commands.
    pub table: &'static CommandTable,
    /// Destination of the reply.
    pub reply: &'a mut ReplyBuffer,
    /// True inside a transaction, in which no command blocks.
    pub in_transaction: bool,
}

impl<'a> CommandContext<'a> {
    /// One of the words.
    pub fn arg(&self, at: usize) -> &'a [u8] {
        self.args[at]
    }

    /// Returns true if the word at that position exists and equals `word`.
    pub fn is(&self, at: usize, word: &str) -> bool {
        self.args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Number of words after that position.
    pub fn after(&self, at: usize) -> usize {
        self.args.len().saturating_sub(at + 1)
    }

    /// One of the words as a number.
    pub fn integer(&self, at: usize) -> Result<i64, CommandError> {
        number::parse(self.args[at]).ok_or(NOT_AN_INTEGER)
    }

    /// Time in ms.
    pub fn now(&self) -> u64 {
        self.core.clock.now()
    }

    /// Client that called.
    pub fn me(&mut self) -> &mut ClientState {
        self.core.clients.get_mut(&self.client).expect("who calls is connected")
    }

    /// Sends a push message to a client, which can be the caller.
    pub fn push(&mut self, to: ClientId, bytes: &[u8]) {
        if to == self.client {
            self.reply.raw(bytes);
        } else if let Some(client) = self.core.clients.get_mut(&to) {
            client.push(bytes);
        }
    }
}
