//! The code of the hand-off, the mailbox and the tasks, with the primitives of loom. The files are those of the engine.

pub mod engine;
pub mod redis_io;
