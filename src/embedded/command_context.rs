//! One command that is being carried out.

use super::client::{Client, ClientId};
use super::command_error::{CommandError, NOT_AN_INTEGER};
use super::command_table::Command;
use super::core::Core;
use super::number;
use super::reply::Reply;

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
