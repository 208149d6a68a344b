//! Names of hfxbus' keys, groups and channels in Redis. No other file knows them.
//!
//! `{p}:job:{id}:{key}` payload, `{p}:str:{stream}` stream, `{p}:csr:{group}` consumer group,
//! `{p}:chn:{stream}:{producer}` completion channel, where `{p}` is the bus' key prefix. Fleets of old and new processes
//! meet under these names, so they never change.
//!
//! Version 2 does not know the sharded completion channel `{tag}:{p}:shd:{stream}:{producer}` in braces of its own, with the
//! hash tag of the stream's key. It is in the slot of the stream.
//!
//! Version 2 does not know `{p}:once:{tag}:{stream}:{id}` with the tag in braces of its own, the send with an idempotency id,
//! and `{p}:delayed:{tag}:{stream}:times` and `{p}:delayed:{tag}:{stream}:sends`, the delayed sends.
//!
//! Version 2 does not know `{p}:rec:{entry}:{stream}:{group}`, the outcome record, and
//! `{p}:rec:unheard:{entry}:{stream}:{group}`, the outcome record of a failure without a receiver. No payload key begins
//! so.
//!
//! Version 2 does not know `{p}:ret:{stream}`, the mark of the entries that retention has removed, and
//! `{p}:rtl:{stream}`, the lease of the consumer that removes them.
//!
//! Version 2 does not know `{p}:prt:{stream}` either, the counts of a stream's partitions. Nor does it know the ownership of
//! ordered partitions: `{p}:mem:{stream}:{group}`, the consumers that live, `{p}:own:{partition}:{group}`, the owner, and
//! `{p}:fen:{partition}:{group}`, the last fencing number. The last two have the hash tag of the partition.
//!
//! Version 2 does not know `{p}:res:{stream}:{group}:{id}`, the result stream of a job for a group, and the channel of the same
//! name.
//!
//! Version 2 does not know `{p}:lim:{stream}:{group}` and `{p}:lmk:{stream}:{group}:{key}`, the permits that were requested in
//! the current window of a rate limit.

use crate::redis_io::key_slot::{hash_tag, slot_of};

/// Names under one key prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
    payload: String,
    stream: String,
    record: String,
    retention_mark: String,
    retention_lease: String,
    partitions: String,
    result: String,
    ownership: String,
    once: String,
    delayed: String,
}

impl Keys {
    /// Names under `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self::on_node(prefix, "")
    }

    /// Names under `prefix` on a node that puts something of its own in front of every key. Groups and channels
    /// are no keys.
    pub fn on_node(prefix: &str, node: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            payload: format!("{node}{prefix}:job:"),
            stream: format!("{node}{prefix}:str:"),
            record: format!("{node}{prefix}:rec:"),
            retention_mark: format!("{node}{prefix}:ret:"),
            retention_lease: format!("{node}{prefix}:rtl:"),
            partitions: format!("{node}{prefix}:prt:"),
            result: format!("{node}{prefix}:res:"),
            ownership: format!("{node}{prefix}:"),
            once: format!("{node}{prefix}:once:"),
            delayed: format!("{node}{prefix}:delayed:"),
        }
    }

    /// The parts of a payload key, in the form that [`crate::redis_io::command::Commands::arg_parts`] takes.
    pub fn payload<'a>(&'a self, job: &'a str, key: &'a str) -> [&'a [u8]; 4] {
        [self.payload.as_bytes(), job.as_bytes(), b":", key.as_bytes()]
    }

    /// The key of a stream.
    pub fn stream(&self, stream: &str) -> String {
        format!("{}{stream}", self.stream)
    }

    /// The key of the counts of a stream's partitions.
    pub fn partitions(&self, stream: &str) -> String {
        format!("{}{stream}", self.partitions)
    }

    /// The key of the result stream of a job for `group`.
    pub fn result(&self, stream: &str, group: &str, job: &str) -> String {
        format!("{}{stream}:{group}:{job}", self.result)
    }

    /// The channel of its chunks.
    pub fn result_channel(&self, stream: &str, group: &str, job: &str) -> String {
        format!("{}:res:{stream}:{group}:{job}", self.prefix)
    }

    /// The key of the consumers of `group` that can own partitions of `stream`.
    pub fn members(&self, stream: &str, group: &str) -> String {
        format!("{}mem:{stream}:{group}", self.ownership)
    }

    /// The key of the owner of a partition for `group`.
    pub fn owner(&self, partition: &str, group: &str) -> String {
        format!("{}own:{partition}:{group}", self.ownership)
    }

    /// The key of the last fencing number of a partition for `group`.
    pub fn fence(&self, partition: &str, group: &str) -> String {
        format!("{}fen:{partition}:{group}", self.ownership)
    }

    /// The key of the permits of a rate limit of `group`.
    pub fn limit(&self, stream: &str, group: &str) -> String {
        format!("{}lim:{stream}:{group}", self.ownership)
    }

    /// The same of one key of the jobs.
    pub fn key_limit(&self, stream: &str, group: &str, key: &str) -> String {
        format!("{}lmk:{stream}:{group}:{key}", self.ownership)
    }

    /// The parts of the key of the record of how `group`, by its name without prefix, completed an entry.
    pub fn record<'a>(&'a self, entry: &'a str, stream: &'a str, group: &'a str) -> [&'a [u8]; 6] {
        [self.record.as_bytes(), entry.as_bytes(), b":", stream.as_bytes(), b":", group.as_bytes()]
    }

    /// The same for a failure whose completion had no receiver.
    pub fn unheard<'a>(&'a self, entry: &'a str, stream: &'a str, group: &'a str) -> [&'a [u8]; 7] {
        let record = self.record.as_bytes();
        [record, b"unheard:", entry.as_bytes(), b":", stream.as_bytes(), b":", group.as_bytes()]
    }

    /// The parts of the key of the mark that says which entries of a stream retention has removed.
    pub fn retention_mark<'a>(&'a self, stream: &'a str) -> [&'a [u8]; 2] {
        [self.retention_mark.as_bytes(), stream.as_bytes()]
    }

    /// The parts of the key of the lease of the consumer that removes acknowledged entries of a stream.
    pub fn retention_lease<'a>(&'a self, stream: &'a str) -> [&'a [u8]; 2] {
        [self.retention_lease.as_bytes(), stream.as_bytes()]
    }

    /// The key that remembers the send with an idempotency id. It is in the slot of the stream, unless the names have braces
    /// that are no hash tag.
    pub fn once(&self, stream: &str, id: &str) -> String {
        self.beside(&self.once, stream, id)
    }

    /// The sorted set of the due times of the delayed sends of a stream, in its slot.
    pub fn delayed_times(&self, stream: &str) -> String {
        self.beside(&self.delayed, stream, "times")
    }

    /// The hash of these sends.
    pub fn delayed_sends(&self, stream: &str) -> String {
        self.beside(&self.delayed, stream, "sends")
    }

    /// A key in the slot of a stream: behind `head`, the hash tag of the stream's key.
    fn beside(&self, head: &str, stream: &str, name: &str) -> String {
        let key = self.stream(stream);
        let tag = hash_tag(key.as_bytes()).and_then(|tag| std::str::from_utf8(tag).ok()).unwrap_or(&key);
        format!("{head}{{{tag}}}:{stream}:{name}")
    }

    /// The name of a consumer group.
    pub fn group(&self, group: &str) -> String {
        format!("{}:csr:{group}", self.prefix)
    }

    /// Channel of the completions of `producer` on `stream`.
    pub fn channel(&self, stream: &str, producer: &str) -> String {
        format!("{}{producer}", self.channels_of(stream))
    }

    /// Prefix of every channel of `stream`. The producer's id follows.
    pub fn channels_of(&self, stream: &str) -> String {
        format!("{}:chn:{stream}:", self.prefix)
    }

    /// Prefix of every sharded channel of `stream`, in the slot of the stream's key. The producer's id follows. `None` if no
    /// channel can be in that slot, because of braces in the name.
    pub fn sharded_channels_of(&self, stream: &str) -> Option<String> {
        let key = self.stream(stream);
        let tag = hash_tag(key.as_bytes()).and_then(|tag| std::str::from_utf8(tag).ok()).unwrap_or(&key);
        let head = format!("{{{tag}}}:{}:shd:{stream}:", self.prefix);
        (slot_of(head.as_bytes()) == slot_of(key.as_bytes())).then_some(head)
    }

    /// Pattern for the completions of every producer on `stream`. A name without `*` is literal, so the other special
    /// characters of Redis are escaped.
    pub fn pattern(&self, stream: &str) -> String {
        let prefix = escape_glob(&self.prefix);
        match stream.contains('*') {
            true => format!("{prefix}:chn:{stream}:*"),
            false => format!("{prefix}:chn:{}:*", escape_glob(stream)),
        }
    }
}

/// Puts a backslash in front of whatever Redis' glob matching would not take literally.
fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire_format() {
        let keys = Keys::new("hfxbus");
        assert_eq!(keys.payload("J", "k").concat(), b"hfxbus:job:J:k");
        assert_eq!(keys.stream("s"), "hfxbus:str:s");
        assert_eq!(keys.group("g"), "hfxbus:csr:g");
        assert_eq!(keys.channel("s", "P"), "hfxbus:chn:s:P");
        assert_eq!(keys.record("1-2", "s", "g").concat(), b"hfxbus:rec:1-2:s:g");
        assert_eq!(keys.unheard("1-2", "s", "g").concat(), b"hfxbus:rec:unheard:1-2:s:g");
        assert_eq!(keys.retention_mark("s").concat(), b"hfxbus:ret:s");
        assert_eq!(keys.retention_lease("s").concat(), b"hfxbus:rtl:s");
        assert_eq!(keys.result("s", "g", "J"), "hfxbus:res:s:g:J");
        assert_eq!(keys.result_channel("s", "g", "J"), "hfxbus:res:s:g:J");
    }

    #[test]
    fn a_node_has_its_prefix_in_front_of_keys_only() {
        let keys = Keys::on_node("hfxbus", "dbl:");
        assert_eq!(keys.payload("J", "k").concat(), b"dbl:hfxbus:job:J:k");
        assert_eq!(keys.stream("s"), "dbl:hfxbus:str:s");
        assert_eq!(keys.record("1-2", "s", "g").concat(), b"dbl:hfxbus:rec:1-2:s:g");
        assert_eq!(keys.retention_mark("s").concat(), b"dbl:hfxbus:ret:s");
        assert_eq!(keys.result("s", "g", "J"), "dbl:hfxbus:res:s:g:J");
        assert_eq!(keys.result_channel("s", "g", "J"), "hfxbus:res:s:g:J");
        assert_eq!(keys.group("g"), "hfxbus:csr:g");
        assert_eq!(keys.channel("s", "P"), "hfxbus:chn:s:P");
    }

    #[test]
    fn a_sharded_channel_is_in_the_slot_of_its_stream() {
        for (prefix, stream) in
            [("hfxbus", "s"), ("hfxbus", "{tag}s"), ("{app}", "s"), ("a{b", "s"), ("hfxbus", "s{")]
        {
            let keys = Keys::new(prefix);
            let head = keys.sharded_channels_of(stream).unwrap_or_default();
            assert_eq!(
                slot_of(format!("{head}P").as_bytes()),
                slot_of(keys.stream(stream).as_bytes()),
                "{stream}"
            );
        }
        assert_eq!(
            Keys::new("hfxbus").sharded_channels_of("s").as_deref(),
            Some("{hfxbus:str:s}:hfxbus:shd:s:")
        );
    }

    #[test]
    fn the_key_of_an_idempotency_id_is_in_the_slot_of_its_stream() {
        for (prefix, stream) in [("hfxbus", "s"), ("hfxbus", "{tag}s"), ("{app}", "s"), ("{app}", "{b}")] {
            let keys = Keys::new(prefix);
            let key = keys.once(stream, "a{b}c");
            assert_eq!(slot_of(key.as_bytes()), slot_of(keys.stream(stream).as_bytes()), "{key}");
        }
        assert_eq!(Keys::new("hfxbus").once("s", "I"), "hfxbus:once:{hfxbus:str:s}:s:I");
    }

    #[test]
    fn some_names_with_braces_have_no_sharded_channel() {
        for stream in ["a}b", "{}b"] {
            assert_eq!(Keys::new("hfxbus").sharded_channels_of(stream), None, "{stream}");
        }
    }

    #[test]
    fn a_pattern_is_literal_unless_the_name_has_a_star() {
        let keys = Keys::new("hfxbus");
        assert_eq!(keys.pattern("s"), "hfxbus:chn:s:*");
        assert_eq!(keys.pattern("a*"), "hfxbus:chn:a*:*");
        assert_eq!(keys.pattern("s[x]?"), "hfxbus:chn:s\\[x\\]\\?:*");
    }
}
