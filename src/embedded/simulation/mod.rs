//! Parts of a server that only a simulation has.

pub mod gate;
pub mod refusal;
pub mod word_table;
