//! Options of buses, nodes and consumers. No other room has defaults.

pub mod bus;
pub mod consumer;
pub mod retention;
pub mod retry_policy;
pub mod sentinel;
