//! Sends with an idempotency id. A script adds the entry, unless the id was sent before, within the time that it is kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::producer::Producer;
use crate::engine::producer::send_payload::{PayloadValue, SendPayload};
use crate::engine::producer::send_plan::QueuedSend;

/// Adds the entry and remembers it. Keys: the stream, the id, then payload keys. Arguments: the send, the job, the time in ms,
/// a value and an expiry for each payload key, the words of XADD. A repetition of the same send is no duplicate. Errors come
/// back as Redis has them, which older versions wrap otherwise.
const ADD_ONCE: &str = "\
local first=redis.call('GET',KEYS[2])
if first then
  local entry,send=first:match('^(%S+) (%S+)')
  if send==ARGV[1] then return entry end
  return first
end
local at=4
for key=3,#KEYS do
  local ok
  if ARGV[at+1]=='0' then ok=redis.pcall('SET',KEYS[key],ARGV[at])
  else ok=redis.pcall('PSETEX',KEYS[key],ARGV[at+1],ARGV[at]) end
  if ok.err then return ok end
  at=at+2
end
local entry=redis.pcall('XADD',KEYS[1],unpack(ARGV,at))
if type(entry)=='table' then return entry end
local ok=redis.pcall('PSETEX',KEYS[2],ARGV[3],entry..' '..ARGV[1]..' '..ARGV[2])
if ok.err then return ok end
return entry";

/// Idempotency id of a send.
#[derive(Clone, Debug)]
pub struct SendOnce {
    /// The id.
    pub id: Box<str>,
    /// Time for which it is kept, in ms.
    pub ttl: u64,
}

/// The first send of an id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FirstSend<'a> {
    pub(crate) entry: EntryId,
    pub(crate) job: &'a str,
}

impl<'a> FirstSend<'a> {
    /// Reads `entry send job`. `None` if it is an entry only, which was added now.
    pub(crate) fn read(reply: &'a [u8]) -> Option<Self> {
        let (entry, rest) = std::str::from_utf8(reply).ok()?.split_once(' ')?;
        Some(Self { entry: EntryId::parse(entry.as_bytes())?, job: rest.split_once(' ')?.1 })
    }
}

impl Producer {
    /// Packs the send of a job with an idempotency id, whose payload keys and entry take effect together or not at all.
    pub(crate) fn pack_once(
        &self,
        commands: &mut Commands,
        (node, queued, record): (usize, &QueuedSend, u64),
        once: &SendOnce,
        to: Destination,
    ) {
        let keys = self.node_set.nodes()[node].keys();
        let number = self.sent_once.fetch_add(1, Ordering::Relaxed);
        let values =
            || queued.payload.iter().flat_map(|payload| payload.values.iter().filter(|value| value.is_key));
        let count = queued.payload.as_deref().map_or(0, SendPayload::keys);
        let fields = self.fields(queued, record);
        let words = 3 + 2 + count + 3 + 2 * count + queued.plan.words(&fields, queued.capped);
        commands.begin("EVAL", words).arg(ADD_ONCE.as_bytes()).arg_number(2 + count as u64);
        commands.key(queued.plan.key(node).as_bytes());
        commands.key(keys.once(&queued.plan.stream, &once.id).as_bytes());
        for PayloadValue { key, .. } in values() {
            commands.key_parts(&keys.payload(&queued.job, key));
        }
        let send = format!("{}:{number}", self.id);
        commands.arg(send.as_bytes()).arg(queued.job.as_bytes()).arg_number(once.ttl);
        for PayloadValue { value, expiry, .. } in values() {
            commands.arg(value).arg_number(*expiry);
        }
        queued.plan.pack_words(commands, fields, queued.capped);
        commands.end(to);
    }

    /// Takes the reply to a send with an id. A duplicate waits for the completions of the first send. Those go to the producer
    /// of the first send, so Redis is asked for them.
    pub(crate) fn on_duplicate(&self, wait: u32, reply: &[u8]) {
        let Some(producer) = self.this.upgrade() else { return };
        match FirstSend::read(reply) {
            Some(FirstSend { entry, job }) => {
                let mut state = producer.lock();
                state.completions.follow(wait, entry, &Arc::from(job));
                producer.keep_checking(&mut state);
            }
            None => {
                if let Some(entry) = EntryId::parse(reply) {
                    producer.sent(wait, entry);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_the_first_send_or_a_new_entry() {
        let entry = EntryId { time: 1, sequence: 2 };
        assert_eq!(FirstSend::read(b"1-2 P:3 a job"), Some(FirstSend { entry, job: "a job" }));
        assert_eq!(FirstSend::read(b"1-2"), None);
    }
}
