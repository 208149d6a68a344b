//! Trace of a run: every event in its order, with its virtual time.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hasher};

use tokio::time::Instant;

/// Trace of this thread.
#[derive(Default)]
pub struct Trace {
    start: Option<Instant>,
    /// Number of events.
    pub events: u64,
    /// The events, if they are kept.
    pub lines: Option<Vec<String>>,
}

thread_local! {
    static TRACE: RefCell<Trace> = RefCell::default();
}

/// Begins a trace. It keeps its events if `is_kept`.
pub fn begin(is_kept: bool) {
    TRACE.set(Trace { start: Some(Instant::now()), events: 0, lines: is_kept.then(Vec::new) });
}

/// Ends the trace.
pub fn end() -> Trace {
    TRACE.take()
}

/// Virtual time since the start, in ms.
pub fn now() -> u64 {
    TRACE.with_borrow(|trace| trace.start.map_or(0, |start| start.elapsed().as_millis() as u64))
}

/// Notes an event.
pub fn note(text: impl FnOnce() -> String) {
    let now = now();
    TRACE.with_borrow_mut(|trace| {
        trace.events += 1;
        if let Some(lines) = &mut trace.lines {
            lines.push(format!("{now} {}", text()));
        }
    });
}

/// A number for some bytes, to compare them.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
