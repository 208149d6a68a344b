//! Format of dead letters.
//!
//! A dead letter is an ordinary entry with `prd` and `job`, so that its stream can be consumed as any. Further
//! fields say its origin: `str` and `eid` name the stream and the entry, `grp` the group, `dlv` the number of
//! deliveries, `rsn` the reason, and `err` the last error as JSON if it is known. The payload keys
//! stay, and so do the values, the key and the headers that the entry carries.

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::streams::carried_payload::{CarriedPayload, ONLY_COPY, ORDER_KEY, VALUE_PREFIX};

use crate::engine::host::PendingJob;

/// Reason of a dead-lettering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterReason {
    /// It reached the maximum number of deliveries.
    Exhausted,
    /// Its job failed with an error that excludes a retry.
    Unrecoverable,
}

impl DeadLetterReason {
    fn name(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Unrecoverable => "unrecoverable",
        }
    }
}

/// Content of an entry that its letter takes over, for a replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryContent<'a> {
    /// Payload that the entry carries.
    pub carried: Option<&'a CarriedPayload>,
    /// Headers of the entry, as JSON.
    pub headers: Option<&'a str>,
}

/// An entry that will be dead-lettered.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// The entry.
    pub found: &'a PendingJob,
    /// Its stream, without prefix.
    pub from: &'a str,
    /// The group, without prefix.
    pub group: &'a str,
    /// Reason.
    pub reason: DeadLetterReason,
    /// The last error as JSON, if it is known.
    pub error: Option<&'a str>,
    /// Its content.
    pub content: EntryContent<'a>,
}

/// Packs the XADD of a dead letter.
pub fn pack_dead_letter(commands: &mut Commands, key: &str, letter: &DeadLetter<'_>, to: Destination) {
    let (id, deliveries) = (letter.found.id.to_string(), letter.found.deliveries.to_string());
    let mut fields = vec![
        ("prd", letter.found.producer.as_str()),
        ("job", &letter.found.job),
        ("str", letter.from),
        ("eid", &id),
        ("grp", letter.group),
        ("dlv", &deliveries),
        ("rsn", letter.reason.name()),
    ];
    let EntryContent { carried, headers } = letter.content;
    fields.extend(letter.error.map(|error| ("err", error)));
    fields.extend(headers.map(|headers| ("hdr", headers)));
    let count = fields.len() + carried.map_or(0, CarriedPayload::fields);
    commands.begin("XADD", 3 + 2 * count).key(key.as_bytes()).arg(b"*");
    for (name, value) in fields {
        commands.arg(name.as_bytes()).arg(value.as_bytes());
    }
    if let Some(carried) = carried {
        for (key, value) in &carried.values {
            commands.arg_parts(&[VALUE_PREFIX, key.as_bytes()]).arg(value);
        }
        if carried.is_only_copy {
            commands.arg(ONLY_COPY).arg(b"1");
        }
        if let Some(key) = &carried.order_key {
            commands.arg(ORDER_KEY).arg(key.as_bytes());
        }
    }
    commands.end(to);
}
