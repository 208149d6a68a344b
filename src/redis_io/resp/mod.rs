//! RESP2, the protocol of every Redis from 5 on: finds the end of a reply, then walks it in place.
//!
//! A reply is looked at twice, first by [`Scanner`] (is it all here?), then by whoever it is for, through
//! [`Reply`] and [`Cursor`]. Neither allocates, and neither recurses on what the bytes say.

mod cursor;
mod scanner;
mod value;

pub use cursor::{Cursor, Reply, Token};
pub use scanner::{Malformed, Scanner};
pub use value::Value;
