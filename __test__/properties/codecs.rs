//! Ids, completions and outcome records.

use hfxbus::engine::protocol::completion_message::{CompletionMessage, head, message, pack_answer, quote};
use hfxbus::engine::protocol::outcome_record::{RecordOf, RecordedEnd, read_record};
use hfxbus::redis_io::resp::Value;
use hfxbus::redis_io::streams::entry::EntryId;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::cases;

fn id() -> impl Strategy<Value = EntryId> {
    let part = || prop_oneof![0..3_u64, u64::MAX - 2..=u64::MAX, any::<u64>()];
    (part(), part()).prop_map(|(time, sequence)| EntryId { time, sequence })
}

/// Errors as JSON.
fn error() -> impl Strategy<Value = Option<String>> {
    let error = prop_oneof![
        any::<String>().prop_map(|text| quote(&text)),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("null".to_owned()),
        any::<String>().prop_map(|text| format!("{{\"name\":\"Error\",\"message\":{}}}", quote(&text))),
    ];
    prop::option::of(error)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn an_id_is_read_as_it_was_written_and_has_its_neighbours(id in id(), other in id()) {
        prop_assert_eq!(EntryId::parse(id.to_string().as_bytes()), Some(id));
        prop_assert_eq!(id.cmp(&other), (id.time, id.sequence).cmp(&(other.time, other.sequence)));
        match id.successor() {
            Some(next) => prop_assert_eq!((next > id, next.predecessor()), (true, id)),
            None => prop_assert_eq!(id, EntryId { time: u64::MAX, sequence: u64::MAX }),
        }
    }

    #[test]
    fn a_completion_is_read_as_it_was_written(
        stream in any::<String>(),
        group in any::<String>(),
        job in any::<String>(),
        error in error(),
        values in btree_map(any::<String>(), vec(any::<u8>(), 0..20), 0..5),
    ) {
        let answer = pack_answer(values.iter().map(|(key, value)| (key.as_str(), value.as_slice())));
        let text = message(&head(&stream, &group), &job, error.as_deref(), &answer);
        let read = CompletionMessage::parse(text.as_bytes()).expect("a completion");
        prop_assert_eq!((&*read.stream, &*read.group, &*read.job), (&*stream, &*group, &*job));
        prop_assert_eq!(read.error.map(|error| error.get()), error.as_deref());
        let mut found = read.answer();
        found.sort();
        let wanted: Vec<_> = values.into_iter().collect();
        prop_assert_eq!(&found, &wanted);
        let of = RecordOf { entry: EntryId::default(), stream: &stream, group: &group };
        let mut end = read_record(&Value::Bulk(text.clone().into_bytes()), &job, of).expect("a record");
        end.answer.sort();
        prop_assert_eq!(end, RecordedEnd { error, answer: wanted });
        for cut in 0..text.len() {
            prop_assert!(CompletionMessage::parse(&text.as_bytes()[..cut]).is_none(), "cut at {}", cut);
        }
    }
}
