//! The wire protocol: requests, replies, errors and numbers.

pub mod command_error;
pub mod number;
pub mod reply;
pub mod request;
