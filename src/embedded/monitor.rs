//! Copies of every command for monitors.

use crate::embedded::clients::client_id::ClientId;
use crate::embedded::core::Core;
use crate::embedded::protocol::reply::ReplyBuffer;

/// Sends a command to the monitors. `own` is the reply of the caller, which can be a monitor itself.
pub fn tell(core: &mut Core, client: ClientId, args: &[&[u8]], own: &mut ReplyBuffer) {
    if core.monitors.is_empty() {
        return;
    }
    let Some(peer) = core.clients.get(&client).map(|client| client.peer) else { return };
    let micros = core.clock.wall();
    let mut line = format!("+{}.{:06} [0 {peer}]", micros / 1_000_000, micros % 1_000_000).into_bytes();
    let mut secrets = 0;
    for (at, arg) in args.iter().enumerate() {
        line.push(b' ');
        match secrets {
            0 => quote(&mut line, arg),
            _ => line.extend_from_slice(b"\"(redacted)\""),
        }
        secrets = secrets_after(args, at).unwrap_or(usize::saturating_sub(secrets, 1));
    }
    line.extend_from_slice(b"\r\n");
    for id in core.monitors.clone() {
        if id == client {
            own.raw(&line);
        } else if let Some(monitor) = core.clients.get_mut(&id) {
            monitor.push(&line);
        }
    }
}

/// Number of secret words behind that one, if secrets begin there.
fn secrets_after(args: &[&[u8]], at: usize) -> Option<usize> {
    let is_auth = args[at].eq_ignore_ascii_case(b"AUTH");
    match at {
        0 => is_auth.then_some(usize::MAX),
        _ => (is_auth && args[0].eq_ignore_ascii_case(b"HELLO")).then_some(2),
    }
}

/// Appends a word in quotes. Bytes that cannot be printed are escaped.
fn quote(line: &mut Vec<u8>, word: &[u8]) {
    line.push(b'"');
    for &byte in word {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x07 => line.extend_from_slice(b"\\a"),
            0x08 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_redis_does() {
        let mut line = Vec::new();
        quote(&mut line, b"a \"b\\\n\x01\xff");
        assert_eq!(line, br#""a \"b\\\n\x01\xff""#);
    }
}
