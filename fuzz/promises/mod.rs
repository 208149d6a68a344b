//! Promises for any bytes. Fuzzers try to break them; tests hold them to found inputs and to random ones.
#![allow(dead_code, reason = "each fuzzer uses one of them")]

pub mod codec;
pub mod commands;
pub mod completion;
pub mod entries;
mod noise;
pub mod requests;
