//! `cargo +nightly fuzz run codec` looks for bytes that break a promise of `promises/codec.rs`.
#![no_main]

#[path = "../promises/mod.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|noise: &[u8]| promises::codec::hold_for(noise));
