//! Effects in the replies of servers: entries that a consumer has read, claimed or renewed, and permits of rate limits.

use crate::history::Done;

/// Reads the deliveries of an XREADGROUP or an XCLAIM, or the permits of a request, from the words and the reply.
pub fn of_command(command: &str, words: &[&[u8]], reply: &[u8]) -> Vec<Done> {
    match command {
        "xreadgroup" => read(words, reply),
        "xclaim" => claimed(words, reply).into_iter().collect(),
        "set" | "incrby" => permits(command, words, reply).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Reads an XREADGROUP, which has its options in the order of the engine and of 2.2.0.
fn read(words: &[&[u8]], reply: &[u8]) -> Vec<Done> {
    let at = |name: &[u8]| words.iter().position(|word| word.eq_ignore_ascii_case(name));
    let (Some(of), Some(streams)) = (at(b"group"), at(b"streams")) else { return Vec::new() };
    let names = &words[streams + 1..];
    let (keys, positions) = names.split_at(names.len() / 2);
    let asked = at(b"count").and_then(|count| number(words.get(count + 1)?)).unwrap_or(0);
    let mut found: Vec<Done> = Vec::new();
    for line in lines(reply) {
        if let Some(nth) = keys.iter().position(|key| *key == line) {
            found.push(Done::Delivered {
                stream: text(keys[nth]),
                group: text(words[of + 1]),
                consumer: text(words[of + 2]),
                entries: Vec::new(),
                is_new: positions[nth] == b">",
                asked,
            });
        } else if let (Some(Done::Delivered { entries, .. }), true) = (found.last_mut(), is_entry_id(line)) {
            entries.push(text(line));
        }
    }
    found
}

fn claimed(words: &[&[u8]], reply: &[u8]) -> Option<Done> {
    let after = |name: &[u8]| {
        let at = words.iter().position(|word| word.eq_ignore_ascii_case(name))?;
        number(words.get(at + 1)?)
    };
    let entries: Vec<String> = lines(reply).filter(|line| is_entry_id(line)).map(text).collect();
    (!entries.is_empty()).then_some(())?;
    Some(Done::Claimed {
        stream: text(words.get(1)?),
        group: text(words.get(2)?),
        consumer: text(words.get(3)?),
        entries,
        idle: after(b"idle").or(after(b"time").map(|_| u64::MAX)),
        is_start: !words.iter().any(|word| word.eq_ignore_ascii_case(b"justid")),
        is_forced: words.iter().any(|word| word.eq_ignore_ascii_case(b"force")),
    })
}

/// Reads a command about the window of a rate limit, if its key is that of a budget.
fn permits(command: &str, words: &[&[u8]], reply: &[u8]) -> Option<Done> {
    let key = text(words.get(1)?);
    let budget = key.strip_prefix("hfxbus:lim:").or_else(|| key.strip_prefix("hfxbus:lmk:"))?.to_owned();
    match command {
        "set" => reply.starts_with(b"+").then_some(Done::WindowBegun { budget }),
        _ => {
            let count = number(lines(reply).next()?.strip_prefix(b":")?)?;
            Some(Done::Permitted { budget, asked: number(words.get(2)?)?, count })
        }
    }
}

fn lines(reply: &[u8]) -> impl Iterator<Item = &[u8]> {
    reply.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Returns true for the id of an entry in a world, whose clock begins in 2026.
fn is_entry_id(line: &[u8]) -> bool {
    let Some(dash) = line.iter().position(|&byte| byte == b'-') else { return false };
    let is_time = number(&line[..dash]).is_some_and(|time| time > 1_000_000_000_000);
    is_time && number(&line[dash + 1..]).is_some()
}
