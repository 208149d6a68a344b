//! Walks a complete reply in place.

use crate::redis_io::resp::scanner::integer;

/// A complete reply, borrowed from the read buffer.
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// A status, such as `OK`.
    Simple(&'a [u8]),
    /// An error's text.
    Error(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A string of bytes.
    Bulk(&'a [u8]),
    /// Nothing: a missing string or array.
    Nil,
    /// An array, to be walked.
    Array(Cursor<'a>),
}

/// Item of a [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A status.
    Simple(&'a [u8]),
    /// An error's text.
    Error(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A string of bytes.
    Bulk(&'a [u8]),
    /// A missing string.
    Nil,
    /// So many of the tokens that follow (and what is in them) are an array.
    Array(usize),
    /// A missing array.
    NilArray,
}

/// The tokens of an array, in the order in which they were sent.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    /// Number of elements at the top of the array.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns true if the array has no elements.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The next token; `None` at the end.
    pub fn token(&mut self) -> Option<Token<'a>> {
        let (token, rest) = read(self.bytes)?;
        self.bytes = rest;
        Some(token)
    }

    /// Skips that number of elements with their content. Returns `None` if the array has fewer.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        let mut left = count;
        while left > 0 {
            left -= 1;
            if let Token::Array(length) = self.token()? {
                left += length;
            }
        }
        Some(())
    }
}

impl<'a> Reply<'a> {
    /// The reply in `bytes`, which a [`crate::redis_io::resp::Scanner`] has found complete. `None` if it has not.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (token, rest) = read(bytes)?;
        Some(match token {
            Token::Simple(text) => Self::Simple(text),
            Token::Error(text) => Self::Error(text),
            Token::Integer(number) => Self::Integer(number),
            Token::Bulk(bytes) => Self::Bulk(bytes),
            Token::Nil | Token::NilArray => Self::Nil,
            Token::Array(length) => Self::Array(Cursor { bytes: rest, length }),
        })
    }
}

fn read(bytes: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (&sigil, rest) = bytes.split_first()?;
    let end = rest.iter().position(|&byte| byte == b'\r')?;
    let (line, rest) = (&rest[..end], rest.get(end + 2..)?);
    let token = match sigil {
        b'+' => Token::Simple(line),
        b'-' => Token::Error(line),
        b':' => Token::Integer(integer(line)?),
        b'$' => match usize::try_from(integer(line)?) {
            Ok(length) => return Some((Token::Bulk(rest.get(..length)?), rest.get(length + 2..)?)),
            Err(_) => Token::Nil,
        },
        b'*' => match usize::try_from(integer(line)?) {
            Ok(length) => Token::Array(length),
            Err(_) => Token::NilArray,
        },
        _ => return None,
    };
    Some((token, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_walked_in_the_order_it_was_sent() {
        let reply = Reply::new(b"*3\r\n*1\r\n:1\r\n$2\r\nab\r\n*-1\r\n");
        let Some(Reply::Array(mut cursor)) = reply else { panic!("an array") };
        assert_eq!(cursor.len(), 3);
        let tokens: Vec<Token> = std::iter::from_fn(|| cursor.token()).collect();
        assert_eq!(tokens, [Token::Array(1), Token::Integer(1), Token::Bulk(b"ab"), Token::NilArray]);
    }

    #[test]
    fn elements_are_passed_over_with_what_is_in_them() {
        let reply = Reply::new(b"*4\r\n*2\r\n*1\r\n:1\r\n*0\r\n*-1\r\n$1\r\na\r\n:2\r\n");
        let Some(Reply::Array(mut cursor)) = reply else { panic!("an array") };
        assert_eq!(cursor.skip(3), Some(()));
        assert_eq!(cursor.clone().token(), Some(Token::Integer(2)));
        assert_eq!(cursor.skip(2), None);
    }

    #[test]
    fn what_is_not_complete_is_not_a_reply() {
        for bytes in [b"".as_slice(), b"+OK", b"$3\r\nab", b":x\r\n", b"!1\r\n"] {
            assert!(Reply::new(bytes).is_none(), "{bytes:?}");
        }
    }
}
