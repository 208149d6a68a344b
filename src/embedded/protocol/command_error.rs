//! Errors of commands, with the texts of Redis.

use std::borrow::Cow;

/// The text of an error reply, without the sign in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError(Cow<'static, [u8]>);

/// Error of words that make no valid command.
pub const SYNTAX: CommandError = CommandError::new("ERR syntax error");
/// Error of an invalid or too large number.
pub const NOT_AN_INTEGER: CommandError = CommandError::new("ERR value is not an integer or out of range");
/// Error of a key with another type.
pub const WRONG_TYPE: CommandError =
    CommandError::new("WRONGTYPE Operation against a key holding the wrong kind of value");
/// Error of an invalid stream id.
pub const INVALID_ID: CommandError =
    CommandError::new("ERR Invalid stream ID specified as stream command argument");
/// Error of commands that need an existing key.
pub const NO_SUCH_KEY: CommandError = CommandError::new("ERR no such key");

impl CommandError {
    /// An error with that text, which begins with its code.
    pub const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }

    /// An error with parts of the command in its text. An error is one line, so ends of lines become spaces.
    pub fn with(parts: &[&[u8]]) -> Self {
        let mut text = parts.concat();
        for byte in &mut text {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        Self(Cow::Owned(text))
    }

    /// Error of a command with a wrong number of words.
    pub fn wrong_arity(name: &str) -> Self {
        Self::with(&[b"ERR wrong number of arguments for '", name.as_bytes(), b"' command"])
    }

    /// The stream or its group is not there.
    pub fn no_group(key: &[u8], group: &[u8], ending: &str) -> Self {
        let ending = ending.as_bytes();
        Self::with(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", ending])
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.0
    }
}
