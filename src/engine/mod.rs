//! The bus: producers, consumers, jobs in flight and completions. Plain async Rust, no policy of Redis' bytes
//! below it and nothing of JavaScript above it.
//!
//! Who calls in: [`bus::Bus`] and the [`producer::Producer`] and [`consumer::Consumer`] it makes, from any thread.
//! What goes out: jobs and events through the two traits of [`host`].
#![forbid(unsafe_code)]

pub mod bus;
pub mod connections;
pub mod consumer;
pub mod host;
pub mod nodes;
pub mod options;
pub mod producer;
pub mod protocol;
pub mod runtime;
pub mod shutdown;
pub mod stats;
pub mod submission;
