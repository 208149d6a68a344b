//! Finds where a reply ends.

/// The longest line: a header, a number or a simple string.
const LONGEST_LINE: usize = 64 * 1_024;
/// Redis' own limit of a bulk string.
const LONGEST_BULK: i64 = 512 * 1_024 * 1_024;
/// More elements than any reply of Redis can have in its memory.
const MOST_ELEMENTS: i64 = i32::MAX as i64;

/// The bytes are not RESP2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Looks for the end of one reply in a buffer that grows.
///
/// The header of an array only says that so many more frames belong to the reply, so nesting is a count and not a
/// stack, and the search goes on where it stopped when more bytes have come.
#[derive(Debug)]
pub struct Scanner {
    /// Start of the incomplete frame.
    position: usize,
    /// Number of frames that are missing.
    missing: u64,
    /// Length of the part of that frame's line that was searched for its end.
    searched: usize,
    /// End of that frame. 0 if it is not known.
    end: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { position: 0, missing: 1, searched: 0, end: 0 }
    }
}

impl Scanner {
    /// The length of the reply that `bytes` begins with, once it is there in full. `bytes` must begin with the
    /// same reply at every call until then; afterwards the scanner is ready for the next reply.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.missing > 0 {
            let frame = Frame::read(&bytes[self.position..], &mut self.searched)?;
            let Some(frame) = frame else { return Ok(None) };
            self.end = self.position + frame.length;
            if self.end > bytes.len() {
                return Ok(None);
            }
            self.searched = 0;
            self.position = std::mem::take(&mut self.end);
            self.missing = self.missing - 1 + frame.elements;
        }
        let length = self.position;
        *self = Self::default();
        Ok(Some(length))
    }

    /// Minimum length of the incomplete reply, by the lengths it announces.
    pub fn announced(&self) -> usize {
        self.end
    }
}

/// One frame: a leaf as a whole, of which the end may not be there yet, or the header of an array.
struct Frame {
    length: usize,
    elements: u64,
}

impl Frame {
    fn read(bytes: &[u8], searched: &mut usize) -> Result<Option<Self>, Malformed> {
        let Some((&sigil, rest)) = bytes.split_first() else { return Ok(None) };
        if !matches!(sigil, b'+' | b'-' | b':' | b'$' | b'*') {
            return Err(Malformed);
        }
        let Some(line) = line(rest, searched)? else { return Ok(None) };
        let header = 1 + line.len() + 2;
        match sigil {
            b'$' => match integer(line).ok_or(Malformed)? {
                -1 => Ok(Some(Self { length: header, elements: 0 })),
                length @ 0..=LONGEST_BULK => Self::bulk(bytes, header + length as usize).map(Some),
                _ => Err(Malformed),
            },
            b'*' => match integer(line).ok_or(Malformed)? {
                -1 => Ok(Some(Self { length: header, elements: 0 })),
                count @ 0..=MOST_ELEMENTS => Ok(Some(Self { length: header, elements: count as u64 })),
                _ => Err(Malformed),
            },
            b':' if integer(line).is_none() => Err(Malformed),
            _ => Ok(Some(Self { length: header, elements: 0 })),
        }
    }

    fn bulk(bytes: &[u8], end: usize) -> Result<Self, Malformed> {
        match bytes.get(end..end + 2) {
            Some(b"\r\n") | None => Ok(Self { length: end + 2, elements: 0 }),
            Some(_) => Err(Malformed),
        }
    }
}

/// The line that `bytes` begins with, without its end; `None` if its end is not there yet, and then the next search
/// begins behind what was `searched`.
fn line<'a>(bytes: &'a [u8], searched: &mut usize) -> Result<Option<&'a [u8]>, Malformed> {
    let reach = &bytes[..bytes.len().min(LONGEST_LINE)];
    let found = reach.get(*searched..).and_then(|fresh| fresh.iter().position(|&byte| byte == b'\r'));
    match found {
        Some(offset) => {
            let end = *searched + offset;
            match bytes.get(end + 1) {
                Some(b'\n') => Ok(Some(&bytes[..end])),
                Some(_) => Err(Malformed),
                None => Ok(None),
            }
        }
        None if reach.len() == LONGEST_LINE => Err(Malformed),
        None => {
            *searched = reach.len();
            Ok(None)
        }
    }
}

/// A line as a whole number.
pub(super) fn integer(line: &[u8]) -> Option<i64> {
    let (negative, digits) = match line.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, line),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: i64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let value = i64::from(digit - b'0');
        number = number.checked_mul(10)?;
        number = if negative { number.checked_sub(value)? } else { number.checked_add(value)? };
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[&[u8]] = &[
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-12\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$5\r\na\r\nbc\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*1\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n",
    ];

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_cut() {
        for reply in REPLIES {
            let followed = [reply, b"+next\r\n".as_slice()].concat();
            for cut in 0..reply.len() {
                let mut scanner = Scanner::default();
                assert_eq!(scanner.scan(&followed[..cut]), Ok(None), "{reply:?} cut at {cut}");
                assert_eq!(scanner.scan(&followed), Ok(Some(reply.len())), "{reply:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_reply_are_refused() {
        for bytes in [
            b"HTTP/1.1 200\r\n".as_slice(),
            b"$5\r\nabcdefg\r\n",
            b"$-2\r\n",
            b"$536870913\r\n",
            b"*99999999999999999999\r\n",
            b"*2147483648\r\n",
            b":1a\r\n",
            b":\r\n",
            b"+a\rb\r\n",
            b"%1\r\n",
            b">1\r\n",
        ] {
            assert_eq!(Scanner::default().scan(bytes), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Scanner::default().scan(&[b'+'; LONGEST_LINE + 2]), Err(Malformed));
    }

    #[test]
    fn depth_costs_nothing() {
        let mut deep = b"*1\r\n".repeat(1_000_000);
        deep.extend_from_slice(b":1\r\n");
        assert_eq!(Scanner::default().scan(&deep), Ok(Some(deep.len())));
    }

    #[test]
    fn announced_lengths_allocate_nothing_and_wait_for_their_bytes() {
        assert_eq!(Scanner::default().scan(b"*2147483647\r\n"), Ok(None));
        assert_eq!(Scanner::default().scan(b"$536870912\r\nabc"), Ok(None));
    }

    #[test]
    fn how_long_a_reply_gets_is_known_from_the_header_of_its_string_on() {
        let mut scanner = Scanner::default();
        let reply = b"*2\r\n:1\r\n$5\r\nabcde\r\n";
        let header = reply.len() - b"abcde\r\n".len();
        for (cut, expected) in [(header - 1, 0), (header, reply.len()), (reply.len() - 1, reply.len())] {
            assert_eq!(scanner.scan(&reply[..cut]), Ok(None));
            assert_eq!(scanner.announced(), expected, "at {cut}");
        }
        assert_eq!(scanner.scan(reply), Ok(Some(reply.len())));
        assert_eq!(scanner.announced(), 0);
    }
}
