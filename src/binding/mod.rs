//! The JavaScript boundary, the only Rust that names napi. Converts, forwards, converts back.
//!
//! Calls that belong to jobs do not come one by one: the facade collects those of one tick in a packet and hands
//! it over with [`batch::submit`]; what goes up is collected the same way and fetched with [`batch::collect`],
//! after [`event_queue`] has woken JavaScript once.

pub mod batch;
#[cfg(target_os = "linux")]
pub mod borrower;
pub mod bus;
pub mod cluster_options;
pub mod consumer;
pub mod consumer_options;
pub mod drain;
pub mod embedded;
pub mod environment;
pub mod error;
pub mod event_buffer;
#[cfg(target_os = "linux")]
pub mod event_loop;
pub mod event_queue;
pub mod event_writer;
pub mod execution;
mod facade;
pub mod lender;
pub mod native_facade;
pub mod operation;
pub mod options;
pub mod producer;
pub mod request_reader;
pub mod result_channels;
pub mod sentinel_options;
pub mod stats;
pub mod tls_options;
