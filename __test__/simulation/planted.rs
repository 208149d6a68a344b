//! Faults that are planted into the engine. Each must be found by some seed, or the workload has a hole.

use crate::checks;
use crate::generator;
use crate::run;

/// Names of the planted faults, as in the calls of `planted` in src.
pub const FAULTS: [&str; 55] = [
    "acknowledged before it runs",
    "buffered payload is lost",
    "cancelled send is added",
    "claim is sent again",
    "claim without idle time",
    "claimed slot is kept",
    "completion before the acknowledgement",
    "dead letter is not kept",
    "deadline keeps the slot",
    "delay is forgotten",
    "delayed sends need their sender",
    "deliveries are not counted",
    "double settlement",
    "due send is added twice",
    "entry of a delayed send is not looked up",
    "entry of a late reply starts",
    "entry without a slot is dropped",
    "entry without a slot starts",
    "exhausted is reported again",
    "failed job frees its key",
    "failure is acknowledged",
    "fair slot is not counted",
    "first completion ends the wait",
    "forgotten resend",
    "found send is sent again",
    "found send of a Cluster is sent again",
    "group resumes at the end",
    "lapsed lease counts",
    "lost client goes on",
    "lost read is forgotten",
    "missed completions are not queried",
    "missing send counts as found",
    "new stream is read from its end",
    "next of a key starts early",
    "next window is not awaited",
    "no grace after a reconnection",
    "no lease renewal",
    "one entry too many",
    "partition lease is not renewed",
    "pause does not wait",
    "pause leaves the read",
    "permits are not counted",
    "permits outlive their window",
    "refused settlement is forgotten",
    "released slot is freed again",
    "retention does not wait",
    "retention forgets pending entries",
    "retention ignores a group",
    "retention removes one entry more",
    "retry limit off by one",
    "slot is given back twice",
    "slot kept after a refusal",
    "subscriptions are not restored",
    "takeover leaves pending entries",
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
