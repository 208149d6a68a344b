//! Files of `src/engine`.

pub mod runtime;
