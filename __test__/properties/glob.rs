//! Globs, compared with the plain recursion that defines them.

use hfxbus::redis_io::glob::matches;
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;

/// As Redis defines it: each `*` tries every rest of the text.
fn defined(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| defined(rest, &text[at..])),
        (_, []) => false,
        ([b'?', rest @ ..], [_, after @ ..]) => defined(rest, after),
        ([b'[', class @ ..], [byte, after @ ..]) => {
            let (is_in, rest) = in_class(class, *byte);
            is_in && defined(rest, after)
        }
        ([b'\\', literal, rest @ ..], [byte, after @ ..]) => literal == byte && defined(rest, after),
        ([literal, rest @ ..], [byte, after @ ..]) => literal == byte && defined(rest, after),
    }
}

/// Whether a byte is in a class, and the pattern behind the class.
fn in_class(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] | [b']', ..] => break,
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [low, b'-', high, after @ ..] => {
                found |= (*low.min(high)..=*low.max(high)).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
        };
    }
    (found != negated, rest.get(1..).unwrap_or_default())
}

/// Parts of patterns, whole classes and single characters.
const PARTS: [&[u8]; 15] = [
    b"a", b"b", b"-", b"*", b"?", b"[", b"]", b"^", br"\", b"[ab]", b"[^a]", b"[^b-", b"[b-a]", br"[\]a",
    b"[^]",
];

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn a_glob_matches_by_its_definition(
        parts in vec(prop::sample::select(PARTS.as_slice()), 0..6),
        text in vec(prop::sample::select(br"ab-\".as_slice()), 0..7),
    ) {
        let pattern = parts.concat();
        prop_assert_eq!(matches(&pattern, &text), defined(&pattern, &text));
    }
}
