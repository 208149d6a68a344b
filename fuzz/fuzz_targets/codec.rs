//! `cargo +nightly fuzz run codec` throws bytes at the codec until one of its promises breaks.
#![no_main]

mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|noise: &[u8]| promises::hold_for(noise));
