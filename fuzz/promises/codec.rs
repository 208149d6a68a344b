//! Promises of the codec for any bytes. The fuzzer tries to break them, as does a test on stable Rust with seeds.

use hfxbus::redis_io::resp::{Malformed, Reply, Scanner, Token, Value};
use hfxbus::redis_io::streams::entry::read_streams;

/// Panics if a promise does not hold. The first byte says how many of the next are the sizes of the pieces in which
/// the rest arrives.
pub fn hold_for(noise: &[u8]) {
    let Some((&count, rest)) = noise.split_first() else { return };
    let (pieces, bytes) = rest.split_at(rest.len().min(usize::from(count % 16)));
    let (whole, verdict) = scan_whole(bytes);
    assert_eq!(scan_in_pieces(bytes, pieces), (whole.clone(), verdict), "pieces change nothing");
    let mut start = 0;
    for length in whole {
        walk(&bytes[start..start + length]);
        start += length;
    }
}

type Found = (Vec<usize>, Result<(), Malformed>);

fn scan_whole(bytes: &[u8]) -> Found {
    let (mut lengths, mut start) = (Vec::new(), 0);
    loop {
        match Scanner::default().scan(&bytes[start..]) {
            Ok(Some(length)) => {
                lengths.push(length);
                start += length;
            }
            Ok(None) => return (lengths, Ok(())),
            Err(malformed) => return (lengths, Err(malformed)),
        }
    }
}

/// As the receiver does it: one scanner, and a buffer whose front is given up.
fn scan_in_pieces(bytes: &[u8], pieces: &[u8]) -> Found {
    let (mut lengths, mut scanner, mut start, mut end) = (Vec::new(), Scanner::default(), 0, 0);
    let mut pieces = pieces.iter().map(|piece| usize::from(*piece)).chain([bytes.len()]);
    loop {
        match scanner.scan(&bytes[start..end]) {
            Ok(Some(length)) => {
                lengths.push(length);
                start += length;
            }
            Ok(None) => match pieces.next() {
                Some(piece) => end = bytes.len().min(end + piece),
                None => return (lengths, Ok(())),
            },
            Err(malformed) => return (lengths, Err(malformed)),
        }
    }
}

/// A complete reply can be read to its end, in every way there is.
fn walk(bytes: &[u8]) {
    let reply = Reply::new(bytes).expect("a complete reply");
    if let Reply::Array(cursor) = &reply {
        let mut missing = cursor.len() as u64;
        let mut tokens = cursor.clone();
        while let Some(token) = tokens.token() {
            missing = missing.checked_sub(1).expect("no token too many");
            if let Token::Array(length) = token {
                missing += length as u64;
            }
        }
        assert_eq!(missing, 0, "no token too few");
        // Its shape may be wrong, which it says.
        let _ = read_streams(cursor.clone(), |_| {});
    }
    let built = Value::from(reply.clone());
    match (reply, built) {
        (Reply::Array(cursor), Value::Array(values)) => assert_eq!(cursor.len(), values.len()),
        (Reply::Bulk(bytes), Value::Bulk(copy)) => assert_eq!(bytes, copy),
        (Reply::Integer(number), Value::Integer(copy)) => assert_eq!(number, copy),
        (Reply::Simple(_), Value::Simple(_))
        | (Reply::Error(_), Value::Error(_))
        | (Reply::Nil, Value::Nil) => {}
        (reply, value) => panic!("{reply:?} became {value:?}"),
    }
}
