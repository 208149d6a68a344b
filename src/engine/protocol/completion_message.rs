//! Completions as JSON, which consumers publish and producers read.
//!
//! A success is `{"str":…,"grp":…,"job":…}`. A failure has `"err":…` behind that. An answer comes last: `"val":{…}` has
//! the values that are text, by payload key, and `"bin":{…}` other values as Base64. The key order and the missing spaces
//! are part of the wire format.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::engine::host::AnswerValue;

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
    /// Values that are text, by payload key, as a JSON object.
    #[serde(rename = "val", borrow, default)]
    texts: Option<&'a RawValue>,
    /// Other values, as a JSON object of Base64.
    #[serde(rename = "bin", borrow, default)]
    binaries: Option<&'a RawValue>,
}

impl<'a> CompletionMessage<'a> {
    /// Reads a message. Returns `None` if it is no completion.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        // A list of texts would be read as the fields in their order.
        let is_object = message.trim_ascii_start().first() == Some(&b'{');
        if is_object { serde_json::from_slice(message).ok() } else { None }
    }

    /// Returns the values of the answer, by payload key. A value that cannot be read is left out, since its payload key
    /// has it.
    pub fn answer(&self) -> Vec<AnswerValue> {
        let read = |given: Option<&RawValue>| -> BTreeMap<String, String> {
            given.and_then(|given| serde_json::from_str(given.get()).ok()).unwrap_or_default()
        };
        let texts = read(self.texts).into_iter().map(|(key, text)| (key, text.into_bytes()));
        let decoded = |(key, text): (String, String)| Some((key, BASE64.decode(text).ok()?));
        texts.chain(read(self.binaries).into_iter().filter_map(decoded)).collect()
    }
}

/// Packs an answer as the end of a completion's JSON: `,"val":{…},"bin":{…}`. Empty without values.
pub fn pack_answer<'a>(values: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let (mut texts, mut binaries) = (String::new(), String::new());
    for (key, value) in values {
        let (target, text) = match std::str::from_utf8(value) {
            Ok(text) => (&mut texts, Cow::Borrowed(text)),
            Err(_) => (&mut binaries, Cow::Owned(BASE64.encode(value))),
        };
        target.push(if target.is_empty() { '{' } else { ',' });
        push_quoted(target, key);
        target.push(':');
        push_quoted(target, &text);
    }
    let mut packed = String::with_capacity(texts.len() + binaries.len() + 16);
    for (name, object) in [("val", texts), ("bin", binaries)] {
        if !object.is_empty() {
            packed.extend([",\"", name, "\":", object.as_str(), "}"]);
        }
    }
    packed
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Beginning of all completions of one group on one stream, up to the job's id.
pub fn head(stream: &str, group: &str) -> String {
    format!("{{\"str\":{},\"grp\":{},\"job\":", quote(stream), quote(group))
}

/// A completion that begins with `head`, with an answer from [`pack_answer`].
pub fn message(head: &str, job: &str, error: Option<&str>, answer: &str) -> String {
    const AROUND: usize = "\"\",\"err\":}".len();
    let size = head.len() + job.len() + error.map_or(0, str::len) + answer.len() + AROUND;
    let mut text = String::with_capacity(size);
    text.push_str(head);
    push_quoted(&mut text, job);
    if let Some(error) = error {
        text.push_str(",\"err\":");
        text.push_str(error);
    }
    text.push_str(answer);
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
        message(&head("s", "g"), job, error, "")
    }

    #[test]
    fn ordinary_notifications_have_the_bytes_that_2_x_wrote() {
        assert_eq!(written("J", None), r#"{"str":"s","grp":"g","job":"J"}"#);
        assert_eq!(written("J", Some("0")), r#"{"str":"s","grp":"g","job":"J","err":0}"#);
        let text = message(&head("sé☃", "gñ"), "jü", None, "");
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
    fn answers_are_at_the_end_and_are_read_as_they_were_written() {
        let values: [(&str, &[u8]); 4] =
            [("a", b"1"), ("err", b"\"x\""), ("__proto__", b"\xff\0"), ("\"q\n", b"")];
        let text = message(&head("s", "g"), "J", None, &pack_answer(values.into_iter()));
        assert_eq!(
            text,
            r#"{"str":"s","grp":"g","job":"J","val":{"a":"1","err":"\"x\"","\"q\n":""},"bin":{"__proto__":"/wA="}}"#
        );
        let read = CompletionMessage::parse(text.as_bytes()).expect("reads");
        assert!(read.error.is_none());
        let mut answer = read.answer();
        answer.sort();
        let mut written = values.map(|(key, value)| (key.to_owned(), value.to_vec())).to_vec();
        written.sort();
        assert_eq!(answer, written);
        assert_eq!(pack_answer(std::iter::empty()), "");
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_none() {
        let text = r#"{"str":"s","grp":"g","job":"J","val":[1],"bin":{"k":"*"}}"#;
        assert_eq!(CompletionMessage::parse(text.as_bytes()).expect("reads").answer(), []);
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

    #[test]
    fn a_list_of_texts_is_no_completion() {
        for message in [r#"["s","g","J"]"#, " [\"s\",\"g\",\"J\",0]"] {
            assert!(CompletionMessage::parse(message.as_bytes()).is_none(), "{message}");
        }
        assert!(CompletionMessage::parse(b"\n {\"str\":\"s\",\"grp\":\"g\",\"job\":\"j\"} ").is_some());
    }
}
