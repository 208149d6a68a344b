//! Files of `src/engine/runtime`.

#[path = "../../../../../src/engine/runtime/handoff.rs"]
pub mod handoff;
#[path = "../../../../../src/engine/runtime/mailbox.rs"]
pub mod mailbox;
