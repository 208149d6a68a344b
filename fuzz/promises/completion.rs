//! Promises of completions for any bytes.

use hfxbus::engine::protocol::completion_message::{CompletionMessage, head, message, pack_answer};
use hfxbus::engine::protocol::outcome_record::{RecordOf, read_record, shortened};
use hfxbus::redis_io::resp::Value;
use hfxbus::redis_io::streams::entry::EntryId;
use serde_json::Value as Json;

/// Panics if a promise does not hold.
pub fn hold_for(noise: &[u8]) {
    if let Some(read) = CompletionMessage::parse(noise) {
        check_fields(noise, &read);
        check_repacked(&read);
        check_record(noise, &read);
    }
    if let Ok(text) = std::str::from_utf8(noise) {
        check_shortened(text);
    }
}

/// A completion is a JSON object with these fields.
fn check_fields(noise: &[u8], read: &CompletionMessage<'_>) {
    let json: Json = match serde_json::from_slice(noise) {
        Ok(json) => json,
        // The parts that are kept as they are can have numbers and depths that no tree can have.
        Err(_) => return,
    };
    let object = json.as_object().expect("a completion is an object");
    assert_eq!(object.get("str").and_then(Json::as_str), Some(&*read.stream));
    assert_eq!(object.get("grp").and_then(Json::as_str), Some(&*read.group));
    assert_eq!(object.get("job").and_then(Json::as_str), Some(&*read.job));
    assert_eq!(object.contains_key("err"), read.error.is_some());
}

/// A completion that is packed again is read as the same.
fn check_repacked(read: &CompletionMessage<'_>) {
    let answer = read.answer();
    let packed = pack_answer(answer.iter().map(|(key, value)| (key.as_str(), value.as_slice())));
    let error = read.error.map(|error| error.get());
    let text = message(&head(&read.stream, &read.group), &read.job, error, &packed);
    let again = CompletionMessage::parse(text.as_bytes()).expect("a packed completion");
    assert_eq!((&again.stream, &again.group, &again.job), (&read.stream, &read.group, &read.job));
    assert_eq!(again.error.map(|error| error.get()), error);
    // A key can be in both objects of a foreign answer. Its values are in one of them afterwards.
    let mut keys: Vec<_> = again.answer().into_iter().map(|(key, _)| key).collect();
    let mut wanted: Vec<_> = answer.into_iter().map(|(key, _)| key).collect();
    for keys in [&mut keys, &mut wanted] {
        keys.sort();
        keys.dedup();
    }
    assert_eq!(keys, wanted);
}

/// A record says the same as the completion in it, about its own job alone.
fn check_record(noise: &[u8], read: &CompletionMessage<'_>) {
    let of = RecordOf { entry: EntryId::default(), stream: &read.stream, group: &read.group };
    let record = Value::Bulk(noise.to_vec());
    let end = read_record(&record, &read.job, of).expect("a record of this job");
    assert_eq!(end.error.as_deref(), read.error.map(|error| error.get()));
    assert_eq!(end.answer, read.answer());
    assert_eq!(read_record(&record, &format!("{}x", read.job), of), None);
}

/// A shortened error is valid JSON and not longer than its limit.
fn check_shortened(text: &str) {
    let padded = format!("{text}{}", " ".repeat(17 * 1_024));
    for error in [text, &padded] {
        let short = shortened(error);
        if error.len() > 16 * 1_024 {
            assert!(short.len() < 16 * 1_024, "{} bytes", short.len());
            assert!(serde_json::from_str::<Json>(&short).is_ok(), "{short}");
        } else {
            assert_eq!(short, error);
        }
    }
}
