//! `cargo +nightly fuzz run commands` looks for bytes that break a promise of `promises/commands.rs`.
#![no_main]

#[path = "../promises/mod.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|noise: &[u8]| promises::commands::hold_for(noise));
