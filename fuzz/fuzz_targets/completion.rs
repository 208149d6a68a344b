//! `cargo +nightly fuzz run completion` looks for bytes that break a promise of `promises/completion.rs`.
#![no_main]

#[path = "../promises/mod.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|noise: &[u8]| promises::completion::hold_for(noise));
