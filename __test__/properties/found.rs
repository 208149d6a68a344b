//! The promises that the fuzzers try to break: for the inputs that once broke one, and for random ones.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{cases, promises};

type Promise = fn(&[u8]);

const PROMISES: [(&str, Promise); 5] = [
    ("codec", promises::codec::hold_for),
    ("commands", promises::commands::hold_for),
    ("completion", promises::completion::hold_for),
    ("entries", promises::entries::hold_for),
    ("requests", promises::requests::hold_for),
];

#[test]
fn the_promises_hold_for_all_inputs_that_once_broke_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found");
    for (name, hold_for) in PROMISES {
        let found = fs::read_dir(folder.join(name)).into_iter().flatten();
        for file in found {
            let path = file.expect("a file").path();
            let noise = fs::read(&path).expect("an input");
            let held = std::panic::catch_unwind(|| hold_for(&noise));
            assert!(held.is_ok(), "{}", path.display());
        }
    }
}

/// Bytes of which many have a meaning in RESP, JSON or the structure of a promise.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let meaningful = prop::sample::select(b"*$:+-\r\n0123456789{}[]\",\\ abXx~".as_slice());
    vec(prop_oneof![3 => any::<u8>(), 3 => meaningful, 1 => Just(0)], 0..400)
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn the_promises_hold_for_random_bytes(noise in noise()) {
        for (_, hold_for) in PROMISES {
            hold_for(&noise);
        }
    }
}
