//! Files of `src/redis_io`, except for `sync`.

#[expect(dead_code, reason = "no file here needs a lock of readers")]
#[path = "../../../../src/redis_io/locked.rs"]
pub mod locked;
pub mod sync;
#[path = "../../../../src/redis_io/tasks.rs"]
pub mod tasks;
