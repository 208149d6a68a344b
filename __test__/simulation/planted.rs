//! Faults that are planted into the engine. Each must be found by some seed, or the workload has a hole.

use crate::checks;
use crate::generator;
use crate::run;

/// Names of the planted faults, as in the calls of `planted` in src.
pub const FAULTS: [&str; 34] = [
    "acknowledged before it runs",
    "buffered payload is lost",
    "claim without idle time",
    "claimed slot is kept",
    "completion before the acknowledgement",
    "dead letter is not kept",
    "deadline keeps the slot",
    "deliveries are not counted",
    "double settlement",
    "entry without a slot is dropped",
    "entry without a slot starts",
    "exhausted is reported again",
    "failure is acknowledged",
    "fair slot is not counted",
    "first completion ends the wait",
    "forgotten resend",
    "group resumes at the end",
    "lapsed lease counts",
    "lost read is forgotten",
    "missed completions are not queried",
    "new stream is read from its end",
    "no grace after a reconnection",
    "no lease renewal",
    "one entry too many",
    "pause does not wait",
    "pause leaves the read",
    "refused settlement is forgotten",
    "released slot is freed again",
    "retention forgets pending entries",
    "retry limit off by one",
    "slot is given back twice",
    "slot kept after a refusal",
    "subscriptions are not restored",
    "undelivered entry counts as done",
];

/// Seed that finds a planted fault, with the promise that it breaks.
pub struct Found {
    pub seeds: u64,
    pub check: &'static str,
}

/// Looks for a planted fault with seeds from `from` on.
pub fn find(fault: &'static str, from: u64, most: u64) -> Option<Found> {
    (0..most).find_map(|nth| {
        let scenario = generator::generate(from + nth);
        let outcome = run::run(&scenario, Some(fault), false);
        let violation = checks::check(&scenario, &outcome).into_iter().next()?;
        // A seed that breaks a promise by itself has not found the fault.
        let without = run::run(&scenario, None, false);
        checks::check(&scenario, &without).is_empty().then_some(())?;
        Some(Found { seeds: nth + 1, check: violation.check })
    })
}
