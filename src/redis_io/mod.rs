//! Bytes and connections: commands in, replies out, no policy.
//!
//! Nothing here knows what a job, a group or a completion is. [`link::Link`] is the seam: the engine submits
//! packed commands to it and hears of each reply through the sink that the link was opened with.
#![forbid(unsafe_code)]

pub mod codec;
pub mod command;
pub mod error;
pub mod link;
