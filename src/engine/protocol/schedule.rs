//! Delayed sends in Redis: a sorted set of the due times of a stream, a hash of its sends, and the scripts for them.
//!
//! A send in the hash is `[send, job, once, ttl, count, count × payload key, words of XADD behind the key…]`, as cmsgpack packs
//! it. All keys are in the slot of the stream.

use std::time::Duration;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::keys::Keys;
use crate::redis_io::resp::Value;

/// Adds a send. Keys: the due times, the sends, the key of the id, then payload keys. Arguments: the send, the job, the id,
/// the delay, or the due time behind `@`, and the time of the id in ms, a value and an expiry for each payload key, the words of XADD. A repetition of
/// the same send is no duplicate, also after its entry was added.
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

/// Adds the entries that are due. Keys: the due times, the sends, the stream. Argument: the maximum number. Returns the number
/// of sends that are over, and the time until the next one in ms, or -1. A user without one of the rights adds nothing, so no
/// entry is added twice.
const RELEASE: &str = "\
for _,right in ipairs({{'HDEL',KEYS[2]},{'ZREM',KEYS[1]}}) do
  local ok=redis.pcall(right[1],right[2],'')
  if type(ok)=='table' then return ok end
end
local time=redis.call('TIME')
local now=time[1]*1000+math.floor(time[2]/1000)
local due=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf',string.format('%d',now),'LIMIT',0,ARGV[1])
for _,id in ipairs(due) do
  local packed=redis.call('HGET',KEYS[2],id)
  local words=packed and cmsgpack.unpack(packed)
  if words and redis.call('EXISTS',words[3])==0 then
    local ok=redis.pcall('DEL',words[3])
    if type(ok)=='table' then return ok end
    ok=redis.pcall('PSETEX',words[3],words[4],'- '..words[1]..' '..words[2])
    if ok.err then return ok end
    local entry=redis.pcall('XADD',KEYS[3],unpack(words,6+words[5]))
    if type(entry)=='table' then
      redis.call('DEL',words[3])
      return entry
    end
    redis.call('PSETEX',words[3],words[4],entry..' '..words[1]..' '..words[2])
  end
  redis.call('HDEL',KEYS[2],id)
  redis.call('ZREM',KEYS[1],id)
end
local nearest=redis.call('ZRANGE',KEYS[1],0,0,'WITHSCORES')
return {#due,nearest[2] and math.max(0,nearest[2]-now) or -1}";

/// Removes a send and its payload keys. Keys: the due times, the sends. Argument: the id. Returns 1 if it was there.
const CANCEL: &str = "\
local packed=redis.call('HGET',KEYS[2],ARGV[1])
local count=redis.call('ZREM',KEYS[1],ARGV[1])
if packed then
  local words=cmsgpack.unpack(packed)
  for key=6,5+words[5] do redis.call('DEL',words[key]) end
  redis.call('HDEL',KEYS[2],ARGV[1])
end
return count";

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

    /// Packs the script that adds the entries that are due.
    pub(crate) fn pack_release(&self, commands: &mut Commands, to: Destination) {
        commands.begin("EVAL", 7).arg(RELEASE.as_bytes()).arg_number(3);
        commands.key(self.times.as_bytes()).key(self.sends.as_bytes()).key(self.stream.as_bytes());
        commands.arg_number(MOST_RELEASED).end(to);
    }

    /// Packs the script that removes a send.
    pub(crate) fn pack_cancel(&self, commands: &mut Commands, id: &str, to: Destination) {
        commands.begin("EVAL", 6).arg(CANCEL.as_bytes()).arg_number(2);
        commands.key(self.times.as_bytes()).key(self.sends.as_bytes()).arg(id.as_bytes()).end(to);
    }

    /// Packs a GET of the due times, whose reply is an error if there are some. Every user of a bus has the right to GET.
    pub(crate) fn pack_probe(&self, commands: &mut Commands, to: Destination) {
        commands.begin("GET", 2).key(self.times.as_bytes()).end(to);
    }
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
        Some(Self { count: count as u64, next: u64::try_from(next).ok().map(Duration::from_millis) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_has_the_count_and_the_time_until_the_next_one() {
        let read = |next| Released::read(&Value::Array(vec![Value::Integer(3), Value::Integer(next)]));
        assert_eq!(read(7), Some(Released { count: 3, next: Some(Duration::from_millis(7)) }));
        assert_eq!(read(-1), Some(Released { count: 3, next: None }));
        assert_eq!(Released::read(&Value::Nil), None);
    }
}
