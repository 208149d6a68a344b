//! Promises of the embedded server for any bytes that a client sends.

use hfxbus::embedded::offline::OfflineServer;
use hfxbus::redis_io::resp::{Reply, Scanner};

/// Memory limit of the server, in bytes.
const MEMORY: usize = 1024 * 1024;
/// Words whose replies depend on the time of the machine, or that can close other clients.
const VOLATILE: [&[u8]; 4] = [b"TIME", b"CLIENT", b"INFO", b"MONITOR"];

/// Panics if a promise does not hold. The first byte says how many of the next are the sizes of the pieces in which
/// the rest arrives.
pub fn hold_for(noise: &[u8]) {
    let Some((&count, rest)) = noise.split_first() else { return };
    let (pieces, bytes) = rest.split_at(rest.len().min(usize::from(count % 16)));
    let whole = served(bytes, &[]);
    check_replies(&whole);
    let upper = bytes.to_ascii_uppercase();
    if !VOLATILE.iter().any(|word| upper.windows(word.len()).any(|window| window == *word)) {
        let in_pieces = served(bytes, pieces);
        assert_eq!(without_diagnosis(&in_pieces), without_diagnosis(&whole), "pieces change nothing");
    }
}

/// The replies without the text of a protocol error, which ends the connection. It describes the bytes that are there.
fn without_diagnosis(replies: &[u8]) -> &[u8] {
    const PROTOCOL_ERROR: &[u8] = b"-ERR Protocol error: ";
    let at = replies.windows(PROTOCOL_ERROR.len()).position(|window| window == PROTOCOL_ERROR);
    at.map_or(replies, |at| &replies[..at + PROTOCOL_ERROR.len()])
}

/// The replies to `bytes`, which arrive in pieces of these sizes.
fn served(bytes: &[u8], pieces: &[u8]) -> Vec<u8> {
    let mut server = OfflineServer::new(MEMORY);
    let client = server.connect();
    let (mut replies, mut scanner, mut start, mut end) = (Vec::new(), Scanner::default(), 0, 0);
    let sizes = pieces.iter().map(|piece| usize::from(*piece)).chain([bytes.len()]);
    for size in sizes {
        end = bytes.len().min(end + size);
        let (output, length) = server.receive(client, &mut scanner, &bytes[start..end]);
        replies.extend(output);
        start += length;
        if start >= end && end == bytes.len() {
            break;
        }
    }
    server.check();
    server.disconnect(client);
    replies
}

/// A server replies in RESP2 whatever it was sent.
pub fn check_replies(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let length = Scanner::default().scan(bytes).expect("RESP2").expect("complete replies");
        Reply::new(&bytes[..length]).expect("a reply");
        bytes = &bytes[length..];
    }
}
