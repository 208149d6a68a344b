//! `cargo +nightly fuzz run entries` looks for bytes that break a promise of `promises/entries.rs`.
#![no_main]

#[path = "../promises/mod.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|noise: &[u8]| promises::entries::hold_for(noise));
