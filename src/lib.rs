//! hfxbus: a message bus on Redis Streams and Pub/Sub, as a Node.js addon.
//!
//! Five rooms, and calls go one way through them:
//!
//! ```text
//! src/facade (JavaScript)  events, symbols, JSON and callbacks of the user
//!   └─ binding             the only Rust that names napi: convert, forward, convert back
//!        └─ engine         all behaviour of the bus, testable without Node
//!             └─ redis_io  bytes and connections: commands in, replies out, no policy
//!
//! embedded                 a Redis in this process, for first steps and tests: only the binding starts it
//!   └─ redis_io            its codec, ids, globs, locks and tasks alone
//! ```
//!
//! Calls upwards cross two traits of the engine only: jobs for a processor, and events.

#[cfg(feature = "node")]
pub mod binding;
pub mod embedded;
pub mod engine;
pub mod redis_io;

#[cfg(test)]
extern crate self as hfxbus;
#[cfg(test)]
#[path = "../__test__/properties/mod.rs"]
mod properties;
