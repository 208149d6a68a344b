//! Idempotency ids: the script that adds one entry for an id, and its reply.

use crate::redis_io::streams::entry::EntryId;

/// Adds the entry and remembers it. Keys: the stream, the id, the delayed sends, then payload keys. Arguments: the send, the
/// job, the id, the time in ms, a value and an expiry for each payload key, the words of XADD. A repetition of the same send is
/// no duplicate. A delayed send of the id is the first send. Errors come back as Redis has them, which older versions wrap
/// otherwise. The id is kept first, so that a user without one of the rights adds nothing. The first write needs memory: Redis
/// refuses no later one of a script.
pub(crate) const ADD_ONCE: &str = "\
local first=redis.call('GET',KEYS[2])
if first then
  local entry,send=first:match('^(%S+) (%S+)')
  if send==ARGV[1] then return entry end
  return first
end
local delayed=redis.call('HGET',KEYS[3],ARGV[3])
if delayed then
  local words=cmsgpack.unpack(delayed)
  return '- '..words[1]..' '..words[2]
end
local known='- '..ARGV[1]..' '..ARGV[2]
local ok=redis.pcall('PSETEX',KEYS[2],'1',known)
if ok.err then return ok end
ok=redis.pcall('DEL',KEYS[2])
if type(ok)=='table' then return ok end
redis.call('PSETEX',KEYS[2],ARGV[4],known)
local function refuse(error)
  redis.call('DEL',KEYS[2])
  return error
end
local at=5
for key=4,#KEYS do
  local ok
  if ARGV[at+1]=='0' then ok=redis.pcall('SET',KEYS[key],ARGV[at])
  else ok=redis.pcall('PSETEX',KEYS[key],ARGV[at+1],ARGV[at]) end
  if ok.err then return refuse(ok) end
  at=at+2
end
local entry=redis.pcall('XADD',KEYS[1],unpack(ARGV,at))
if type(entry)=='table' then return refuse(entry) end
redis.call('PSETEX',KEYS[2],ARGV[4],entry..' '..ARGV[1]..' '..ARGV[2])
return entry";

/// Idempotency id of a send.
#[derive(Clone, Debug)]
pub struct SendOnce {
    /// The id.
    pub id: Box<str>,
    /// Time for which it is kept, in ms.
    pub ttl: u64,
    /// Delay of a delayed send, in ms.
    pub delay: Option<u64>,
    /// Its due time by the clock of Redis, in ms. `None` if the delay counts from the arrival.
    pub due: Option<u64>,
    /// True if the id is that of the job, which can be sent again after the entry was added.
    pub is_of_job: bool,
}

/// The first send of an id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FirstSend<'a> {
    /// `None` if it is not added yet.
    pub(crate) entry: Option<EntryId>,
    /// The id of its producer and its number.
    pub(crate) send: &'a str,
    pub(crate) job: &'a str,
}

impl<'a> FirstSend<'a> {
    /// Reads `entry send job`. `None` if it is an entry only, which was added now.
    pub(crate) fn read(reply: &'a [u8]) -> Option<Self> {
        let (entry, rest) = std::str::from_utf8(reply).ok()?.split_once(' ')?;
        let (send, job) = rest.split_once(' ')?;
        Some(Self { entry: EntryId::parse(entry.as_bytes()), send, job })
    }

    /// As [`FirstSend::read`], if it is this send.
    pub(crate) fn read_of(reply: &'a [u8], send: &str) -> Option<Self> {
        Self::read(reply).filter(|first| first.send == send)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_the_first_send_or_a_new_entry() {
        let entry = Some(EntryId { time: 1, sequence: 2 });
        assert_eq!(FirstSend::read(b"1-2 P:3 a job"), Some(FirstSend { entry, send: "P:3", job: "a job" }));
        assert_eq!(FirstSend::read(b"- P:3 J"), Some(FirstSend { entry: None, send: "P:3", job: "J" }));
        assert_eq!(FirstSend::read_of(b"1-2 P:3 J", "P:4"), None);
        assert_eq!(FirstSend::read(b"1-2"), None);
    }
}
