//! The ids of stream entries, as commands name them.

use crate::redis_io::streams::entry::EntryId;

use crate::embedded::protocol::command_error::{CommandError, INVALID_ID};

/// The least id.
pub const LEAST: EntryId = EntryId { time: 0, sequence: 0 };
/// The greatest id.
pub const GREATEST: EntryId = EntryId { time: u64::MAX, sequence: u64::MAX };

/// The longest text that Redis looks at.
const LONGEST: usize = 127;

/// Id that XADD asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `*`: by the clock.
    Clock,
    /// `time-*`: the next of that time.
    Next(u64),
    /// Exactly so.
    Exactly(EntryId),
}

impl Wanted {
    /// Reads what XADD was given.
    pub fn parse(text: &[u8]) -> Result<Self, CommandError> {
        match text {
            b"*" => Ok(Self::Clock),
            [time @ .., b'-', b'*'] => Ok(Self::Next(number(time).ok_or(INVALID_ID)?)),
            _ => Ok(Self::Exactly(parse(text, 0)?)),
        }
    }
}

/// Reads `time-sequence`, or `time` alone, whose sequence is then `missing`.
pub fn parse(text: &[u8], missing: u64) -> Result<EntryId, CommandError> {
    if text.len() > LONGEST {
        return Err(INVALID_ID);
    }
    let id = match text.iter().position(|&byte| byte == b'-') {
        Some(at) => number(&text[..at]).zip(number(&text[at + 1..])),
        None => number(text).map(|time| (time, missing)),
    };
    id.map(|(time, sequence)| EntryId { time, sequence }).ok_or(INVALID_ID)
}

/// Reads where a range begins: `-`, `+`, an id, or `(` and an id that is not in it.
pub fn parse_start(text: &[u8]) -> Result<EntryId, CommandError> {
    match bound(text, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.successor().ok_or(CommandError::new("ERR invalid start ID for the interval")),
    }
}

/// Reads where a range ends.
pub fn parse_end(text: &[u8]) -> Result<EntryId, CommandError> {
    match bound(text, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => predecessor(id).ok_or(CommandError::new("ERR invalid end ID for the interval")),
    }
}

/// An id, and whether it is itself outside of the range.
fn bound(text: &[u8], missing: u64) -> Result<(EntryId, bool), CommandError> {
    match text {
        b"-" => Ok((LEAST, false)),
        b"+" => Ok((GREATEST, false)),
        [b'(', id @ ..] if text.len() > 1 => Ok((parse(id, missing)?, true)),
        _ => Ok((parse(text, missing)?, false)),
    }
}

/// The last id before this one.
fn predecessor(id: EntryId) -> Option<EntryId> {
    match id.sequence.checked_sub(1) {
        Some(sequence) => Some(EntryId { sequence, ..id }),
        None => Some(EntryId { time: id.time.checked_sub(1)?, sequence: u64::MAX }),
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(time: u64, sequence: u64) -> EntryId {
        EntryId { time, sequence }
    }

    #[test]
    fn bounds_are_inclusive_unless_they_say_otherwise() {
        assert_eq!(parse_start(b"5"), Ok(id(5, 0)));
        assert_eq!(parse_end(b"5"), Ok(id(5, u64::MAX)));
        assert_eq!(parse_start(b"(5-3"), Ok(id(5, 4)));
        assert_eq!(parse_end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert_eq!(parse_start(b"-"), Ok(LEAST));
        assert_eq!(parse_end(b"+"), Ok(GREATEST));
        assert!(parse_start(b"(18446744073709551615-18446744073709551615").is_err());
        assert!(parse_end(b"(0-0").is_err());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "-", "+", "a", "1-", "-1", "1-2-3", "1-*", "18446744073709551616", "(1"] {
            assert_eq!(parse(text.as_bytes(), 0), Err(INVALID_ID), "{text}");
        }
        assert_eq!(Wanted::parse(b"7-*"), Ok(Wanted::Next(7)));
        assert_eq!(Wanted::parse(b"*"), Ok(Wanted::Clock));
        assert_eq!(Wanted::parse(b"-*"), Err(INVALID_ID));
    }
}
