//! The scripts of delayed sends and of idempotency ids, for a simulation. They do what their texts in the engine say.

use crate::embedded::command::{CommandContext, CommandResult};
use crate::embedded::execution;
use crate::embedded::keyspace::StoredValue;
use crate::embedded::protocol::command_error::{CommandError, NOT_AN_INTEGER};
use crate::embedded::protocol::number;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::simulation::word_table::{WordTable, pack, pack_table, unpack, unpack_table};
use crate::redis_io::world::fault::planted;

/// Words of a send in front of its payload keys: send, job, key of the first send, time of the id, number of payload keys.
const HEAD: usize = 5;

/// Words of a script call.
struct Words<'a> {
    keys: &'a [&'a [u8]],
    args: &'a [&'a [u8]],
}

impl<'a> Words<'a> {
    fn of(call: &CommandContext<'a>) -> Result<Self, CommandError> {
        let count = usize_of(call.arg(2))?;
        let (keys, args) = call.args[3..].split_at(count.min(call.args.len() - 3));
        Ok(Self { keys, args })
    }

    fn arg(&self, at: usize) -> &'a [u8] {
        self.args.get(at).copied().unwrap_or_default()
    }

    fn key(&self, at: usize) -> &'a [u8] {
        self.keys.get(at).copied().unwrap_or_default()
    }
}

fn usize_of(word: &[u8]) -> Result<usize, CommandError> {
    number::parse(word).and_then(|number| usize::try_from(number).ok()).ok_or(NOT_AN_INTEGER)
}

fn time_of(word: &[u8]) -> i64 {
    number::parse(word).unwrap_or_default()
}

/// Returns the table of a key.
pub(super) fn table(call: &CommandContext<'_>, key: &[u8]) -> Result<WordTable, CommandError> {
    Ok(call.core.keyspace.text(key)?.map(unpack_table).unwrap_or_default())
}

/// Replaces the table of a key, which keeps its expiry. An empty table has no key.
pub(super) fn store(call: &mut CommandContext<'_>, key: &[u8], table: &WordTable) {
    if table.is_empty() {
        call.core.remove(key);
    } else {
        call.core.keyspace.put(key, StoredValue::Text(pack_table(table)));
        call.core.touch(key);
    }
}

/// Writes payload keys: a value and an expiry for each.
fn write_payload(call: &mut CommandContext<'_>, keys: &[&[u8]], values: &[&[u8]]) {
    for (key, value) in keys.iter().zip(values.chunks(2)) {
        let expiry = value.get(1).map_or(0, |expiry| time_of(expiry)) as u64;
        let until = (expiry > 0).then(|| call.now() + expiry);
        call.core.put_text(key, value[0].to_vec(), until);
    }
}

/// Executes XADD as the server does, and returns the id, or else the error.
fn add(call: &mut CommandContext<'_>, stream: &[u8], words: &[&[u8]]) -> Result<Vec<u8>, CommandError> {
    let mut reply = ReplyBuffer::default();
    let args = [&[b"XADD".as_slice(), stream], words].concat();
    let Some(command) = call.table.find(b"xadd") else { return Err(CommandError::new("ERR no XADD")) };
    let (client, table, in_transaction) = (call.client, call.table, call.in_transaction);
    let core = &mut *call.core;
    execution::run(&mut CommandContext {
        core,
        client,
        args: &args,
        command,
        table,
        reply: &mut reply,
        in_transaction,
    });
    let reply = reply.into_bytes();
    let mut lines = reply.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    match lines.next() {
        Some([b'-', error @ ..]) => Err(CommandError::with(&[error])),
        _ => Ok(lines.next().unwrap_or_default().to_vec()),
    }
}

fn row(words: &[&[u8]]) -> Vec<u8> {
    words.join(&b' ')
}

/// Replies the first send of an id: its entry alone if it is this send. Returns false if there is none.
fn reply_first(call: &mut CommandContext<'_>, key: &[u8], send: &[u8]) -> Result<bool, CommandError> {
    let Some(first) = call.core.keyspace.text(key)?.map(<[u8]>::to_vec) else { return Ok(false) };
    let mut parts = first.split(|&byte| byte == b' ');
    let (entry, of) = (parts.next().unwrap_or_default(), parts.next());
    call.reply.bulk(if of == Some(send) { entry } else { &first });
    Ok(true)
}

/// Adds the entry of an id, unless it was sent before.
pub fn add_once(call: &mut CommandContext<'_>) -> CommandResult {
    let Words { keys, args } = Words::of(call)?;
    let [stream, first, delayed, payload @ ..] = keys else { return Err(NOT_AN_INTEGER) };
    let [send, job, id, ttl, rest @ ..] = args else { return Err(NOT_AN_INTEGER) };
    if reply_first(call, first, send)? {
        return Ok(());
    }
    if let Some(packed) = table(call, delayed)?.get(*id) {
        let words = unpack(packed);
        call.reply.bulk(&row(&[b"-", &words[0], &words[1]]));
        return Ok(());
    }
    let (values, words) = rest.split_at(2 * payload.len());
    write_payload(call, payload, values);
    let entry = add(call, stream, words)?;
    let until = call.now() + time_of(ttl) as u64;
    call.core.put_text(first, row(&[&entry, send, job]), Some(until));
    call.reply.bulk(&entry);
    Ok(())
}

/// Adds a delayed send.
pub fn schedule(call: &mut CommandContext<'_>) -> CommandResult {
    let Words { keys, args } = Words::of(call)?;
    let [times, sends, first, payload @ ..] = keys else { return Err(NOT_AN_INTEGER) };
    let [send, job, id, delay, ttl, rest @ ..] = args else { return Err(NOT_AN_INTEGER) };
    let mut known = table(call, sends)?;
    if let Some(packed) = known.get(*id) {
        let words = unpack(packed);
        let reply = if words[0] == *send { b"-".to_vec() } else { row(&[b"-", &words[0], &words[1]]) };
        call.reply.bulk(&reply);
        return Ok(());
    }
    if reply_first(call, first, send)? {
        return Ok(());
    }
    let now = call.now() as i64;
    let due = match delay.strip_prefix(b"@") {
        Some(due) => time_of(due),
        None => now + time_of(delay),
    };
    let (values, words) = rest.split_at(2 * payload.len());
    write_payload(call, payload, values);
    let count = payload.len().to_string();
    let head = [*send, *job, *first, *ttl, count.as_bytes()];
    known.insert(id.to_vec(), pack([&head, payload, words].concat()));
    store(call, sends, &known);
    let mut due_times = table(call, times)?;
    due_times.insert(id.to_vec(), due.to_string().into_bytes());
    store(call, times, &due_times);
    call.reply.bulk(b"-");
    Ok(())
}

/// Sends in the order of their due times, up to now.
fn due(call: &CommandContext<'_>, times: &WordTable, most: usize) -> Vec<Vec<u8>> {
    let now = call.now() as i64;
    let mut all: Vec<(i64, &Vec<u8>)> = times.iter().map(|(id, due)| (time_of(due), id)).collect();
    all.sort();
    all.into_iter().filter(|(due, _)| *due <= now).take(most).map(|(_, id)| id.clone()).collect()
}

/// Time until the nearest due time.
fn nearest(call: &CommandContext<'_>, times: &WordTable) -> i64 {
    let now = call.now() as i64;
    times.values().map(|due| time_of(due)).min().map_or(-1, |due| (due - now).max(0))
}

/// Finds the sends that are due.
pub fn find_due(call: &mut CommandContext<'_>) -> CommandResult {
    let words = Words::of(call)?;
    let (times, sends) = (table(call, words.key(0))?, table(call, words.key(1))?);
    let found = due(call, &times, usize_of(words.arg(0))?);
    call.reply.array(2);
    call.reply.array(2 * found.len());
    for id in found {
        call.reply.bulk(&id);
        let first = sends.get(&id).map(|packed| unpack(packed).swap_remove(2));
        call.reply.bulk(first.as_deref().unwrap_or(words.key(0)));
    }
    call.reply.integer(nearest(call, &times));
    Ok(())
}

/// Adds the entries of sends that are due.
pub fn release(call: &mut CommandContext<'_>) -> CommandResult {
    let Words { keys, args } = Words::of(call)?;
    let [times_key, sends_key, stream, firsts @ ..] = keys else { return Err(NOT_AN_INTEGER) };
    let (mut times, mut sends) = (table(call, times_key)?, table(call, sends_key)?);
    let mut count = 0;
    for id in due(call, &times, args.len()) {
        let Some(first) = args.iter().position(|arg| *arg == id).and_then(|at| firsts.get(at)) else {
            continue;
        };
        let words = sends.get(&id).map(|packed| unpack(packed));
        if words.as_ref().is_some_and(|words| words[2] != *first) {
            continue;
        }
        if let Some(words) = words.filter(|_| !call.core.keyspace.contains(first)) {
            let head = HEAD + usize_of(&words[HEAD - 1])?;
            let fields: Vec<&[u8]> = words[head..].iter().map(Vec::as_slice).collect();
            let entry = add(call, stream, &fields)?;
            if planted("due send is added twice") {
                add(call, stream, &fields)?;
            }
            let until = call.now() + time_of(&words[3]) as u64;
            call.core.put_text(first, row(&[&entry, &words[0], &words[1]]), Some(until));
        }
        times.remove(&id);
        sends.remove(&id);
        count += 1;
    }
    store(call, times_key, &times);
    store(call, sends_key, &sends);
    call.reply.array(2);
    call.reply.integer(count);
    call.reply.integer(nearest(call, &times));
    Ok(())
}

/// Finds the payload keys of a send.
pub fn find_payload(call: &mut CommandContext<'_>) -> CommandResult {
    let words = Words::of(call)?;
    let sends = table(call, words.key(0))?;
    let packed = sends.get(words.arg(0)).map(|packed| unpack(packed)).unwrap_or_default();
    let count = packed.get(HEAD - 1).map_or(0, |count| time_of(count)) as usize;
    let keys = packed.iter().skip(HEAD).take(count);
    call.reply.array(keys.len());
    keys.for_each(|key| call.reply.bulk(key));
    Ok(())
}

/// Removes a send with its payload keys.
pub fn cancel(call: &mut CommandContext<'_>) -> CommandResult {
    let Words { keys, args } = Words::of(call)?;
    let ([times_key, sends_key, payload @ ..], [id]) = (keys, args) else { return Err(NOT_AN_INTEGER) };
    let (mut times, mut sends) = (table(call, times_key)?, table(call, sends_key)?);
    if let Some(packed) = sends.get(*id) {
        let words = unpack(packed);
        let known = words.iter().skip(HEAD).take(time_of(&words[HEAD - 1]) as usize);
        if !known.map(Vec::as_slice).eq(payload.iter().copied()) {
            call.reply.integer(-1);
            return Ok(());
        }
        for key in payload {
            call.core.remove(key);
        }
        sends.remove(*id);
        store(call, sends_key, &sends);
    }
    let is_removed = times.remove(*id).is_some();
    store(call, times_key, &times);
    call.reply.integer(i64::from(is_removed));
    Ok(())
}
