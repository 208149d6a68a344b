//! The runtime of the engine, and the delays between attempts.

pub mod backoff;
pub mod budget;
#[cfg(target_os = "linux")]
pub mod epoll_fd;
pub mod handoff;
pub mod join;
pub mod mailbox;
