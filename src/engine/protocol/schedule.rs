//! Delayed sends in Redis: a sorted set of the due times of a stream, a hash of its sends, and the scripts for them.
//!
//! A send in the hash is `[send, job, once, ttl, count, count × payload key, words of XADD behind the key…]`, as cmsgpack packs
//! it. All keys are in the slot of the stream.

use std::time::Duration;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::keys::Keys;
use crate::redis_io::resp::Value;

/// Adds a send. Keys: the due times, the sends, the key of the id, then payload keys. Arguments: the send, the job, the id,
/// the delay, or the due time behind `@`, and the time of the id in ms, a value and an expiry for each payload key, the words of XADD.
/// A repetition of the same send is no duplicate, also after its entry was added.
pub(crate) const SCHEDULE: &str = "\
local known=redis.call('HGET',KEYS[2],ARGV[3])
if known then
  local words=cmsgpack.unpack(known)
  if words[1]==ARGV[1] then return '-' end
  return '- '..words[1]..' '..words[2]
end
local first=redis.call('GET',KEYS[3])
if first then
  local entry,send=first:match('^(%S+) (%S+)')
  if send==ARGV[1] then return entry end
  return first
end
if #ARGV>6000 then return redis.error_reply('ERR A delayed send has too many values.') end
local due=ARGV[4]:match('^@(%d+)$')
if not due then
  local now=redis.call('TIME')
  due=now[1]*1000+math.floor(now[2]/1000)+tonumber(ARGV[4])
end
local words={ARGV[1],ARGV[2],KEYS[3],ARGV[5],#KEYS-3}
local at=6
for key=4,#KEYS do
  local ok
  if ARGV[at+1]=='0' then ok=redis.pcall('SET',KEYS[key],ARGV[at])
  else ok=redis.pcall('PSETEX',KEYS[key],ARGV[at+1],ARGV[at]) end
  if ok.err then return ok end
  words[#words+1]=KEYS[key]
  at=at+2
end
for word=at,#ARGV do words[#words+1]=ARGV[word] end
local ok=redis.pcall('ZADD',KEYS[1],string.format('%d',tonumber(due)),ARGV[3])
if type(ok)=='table' then return ok end
ok=redis.pcall('HSET',KEYS[2],ARGV[3],cmsgpack.pack(words))
if type(ok)=='table' then
  redis.call('ZREM',KEYS[1],ARGV[3])
  return ok
end
return '-'";

/// Finds the sends that are due. Keys: the due times, the sends. Argument: the maximum number. Returns the id and the key of the
/// first send of each of them, in a row, and the time until the next one in ms, or -1. A send that is gone has the key of the
/// due times.
const FIND_DUE: &str = "\
local time=redis.call('TIME')
local now=time[1]*1000+math.floor(time[2]/1000)
local due=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf',string.format('%d',now),'LIMIT',0,ARGV[1])
local found={}
for _,id in ipairs(due) do
  local packed=redis.call('HGET',KEYS[2],id)
  found[#found+1]=id
  found[#found+1]=packed and cmsgpack.unpack(packed)[3] or KEYS[1]
end
local nearest=redis.call('ZRANGE',KEYS[1],0,0,'WITHSCORES')
return {found,nearest[2] and math.max(0,nearest[2]-now) or -1}";

/// Adds the entries that are due, of the sends that the arguments name. Keys: the due times, the sends, the stream, the key of
/// the first send of each. Returns the number of sends that are over, and the time until the next one in ms, or -1. A user
/// without one of the rights adds nothing, so no entry is added twice.
const RELEASE: &str = "\
for _,right in ipairs({{'HDEL',KEYS[2]},{'ZREM',KEYS[1]}}) do
  local ok=redis.pcall(right[1],right[2],'')
  if type(ok)=='table' then return ok end
end
local keys={}
for at,id in ipairs(ARGV) do keys[id]=KEYS[3+at] end
local time=redis.call('TIME')
local now=time[1]*1000+math.floor(time[2]/1000)
local due=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf',string.format('%d',now),'LIMIT',0,#ARGV)
local count=0
for _,id in ipairs(due) do
  local key=keys[id]
  local packed=key and redis.call('HGET',KEYS[2],id)
  local words=packed and cmsgpack.unpack(packed)
  if key and (not words or words[3]==key) then
    if words and redis.call('EXISTS',key)==0 then
      local ok=redis.pcall('DEL',key)
      if type(ok)=='table' then return ok end
      ok=redis.pcall('PSETEX',key,words[4],'- '..words[1]..' '..words[2])
      if ok.err then return ok end
      local entry=redis.pcall('XADD',KEYS[3],unpack(words,6+words[5]))
      if type(entry)=='table' then
        redis.call('DEL',key)
        return entry
      end
      redis.call('PSETEX',key,words[4],entry..' '..words[1]..' '..words[2])
    end
    redis.call('HDEL',KEYS[2],id)
    redis.call('ZREM',KEYS[1],id)
    count=count+1
  end
end
local nearest=redis.call('ZRANGE',KEYS[1],0,0,'WITHSCORES')
return {count,nearest[2] and math.max(0,nearest[2]-now) or -1}";

/// Finds the payload keys of a send. Key: the sends. Argument: the id.
const FIND_PAYLOAD: &str = "\
local packed=redis.call('HGET',KEYS[1],ARGV[1])
if not packed then return {} end
local words=cmsgpack.unpack(packed)
return {unpack(words,6,5+words[5])}";

/// Removes a send and its payload keys. Keys: the due times, the sends, the payload keys. Argument: the id. Returns 1 if it was
/// there, and -1 if it has other payload keys.
const CANCEL: &str = "\
local packed=redis.call('HGET',KEYS[2],ARGV[1])
if packed then
  local words=cmsgpack.unpack(packed)
  if words[5]~=#KEYS-2 then return -1 end
  for at=3,#KEYS do if words[3+at]~=KEYS[at] then return -1 end end
  for at=3,#KEYS do redis.call('DEL',KEYS[at]) end
  redis.call('HDEL',KEYS[2],ARGV[1])
end
return redis.call('ZREM',KEYS[1],ARGV[1])";

/// Maximum number of entries that one script adds, so that other clients do not wait for long.
pub(crate) const MOST_RELEASED: u64 = 250;

/// Keys of the delayed sends of a stream.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleKeys {
    /// Sorted set of the due times.
    pub(crate) times: String,
    /// Hash of the sends.
    pub(crate) sends: String,
    /// The stream.
    pub(crate) stream: String,
}

impl ScheduleKeys {
    /// The keys of a stream.
    pub(crate) fn new(keys: &Keys, stream: &str) -> Self {
        let (times, sends) = (keys.delayed_times(stream), keys.delayed_sends(stream));
        Self { times, sends, stream: keys.stream(stream) }
    }

    /// Packs the script that finds the sends that are due.
    pub(crate) fn pack_find_due(&self, commands: &mut Commands, to: Destination) {
        commands.begin("EVAL", 6).arg(FIND_DUE.as_bytes()).arg_number(2);
        commands.key(self.times.as_bytes()).key(self.sends.as_bytes()).arg_number(MOST_RELEASED).end(to);
    }

    /// Packs the script that adds the entries of sends that are due.
    pub(crate) fn pack_release(&self, sends: &[DueSend], commands: &mut Commands, to: Destination) {
        let count = sends.len();
        commands.begin("EVAL", 6 + 2 * count).arg(RELEASE.as_bytes()).arg_number(3 + count as u64);
        commands.key(self.times.as_bytes()).key(self.sends.as_bytes()).key(self.stream.as_bytes());
        for send in sends {
            commands.key(&send.key);
        }
        for send in sends {
            commands.arg(&send.id);
        }
        commands.end(to);
    }

    /// Packs the script that finds the payload keys of a send.
    pub(crate) fn pack_find_payload(&self, commands: &mut Commands, id: &str, to: Destination) {
        commands.begin("EVAL", 5).arg(FIND_PAYLOAD.as_bytes()).arg_number(1);
        commands.key(self.sends.as_bytes()).arg(id.as_bytes()).end(to);
    }

    /// Packs the script that removes a send and its payload keys.
    pub(crate) fn pack_cancel(&self, commands: &mut Commands, id: &str, payload: &[Value], to: Destination) {
        let payload: Vec<&[u8]> = payload.iter().filter_map(Value::bytes).collect();
        commands.begin("EVAL", 6 + payload.len()).arg(CANCEL.as_bytes()).arg_number(2 + payload.len() as u64);
        commands.key(self.times.as_bytes()).key(self.sends.as_bytes());
        for key in payload {
            commands.key(key);
        }
        commands.arg(id.as_bytes()).mark_fenced().end(to);
    }

    /// Packs the question whether there are delayed sends. Its reply is their number of keys.
    pub(crate) fn pack_probe(&self, commands: &mut Commands, to: Destination) {
        commands.begin("EXISTS", 2).key(self.times.as_bytes()).end(to);
    }
}

/// A send that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueSend {
    id: Vec<u8>,
    /// Key of the first send of its id.
    key: Vec<u8>,
}

/// Reply of the script that finds the sends that are due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DueSends {
    /// The sends.
    pub(crate) sends: Vec<DueSend>,
    /// Time until the next one.
    pub(crate) next: Option<Duration>,
}

impl DueSends {
    pub(crate) fn read(reply: &Value) -> Option<Self> {
        let Value::Array(parts) = reply else { return None };
        let [Value::Array(found), Value::Integer(next)] = parts.as_slice() else { return None };
        let sends = found.chunks_exact(2).filter_map(|send| {
            Some(DueSend { id: send[0].bytes()?.to_vec(), key: send[1].bytes()?.to_vec() })
        });
        Some(Self { sends: sends.collect(), next: until(*next) })
    }
}

/// Time until the next send. `None` without one.
fn until(next: i64) -> Option<Duration> {
    u64::try_from(next).ok().map(Duration::from_millis)
}

/// Reply of the script that adds entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// Number of sends that are over.
    pub(crate) count: u64,
    /// Time until the next one.
    pub(crate) next: Option<Duration>,
}

impl Released {
    pub(crate) fn read(reply: &Value) -> Option<Self> {
        let Value::Array(parts) = reply else { return None };
        let [Value::Integer(count), Value::Integer(next)] = parts[..] else { return None };
        Some(Self { count: count as u64, next: until(next) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_sends_have_their_keys() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let reply = Value::Array(vec![Value::Array(vec![bulk("a"), bulk("k")]), Value::Integer(0)]);
        let sends = vec![DueSend { id: b"a".to_vec(), key: b"k".to_vec() }];
        assert_eq!(DueSends::read(&reply), Some(DueSends { sends, next: Some(Duration::ZERO) }));
        assert_eq!(DueSends::read(&Value::Integer(0)), None);
    }

    #[test]
    fn the_reply_has_the_count_and_the_time_until_the_next_one() {
        let read = |next| Released::read(&Value::Array(vec![Value::Integer(3), Value::Integer(next)]));
        assert_eq!(read(7), Some(Released { count: 3, next: Some(Duration::from_millis(7)) }));
        assert_eq!(read(-1), Some(Released { count: 3, next: None }));
        assert_eq!(Released::read(&Value::Nil), None);
    }
}
