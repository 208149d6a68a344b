//! Arrays of names and values, as the replies of XINFO have them. Pure.

use crate::redis_io::resp::{Cursor, Token, Value};
use crate::redis_io::streams::entry::EntryId;

/// Walks an array of names and values whose `length` has been read. A value that is an array is skipped, and only
/// its length is passed on.
pub(crate) fn each_field<'a>(
    cursor: &mut Cursor<'a>,
    length: usize,
    mut each: impl FnMut(&'a [u8], Token<'a>),
) -> Option<()> {
    for _ in 0..length / 2 {
        let (Token::Bulk(name), value) = (cursor.token()?, cursor.token()?) else { return None };
        if let Token::Array(length) = value {
            cursor.skip(length)?;
        }
        each(name, value);
    }
    Some(())
}

/// Walks an array that was built up, in the same way. Returns `None` for another reply.
pub(crate) fn each_field_of<'a>(reply: &'a Value, mut each: impl FnMut(&'a [u8], Token<'a>)) -> Option<()> {
    let Value::Array(fields) = reply else { return None };
    for pair in fields.chunks_exact(2) {
        each(pair[0].bytes()?, pair[1].token());
    }
    Some(())
}

/// Reads an entry id.
pub(crate) fn id(value: Token<'_>) -> Option<EntryId> {
    match value {
        Token::Bulk(bytes) => EntryId::parse(bytes),
        _ => None,
    }
}

/// Reads a number that is not negative.
pub(crate) fn count(value: Token<'_>) -> Option<u64> {
    match value {
        Token::Integer(number) => u64::try_from(number).ok(),
        _ => None,
    }
}
