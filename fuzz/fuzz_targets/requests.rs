//! `cargo +nightly fuzz run requests` looks for bytes that break a promise of `promises/requests.rs`.
#![no_main]

#[path = "../promises/mod.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|noise: &[u8]| promises::requests::hold_for(noise));
