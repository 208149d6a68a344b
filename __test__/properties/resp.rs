//! The codec: round trips, replies in pieces, and the memory of what was read.

use hfxbus::redis_io::command::Commands;
use hfxbus::redis_io::destination::Destination;
use hfxbus::redis_io::resp::{Reply, Scanner, Token, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;

/// Replies of all kinds, arrays in arrays included.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[ -~]{0,12}".prop_map(Value::Simple),
        "[ -~]{0,12}".prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        vec(any::<u8>(), 0..40).prop_map(Value::Bulk),
        Just(Value::Nil),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| vec(inner, 0..6).prop_map(Value::Array))
}

pub fn encode(value: &Value, bytes: &mut Vec<u8>) {
    let mut line = |sigil: char, text: &str| bytes.extend(format!("{sigil}{text}\r\n").bytes());
    match value {
        Value::Simple(text) => line('+', text),
        Value::Error(text) => line('-', text),
        Value::Integer(number) => line(':', &number.to_string()),
        Value::Nil => line('$', "-1"),
        Value::Bulk(text) => {
            line('$', &text.len().to_string());
            bytes.extend_from_slice(text);
            bytes.extend_from_slice(b"\r\n");
        }
        Value::Array(values) => {
            line('*', &values.len().to_string());
            values.iter().for_each(|value| encode(value, bytes));
        }
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    bytes
}

/// Memory of a value, capacities included.
fn memory(value: &Value) -> usize {
    let heap = match value {
        Value::Simple(text) | Value::Error(text) => text.capacity(),
        Value::Bulk(bytes) => bytes.capacity(),
        Value::Array(values) => {
            let spare = (values.capacity() - values.len()) * size_of::<Value>();
            spare + values.iter().map(memory).sum::<usize>()
        }
        Value::Integer(_) | Value::Nil => 0,
    };
    size_of::<Value>() + heap
}

/// The words of a packed command.
fn words(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Some(Reply::Array(mut cursor)) = Reply::new(bytes) else { panic!("an array") };
    let word = |token: Token<'_>| match token {
        Token::Bulk(word) => word.to_vec(),
        other => panic!("{other:?} is no word"),
    };
    std::iter::from_fn(|| cursor.token().map(word)).collect()
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_reply_is_read_as_it_was_written(value in value()) {
        let bytes = encoded(&value);
        prop_assert_eq!(Scanner::default().scan(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(Value::from(Reply::new(&bytes).expect("a reply")), value);
    }

    #[test]
    fn a_reply_ends_at_the_same_byte_wherever_it_is_cut(value in value(), next in value()) {
        let length = encoded(&value).len();
        let bytes = [encoded(&value), encoded(&next)].concat();
        for cut in 0..length {
            let mut scanner = Scanner::default();
            prop_assert_eq!(scanner.scan(&bytes[..cut]), Ok(None), "cut at {}", cut);
            prop_assert_eq!(scanner.scan(&bytes), Ok(Some(length)), "cut at {}", cut);
        }
    }

    #[test]
    fn a_reply_that_arrives_byte_by_byte_ends_at_the_same_byte(value in value()) {
        let (bytes, mut scanner) = (encoded(&value), Scanner::default());
        for end in 0..bytes.len() {
            prop_assert_eq!(scanner.scan(&bytes[..end]), Ok(None));
            prop_assert!(scanner.announced() <= bytes.len());
        }
        prop_assert_eq!(scanner.scan(&bytes), Ok(Some(bytes.len())));
    }

    #[test]
    fn changed_replies_are_refused_or_read_within_their_size(
        value in value(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&value);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(Some(length)) = Scanner::default().scan(&bytes) {
            prop_assert!(length <= bytes.len());
            let built = Value::from(Reply::new(&bytes[..length]).expect("a reply"));
            // The shortest element has 3 bytes.
            prop_assert!(memory(&built) <= 64 + 40 * length, "{} of {}", memory(&built), length);
        }
    }

    #[test]
    fn a_command_is_packed_word_by_word(arguments in vec(vec(any::<u8>(), 0..30), 0..6), number in any::<u64>()) {
        let mut commands = Commands::default();
        for _ in 0..2 {
            commands.begin("XADD", arguments.len() + 2);
            for argument in &arguments {
                commands.arg(argument);
            }
            commands.arg_number(number).end(Destination::Nowhere);
        }
        let mut wanted = vec![b"XADD".to_vec()];
        wanted.extend(arguments);
        wanted.push(number.to_string().into_bytes());
        prop_assert_eq!(commands.len(), 2);
        commands.take_each(|_, bytes| assert_eq!(words(bytes), wanted));
    }
}
