//! Commands of streams.

pub mod claiming;
pub mod entries;
pub mod groups;
pub mod inspection;
pub mod pending;
pub mod reading;
pub mod retrying;
