//! Panics of a run: of the engine, of the embedded server, or of the simulation itself.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

static HOOK: Once = Once::new();

thread_local! {
    /// Panics of this thread, if they are collected.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs a function. Returns its result, unless it panics, and the panics of all tasks meanwhile. The runtime catches those of
/// its tasks.
pub fn collect<T>(call: impl FnOnce() -> T) -> (Option<T>, Vec<String>) {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !note(info) {
                before(info);
            }
        }));
    });
    PANICS.set(Some(Vec::new()));
    let result = catch_unwind(AssertUnwindSafe(call)).ok();
    (result, PANICS.take().unwrap_or_default())
}

/// Notes a panic. Returns false if this thread does not collect them.
fn note(info: &PanicHookInfo<'_>) -> bool {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let text = format!("{} at {place}", message(info.payload()));
    PANICS.with_borrow_mut(|panics| panics.as_mut().map(|panics| panics.push(text))).is_some()
}

fn message(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}
