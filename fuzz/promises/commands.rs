//! Promises of the embedded server for any commands of several clients.

use hfxbus::embedded::offline::OfflineServer;

use super::noise::Noise;
use super::requests::check_replies;

/// Memory limit of the server, in bytes.
const MEMORY: usize = 256 * 1024;
const CLIENTS: usize = 3;
/// Maximum number of commands, which bounds the time of one input.
const COMMANDS: usize = 300;

const NAMES: [&[u8]; 76] = [
    b"XADD",
    b"XADD",
    b"XADD",
    b"XREADGROUP",
    b"XREADGROUP",
    b"XACK",
    b"XCLAIM",
    b"XAUTOCLAIM",
    b"XTRIM",
    b"XDEL",
    b"XGROUP",
    b"XGROUP",
    b"XINFO",
    b"XPENDING",
    b"XRANGE",
    b"XREVRANGE",
    b"XREAD",
    b"XSETID",
    b"XLEN",
    b"SET",
    b"GET",
    b"MGET",
    b"MSET",
    b"APPEND",
    b"GETEX",
    b"GETDEL",
    b"GETSET",
    b"SETEX",
    b"PSETEX",
    b"SETNX",
    b"STRLEN",
    b"INCR",
    b"INCRBY",
    b"DECR",
    b"DECRBY",
    b"DEL",
    b"UNLINK",
    b"EXISTS",
    b"EXPIRE",
    b"PEXPIRE",
    b"EXPIREAT",
    b"PEXPIREAT",
    b"PTTL",
    b"TTL",
    b"EXPIRETIME",
    b"PERSIST",
    b"TYPE",
    b"KEYS",
    b"SCAN",
    b"DBSIZE",
    b"FLUSHALL",
    b"MULTI",
    b"EXEC",
    b"DISCARD",
    b"WATCH",
    b"UNWATCH",
    b"SUBSCRIBE",
    b"PSUBSCRIBE",
    b"UNSUBSCRIBE",
    b"PUNSUBSCRIBE",
    b"PUBLISH",
    b"PUBSUB",
    b"CLIENT",
    b"CONFIG",
    b"COMMAND",
    b"INFO",
    b"MONITOR",
    b"HELLO",
    b"RESET",
    b"QUIT",
    b"PING",
    b"ECHO",
    b"EVALSHA",
    b"SCRIPT",
    b"WAIT",
    b"ROLE",
];
const WORDS: [&[u8]; 84] = [
    b"s1",
    b"s2",
    b"k1",
    b"k2",
    b"g1",
    b"g2",
    b"a",
    b"b",
    b"*",
    b"$",
    b">",
    b"+",
    b"-",
    b"0",
    b"1",
    b"2",
    b"10",
    b"100",
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"0-0",
    b"0-1",
    b"1-*",
    b"1-1",
    b"2-1",
    b"(1-1",
    b"18446744073709551615-18446744073709551615",
    b"9223372036854775807-1",
    b"",
    b"GROUP",
    b"STREAMS",
    b"COUNT",
    b"BLOCK",
    b"NOACK",
    b"MAXLEN",
    b"MINID",
    b"~",
    b"=",
    b"LIMIT",
    b"NOMKSTREAM",
    b"CREATE",
    b"MKSTREAM",
    b"DESTROY",
    b"SETID",
    b"CREATECONSUMER",
    b"DELCONSUMER",
    b"ENTRIESREAD",
    b"IDLE",
    b"TIME",
    b"RETRYCOUNT",
    b"FORCE",
    b"JUSTID",
    b"LASTID",
    b"STREAM",
    b"FULL",
    b"GROUPS",
    b"CONSUMERS",
    b"ENTRIESADDED",
    b"MAXDELETEDID",
    b"EX",
    b"PX",
    b"EXAT",
    b"PXAT",
    b"NX",
    b"XX",
    b"GT",
    b"LT",
    b"GET",
    b"KEEPTTL",
    b"PERSIST",
    b"MATCH",
    b"TYPE",
    b"KILL",
    b"LIST",
    b"ID",
    b"UNBLOCK",
    b"ERROR",
    b"PAUSE",
    b"REPLY",
    b"OFF",
    b"SKIP",
    b"7af43432684d3a8bf5856d64ce605ac768a03f24",
];

/// Panics if a promise does not hold.
pub fn hold_for(noise: &[u8]) {
    let mut noise = Noise(noise);
    let mut server = OfflineServer::new(MEMORY);
    let mut clients: Vec<u64> = (0..CLIENTS).map(|_| server.connect()).collect();
    for _ in 0..COMMANDS {
        if noise.is_over() {
            break;
        }
        let head = noise.byte();
        let at = usize::from(head) % CLIENTS;
        match head / 16 {
            0 => {
                server.disconnect(clients[at]);
                clients[at] = server.connect();
            }
            1 => server.advance(u64::from(noise.byte()) * 100),
            _ => {
                let words = words(&mut noise);
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                check_replies(&server.execute(clients[at], &words));
            }
        }
        for &client in &clients {
            check_replies(&server.output(client));
        }
        server.check();
    }
    forget(&mut server);
}

fn words(noise: &mut Noise<'_>) -> Vec<Vec<u8>> {
    let mut words = vec![noise.pick(&NAMES).to_vec()];
    let count = noise.byte() % 12;
    for _ in 0..count {
        let byte = noise.byte();
        words.push(match usize::from(byte) {
            at if at < WORDS.len() * 2 => WORDS[at % WORDS.len()].to_vec(),
            at => noise.bytes(at % 16).to_vec(),
        });
    }
    words
}

/// An empty server has no memory in use.
fn forget(server: &mut OfflineServer) {
    let client = server.connect();
    server.execute(client, &[b"CONFIG", b"SET", b"maxmemory", b"0"]);
    for stream in [b"s1", b"s2", b"k1", b"k2"] {
        server.execute(client, &[b"XTRIM", stream, b"MAXLEN", b"0"]);
    }
    server.check();
    let keys = server.execute(client, &[b"KEYS", b"*"]);
    for key in bulks(&keys) {
        assert_eq!(server.execute(client, &[b"DEL", key]), b":1\r\n");
    }
    assert_eq!(server.used_memory(), 0, "memory is counted back");
}

fn bulks(reply: &[u8]) -> Vec<&[u8]> {
    use hfxbus::redis_io::resp::{Reply, Token};
    let Some(Reply::Array(mut cursor)) = Reply::new(reply) else { panic!("an array") };
    std::iter::from_fn(|| match cursor.token() {
        Some(Token::Bulk(key)) => Some(key),
        _ => None,
    })
    .collect()
}
