//! The bus: producers, consumers, jobs in flight and completions.
//!
//! Plain async Rust, without the bytes of Redis below it and JavaScript above it. Calls come in through [`bus::Bus`]
//! and its [`producer::Producer`]s and [`consumer::Consumer`]s, from any thread. Jobs and events go out through the
//! two traits of [`host`].
#![forbid(unsafe_code)]

pub mod bus;
pub mod connections;
pub mod consumer;
pub mod host;
pub mod nodes;
pub mod options;
pub mod partitions;
pub mod producer;
pub mod protocol;
pub mod result_channels;
pub mod runtime;
pub mod shutdown;
pub mod stats;
pub mod submission;
