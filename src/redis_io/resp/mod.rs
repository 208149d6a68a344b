//! RESP2, the protocol of every Redis from 5 on: finds the end of a reply, then walks it in place.
//!
//! Each reply is read twice. [`Scanner`] finds its end, then the receiver reads it through [`Reply`] and [`Cursor`].
//! Neither allocates, and neither recurses by the content of the bytes.

mod cursor;
mod scanner;
mod value;

pub use cursor::{Cursor, Reply, Token};
pub use scanner::{Malformed, Scanner};
pub use value::Value;
