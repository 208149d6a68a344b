//! Outcome records: a completion in a key of its own, for a producer whose subscriber missed it.
//!
//! Producers ask for a record entry by entry. There is one record per entry and group, so that a job that is sent
//! again does not count as finished. Each record expires by itself. It is on the node of the entry.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::keys::Keys;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;

use crate::engine::host::AnswerValue;
use crate::engine::protocol::completion_message::{CompletionMessage, quote};

/// Maximum length of an error's JSON, in bytes. A longer error keeps its name, message and code. Hosts know the
/// limit (`error-data.js`) and choose better.
const LONGEST_ERROR: usize = 16 * 1_024;
/// Maximum length of each text of such an error, in bytes.
const LONGEST_TEXT: usize = 1_024;

/// Expiry of the record of a dead-lettered entry, in ms. Without it such an entry looks like a success. Producers check waits
/// up to an hour apart, and Redis can be out of reach then, or have a clock that is set forward. So the record outlives that.
pub const FAILURE_RECORD_TTL: u64 = 24 * 60 * 60 * 1_000;

/// Identity of a record.
#[derive(Clone, Copy, Debug)]
pub struct RecordOf<'a> {
    /// The entry.
    pub entry: EntryId,
    /// Its stream, without prefix.
    pub stream: &'a str,
    /// The group, without prefix.
    pub group: &'a str,
}

/// Rule for several records of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordPrecedence {
    /// The first.
    First,
    /// The last.
    Last,
}

/// Packs `SET record message PX time [NX]`. The reply is nil if there was a record and the first one counts.
pub fn pack_record(
    commands: &mut Commands,
    keys: &Keys,
    of: RecordOf<'_>,
    (message, time): (&str, u64),
    keep: RecordPrecedence,
    to: Destination,
) {
    let entry = of.entry.to_string();
    commands.begin("SET", if keep == RecordPrecedence::First { 6 } else { 5 });
    commands.key_parts(&keys.record(&entry, of.stream, of.group)).arg(message.as_bytes());
    commands.arg(b"PX").arg_number(time);
    if keep == RecordPrecedence::First {
        commands.arg(b"NX");
    }
    commands.end(to);
}

/// Packs `SET record message PX time` for a failure that no connection received.
pub fn pack_unreceived_failure(
    commands: &mut Commands,
    keys: &Keys,
    of: RecordOf<'_>,
    (message, time): (&str, u64),
    to: Destination,
) {
    let entry = of.entry.to_string();
    commands.begin("SET", 5).key_parts(&keys.unheard(&entry, of.stream, of.group)).arg(message.as_bytes());
    commands.arg(b"PX").arg_number(time).end(to);
}

/// Packs the GET of the record of a failure that no connection received.
pub fn pack_unreceived_failure_read(commands: &mut Commands, keys: &Keys, of: RecordOf<'_>, to: Destination) {
    let entry = of.entry.to_string();
    commands.begin("GET", 2).key_parts(&keys.unheard(&entry, of.stream, of.group)).end(to);
}

/// Packs `GET record`.
pub fn pack_record_read(commands: &mut Commands, keys: &Keys, of: RecordOf<'_>, to: Destination) {
    let entry = of.entry.to_string();
    commands.begin("GET", 2).key_parts(&keys.record(&entry, of.stream, of.group)).end(to);
}

/// End of a job as its record says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEnd {
    /// The error as JSON; `None` for success.
    pub error: Option<String>,
    /// Values that the completion returned, by payload key.
    pub answer: Vec<AnswerValue>,
}

/// Reads the end of `job` in a record. Returns `None` if there is no record, or it is about another job.
pub fn read_record(reply: &Value, job: &str, of: RecordOf<'_>) -> Option<RecordedEnd> {
    let Value::Bulk(message) = reply else { return None };
    let notification = CompletionMessage::parse(message)?;
    let is_it = notification.job == job && notification.stream == of.stream && notification.group == of.group;
    let error = notification.error.map(|error| error.get().to_owned());
    is_it.then(|| RecordedEnd { error, answer: notification.answer() })
}

/// Shortens an error for publication: a long JSON keeps name, message and code, and gets `truncated`.
pub fn shortened(error: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Long {
        Text(String),
        Error { name: Option<Json>, message: Option<Json>, code: Option<Json> },
        Other(serde::de::IgnoredAny),
    }
    if error.len() <= LONGEST_ERROR {
        return Cow::Borrowed(error);
    }
    Cow::Owned(match serde_json::from_str(error) {
        Ok(Long::Text(text)) => quote(cut(&text)),
        Ok(Long::Error { name, message, code }) => {
            let known = [("name", name), ("message", message), ("code", code)];
            let short = known
                .iter()
                .filter_map(|(key, value)| Some(format!("\"{key}\":{},", short(value.as_ref()?)?)));
            format!("{{{}\"truncated\":true}}", short.collect::<String>())
        }
        Ok(Long::Other(_)) | Err(_) => quote("The error was too long to be told."),
    })
}

/// Returns a text or a number as JSON, and nothing for other values.
fn short(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(quote(cut(text))),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn cut(text: &str) -> &str {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_errors_are_recorded_as_they_are() {
        let error = r#"{"name":"Error","stack":"…"}"#;
        assert!(matches!(shortened(error), Cow::Borrowed(same) if same == error));
    }

    #[test]
    fn long_errors_keep_name_message_and_code() {
        let stack = "x".repeat(LONGEST_ERROR);
        let error = format!(r#"{{"stack":"{stack}","code":7,"message":"é\"","name":"E","more":{{"a":1}}}}"#);
        assert_eq!(shortened(&error), r#"{"name":"E","message":"é\"","code":7,"truncated":true}"#);
        let long = format!(r#"{{"name":"E","message":"{}"}}"#, "é".repeat(LONGEST_ERROR));
        assert!(shortened(&long).len() < 2 * LONGEST_TEXT);
        assert!(serde_json::from_str::<Json>(&shortened(&long)).is_ok());
    }

    #[test]
    fn a_long_text_stays_a_text_and_other_values_become_a_message() {
        let text = quote(&"y".repeat(LONGEST_ERROR));
        assert_eq!(shortened(&text), quote(&"y".repeat(LONGEST_TEXT)));
        let list = format!("[{}1]", "1,".repeat(LONGEST_ERROR));
        assert!(shortened(&list).starts_with("\"The error was too long"));
        let texts = format!("[\"a\",\"{}\",1]", "x".repeat(LONGEST_ERROR));
        assert!(shortened(&texts).starts_with("\"The error was too long"));
    }

    #[test]
    fn a_record_counts_only_for_the_job_it_is_about() {
        let of = RecordOf { entry: EntryId::default(), stream: "s", group: "g" };
        let reply = |text: &str| Value::Bulk(text.into());
        let failed = reply(r#"{"str":"s","grp":"g","job":"J","err":0}"#);
        let end = |error: Option<&str>| RecordedEnd { error: error.map(str::to_owned), answer: Vec::new() };
        assert_eq!(read_record(&failed, "J", of), Some(end(Some("0"))));
        assert_eq!(read_record(&failed, "K", of), None);
        assert_eq!(read_record(&failed, "J", RecordOf { group: "s:g", ..of }), None);
        assert_eq!(read_record(&reply(r#"{"str":"s","grp":"g","job":"J"}"#), "J", of), Some(end(None)));
        let answered = reply(r#"{"str":"s","grp":"g","job":"J","val":{"a":"1"}}"#);
        let answer = vec![("a".to_owned(), b"1".to_vec())];
        assert_eq!(read_record(&answered, "J", of), Some(RecordedEnd { answer, ..end(None) }));
        assert_eq!(read_record(&Value::Nil, "J", of), None);
    }
}
