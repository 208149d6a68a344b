//! Reads requests: arrays of bulk strings, and the lines that people type.

use crate::redis_io::resp::{Reply as Frame, Scanner, Token};

use crate::embedded::protocol::command_error::CommandError;

/// The longest line that is waited for.
const LONGEST_LINE: usize = 64 * 1024;

/// Beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Not all of it is there.
    Partial,
    /// An empty request, with its size in bytes.
    Empty(usize),
    /// A line, with its size in bytes and its words.
    Line(usize, Vec<Vec<u8>>),
    /// So many bytes whose words [`words`] gives.
    Array(usize),
    /// No request.
    Broken(CommandError),
}

/// Looks for a request in what has been read. The scanner remembers how far it has looked, so `bytes` has to begin
/// with the same request until that is there in full.
pub fn read(scanner: &mut Scanner, bytes: &[u8]) -> Request {
    if bytes.is_empty() {
        return Request::Partial;
    }
    if bytes[0] != b'*' {
        return line(bytes);
    }
    match scanner.scan(bytes) {
        Ok(None) => Request::Partial,
        Ok(Some(length)) => match Frame::new(&bytes[..length]) {
            Some(Frame::Array(cursor)) if !cursor.is_empty() => check(&bytes[..length], length),
            _ => Request::Empty(length),
        },
        Err(_) => Request::Broken(diagnosis(bytes)),
    }
}

/// The words of a request that is there in full.
pub fn words<'a>(request: &'a [u8], words: &mut Vec<&'a [u8]>) {
    if let Some(Frame::Array(mut cursor)) = Frame::new(request) {
        while let Some(Token::Bulk(word)) = cursor.token() {
            words.push(word);
        }
    }
}

/// A request has nothing but bulk strings in it.
fn check(request: &[u8], length: usize) -> Request {
    let Some(Frame::Array(mut cursor)) = Frame::new(request) else { return Request::Empty(length) };
    while let Some(token) = cursor.token() {
        let sigil = match token {
            Token::Bulk(_) => continue,
            Token::Nil => return Request::Broken(INVALID_BULK),
            Token::Simple(_) => b"+",
            Token::Error(_) => b"-",
            Token::Integer(_) => b":",
            Token::Array(_) | Token::NilArray => b"*",
        };
        return Request::Broken(expected_bulk(sigil));
    }
    Request::Array(length)
}

const INVALID_BULK: CommandError = CommandError::new("ERR Protocol error: invalid bulk length");
const INVALID_ARRAY: CommandError = CommandError::new("ERR Protocol error: invalid multibulk length");
const UNBALANCED: CommandError = CommandError::new("ERR Protocol error: unbalanced quotes in request");
const TOO_LONG: CommandError = CommandError::new("ERR Protocol error: too big inline request");

fn expected_bulk(found: &[u8]) -> CommandError {
    CommandError::with(&[b"ERR Protocol error: expected '$', got '", found, b"'"])
}

/// Error in bytes that are not a request.
fn diagnosis(bytes: &[u8]) -> CommandError {
    let mut rest = bytes;
    loop {
        let Some(end) = rest.iter().position(|&byte| byte == b'\r') else { return INVALID_ARRAY };
        let line = &rest[..end];
        let length = std::str::from_utf8(&line[1.min(end)..]).ok().and_then(|text| text.parse::<i64>().ok());
        let skipped = match (line.first(), length) {
            (Some(b'*'), Some(_)) => end + 2,
            (Some(b'*'), None) => return INVALID_ARRAY,
            (Some(b'$'), Some(length @ 0..)) => end + 4 + length as usize,
            (Some(b'$'), _) => return INVALID_BULK,
            (Some(other), _) => return expected_bulk(&[*other]),
            (None, _) => return INVALID_BULK,
        };
        match rest.get(skipped..) {
            Some(next) if !next.is_empty() => rest = next,
            _ => return INVALID_BULK,
        }
    }
}

fn line(bytes: &[u8]) -> Request {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return if bytes.len() > LONGEST_LINE { Request::Broken(TOO_LONG) } else { Request::Partial };
    };
    let text = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    match split(text) {
        None => Request::Broken(UNBALANCED),
        Some(words) if words.is_empty() => Request::Empty(end + 1),
        Some(words) => Request::Line(end + 1, words),
    }
}

/// The words of a line; `None` if a quote is not closed, or something follows one.
fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after;
    }
}

fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        rest = match rest.split_first() {
            None => return Some((word, rest)),
            Some((byte, _)) if byte.is_ascii_whitespace() => return Some((word, rest)),
            Some((quote @ (b'"' | b'\''), after)) => quoted(*quote, after, &mut word)?,
            Some((&byte, after)) => {
                word.push(byte);
                after
            }
        };
    }
}

/// Reads up to the quote that closes; a space or the end has to follow it.
fn quoted<'a>(quote: u8, mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte == quote {
            let is_over = rest.first().is_none_or(u8::is_ascii_whitespace);
            return is_over.then_some(rest);
        }
        match (byte, quote, rest) {
            (b'\\', b'"', [b'x', high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            (b'\\', b'"', [escaped, after @ ..]) => {
                word.push(unescape(*escaped));
                rest = after;
            }
            (b'\\', b'\'', [b'\'', after @ ..]) => {
                word.push(b'\'');
                rest = after;
            }
            _ => word.push(byte),
        }
    }
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or(0) as u8
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(bytes: &[u8]) -> Request {
        read(&mut Scanner::default(), bytes)
    }

    #[test]
    fn arrays_and_lines_are_requests() {
        let array = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        assert_eq!(once(array), Request::Array(array.len()));
        assert_eq!(once(&array[..9]), Request::Partial);
        assert_eq!(once(b"*0\r\n"), Request::Empty(4));
        assert_eq!(once(b"\r\n"), Request::Empty(2));
        assert_eq!(once(b"PING"), Request::Partial);
        let mut found = Vec::new();
        words(array, &mut found);
        assert_eq!(found, [b"GET".as_slice(), b"k"]);
    }

    #[test]
    fn a_line_has_words_and_quotes() {
        let expected = ["set", "a b", "\u{1}\"", "x'"].map(|word| word.as_bytes().to_vec()).to_vec();
        let line = b" set 'a b'\t\"\\x01\\\"\" \"x'\"\r\n";
        assert_eq!(once(line), Request::Line(line.len(), expected));
        for line in ["set \"a", "set 'a'b", "'"] {
            assert_eq!(once(format!("{line}\n").as_bytes()), Request::Broken(UNBALANCED), "{line}");
        }
    }

    #[test]
    fn what_is_no_request_is_named() {
        assert_eq!(once(b"*x\r\n"), Request::Broken(INVALID_ARRAY));
        assert_eq!(once(b"*1\r\n$x\r\n"), Request::Broken(INVALID_BULK));
        assert_eq!(once(b"*1\r\n$-1\r\n"), Request::Broken(INVALID_BULK));
        assert_eq!(once(b"*1\r\n:1\r\n"), Request::Broken(expected_bulk(b":")));
        assert_eq!(once(b"*2\r\n$1\r\na\r\n!\r\n"), Request::Broken(expected_bulk(b"!")));
        assert_eq!(once(&[b'a'; LONGEST_LINE + 1]), Request::Broken(TOO_LONG));
    }
}
