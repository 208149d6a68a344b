//! Completions as JSON, which consumers publish and producers read.
//!
//! A success is `{"str":…,"grp":…,"job":…}`. A failure has `"err":…` behind that. The key order and the missing
//! spaces are part of the wire format.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A completion read from a channel.
#[derive(Debug, Deserialize)]
pub struct CompletionMessage<'a> {
    /// The stream the job was sent to.
    #[serde(rename = "str", borrow)]
    pub stream: Cow<'a, str>,
    /// The group that completed it.
    #[serde(rename = "grp", borrow)]
    pub group: Cow<'a, str>,
    /// The job's id.
    #[serde(borrow)]
    pub job: Cow<'a, str>,
    /// The error as JSON. Its presence marks a failure, not its value: `0`, `""` and `null` are errors.
    #[serde(rename = "err", borrow, default, deserialize_with = "present")]
    pub error: Option<&'a RawValue>,
}

impl<'a> CompletionMessage<'a> {
    /// Reads a message. Returns `None` if it is no completion.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(message).ok()
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Beginning of all completions of one group on one stream, up to the job's id.
pub fn head(stream: &str, group: &str) -> String {
    format!("{{\"str\":{},\"grp\":{},\"job\":", quote(stream), quote(group))
}

/// A completion that begins with `head`.
pub fn message(head: &str, job: &str, error: Option<&str>) -> String {
    const AROUND: usize = "\"\",\"err\":}".len();
    let mut text = String::with_capacity(head.len() + job.len() + error.map_or(0, str::len) + AROUND);
    text.push_str(head);
    push_quoted(&mut text, job);
    if let Some(error) = error {
        text.push_str(",\"err\":");
        text.push_str(error);
    }
    text.push('}');
    text
}

/// `text` as a JSON string.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    push_quoted(&mut quoted, text);
    quoted
}

fn push_quoted(target: &mut String, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        target.push('"');
        target.push_str(text);
        target.push('"');
    } else {
        target.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(job: &str, error: Option<&str>) -> String {
        message(&head("s", "g"), job, error)
    }

    #[test]
    fn ordinary_notifications_have_the_bytes_that_2_x_wrote() {
        assert_eq!(written("J", None), r#"{"str":"s","grp":"g","job":"J"}"#);
        assert_eq!(written("J", Some("0")), r#"{"str":"s","grp":"g","job":"J","err":0}"#);
        let text = message(&head("sé☃", "gñ"), "jü", None);
        assert_eq!(text, r#"{"str":"sé☃","grp":"gñ","job":"jü"}"#);
    }

    #[test]
    fn names_cannot_inject_json() {
        let job = "x\",\"err\":{\"fake\":1},\"z\":\"\n";
        let text = written(job, None);
        let read = CompletionMessage::parse(text.as_bytes()).expect("reads");
        assert_eq!(read.job, job);
        assert!(read.error.is_none());
    }

    #[test]
    fn the_presence_of_an_error_marks_a_failure() {
        for error in ["0", "\"\"", "false", "null"] {
            let text = written("J", Some(error));
            assert_eq!(
                CompletionMessage::parse(text.as_bytes()).expect("reads").error.map(RawValue::get),
                Some(error)
            );
        }
    }

    #[test]
    fn other_messages_are_no_completions() {
        for message in ["", "null", "1", "{}", "{\"str\":1,\"grp\":\"g\",\"job\":\"j\"}", "{\"str\":\"s\""] {
            assert!(CompletionMessage::parse(message.as_bytes()).is_none(), "{message}");
        }
    }
}
