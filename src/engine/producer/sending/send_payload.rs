//! Payload values that leave with a job: as keys, in the entry, or both.

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::keys::Keys;
use crate::redis_io::streams::carried_payload::{ONLY_COPY, RETURNS, VALUE_PREFIX};

use crate::engine::protocol::payload_commands::pack_set;

/// One value.
#[derive(Clone, Debug)]
pub struct PayloadValue {
    /// The payload key.
    pub key: Box<str>,
    /// Its value.
    pub value: Box<[u8]>,
    /// Expiry of the key in ms. 0 is none.
    pub expiry: u64,
    /// True if the key is written.
    pub is_key: bool,
    /// True if the entry carries the value.
    pub is_carried: bool,
}

/// The payload of a job that is sent.
#[derive(Clone, Debug, Default)]
pub struct SendPayload {
    /// The values, in the order of their writes.
    pub values: Vec<PayloadValue>,
    /// Payload keys that the completion returns, as a JSON array.
    pub returns: Option<Box<str>>,
    /// True if the entry is the only copy.
    pub is_only_copy: bool,
}

impl SendPayload {
    /// Returns true if payload keys are written with the job.
    pub fn has_keys(&self) -> bool {
        self.values.iter().any(|value| value.is_key)
    }

    /// Number of payload keys that are written with the job.
    pub fn keys(&self) -> usize {
        self.values.iter().filter(|value| value.is_key).count()
    }

    /// Size of the values in bytes, as often as they are sent.
    pub fn size(&self) -> usize {
        let times = |value: &PayloadValue| usize::from(value.is_key) + usize::from(value.is_carried);
        self.values.iter().map(|value| value.value.len() * times(value)).sum()
    }

    /// Number of words that the entry has for the payload.
    pub fn words(&self) -> usize {
        2 * (self.carried().count() + usize::from(self.returns.is_some()) + usize::from(self.is_only_copy))
    }

    /// Packs the fields of the entry.
    pub fn pack_fields(&self, commands: &mut Commands) {
        for PayloadValue { key, value, .. } in self.carried() {
            commands.arg_parts(&[VALUE_PREFIX, key.as_bytes()]).arg(value);
        }
        if let Some(returns) = &self.returns {
            commands.arg(RETURNS).arg(returns.as_bytes());
        }
        if self.is_only_copy {
            commands.arg(ONLY_COPY).arg(b"1");
        }
    }

    /// Packs the writes of the keys of `job`, each bound to the command before it.
    pub fn pack_keys(&self, commands: &mut Commands, keys: &Keys, job: &str, to: impl Fn() -> Destination) {
        for PayloadValue { key, value, expiry, .. } in self.values.iter().filter(|value| value.is_key) {
            pack_set(commands, &keys.payload(job, key), value, *expiry);
            commands.end_following(to());
        }
    }

    fn carried(&self) -> impl Iterator<Item = &PayloadValue> {
        self.values.iter().filter(|value| value.is_carried)
    }
}
