//! Checks of a history against the promises of docs/guarantees.md. Each takes one pass over the events.

mod calls;
mod comparisons;
mod consumer_options;
mod delayed_sends;
mod delivery;
mod ending;
mod hearing;
mod key_order;
mod late_reads;
mod late_starts;
mod ledger;
mod limits;
mod outcome;
mod payloads;
mod regrouping;
mod repetition;
mod retention;
mod running;
mod single_sends;
mod summary;
mod takeover;
mod waiting;

use crate::panics;
use crate::run::Outcome;
use crate::scenario::Scenario;
use summary::Summary;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the check.
    pub check: &'static str,
    pub text: String,
}

/// Notes what a check finds.
type Check<'a> = fn(&Summary<'a>, &mut Vec<String>);

/// Returns the promises that a run has broken. A panic of the run or of a check is one of them.
pub fn check(scenario: &Scenario, outcome: &Outcome) -> Vec<Violation> {
    let (found, panics) = panics::collect(|| match outcome.is_whole {
        true => check_history(scenario, outcome),
        false => Vec::new(),
    });
    let panics = outcome.panics.iter().cloned().chain(panics);
    let panics = panics.map(|text| Violation { check: "panic", text });
    panics.chain(found.unwrap_or_default()).collect()
}

fn check_history<'a>(scenario: &'a Scenario, outcome: &'a Outcome) -> Vec<Violation> {
    let summary = Summary::new(scenario, outcome);
    let mut found = Vec::new();
    let checks: [(&'static str, Check<'a>); 31] = [
        ("delivery", Summary::delivery),
        ("delayed sends", Summary::delayed_sends),
        ("outcome", Summary::outcome),
        ("acknowledgement", Summary::acknowledgement),
        ("retention", Summary::retention),
        ("single sends", Summary::single_sends),
        ("dead letters", Summary::dead_letters),
        ("concurrency", Summary::concurrency),
        ("shares", Summary::shares),
        ("order", Summary::order),
        ("key order", Summary::key_order),
        ("limits", Summary::limits),
        ("overlap", Summary::overlap),
        ("retry limit", Summary::retry_limit),
        ("repetition", Summary::repetition),
        ("payload", Summary::payload),
        ("pause", Summary::pause),
        ("promises", Summary::promises),
        ("finished", Summary::finished),
        ("hearing", Summary::hearing),
        ("leftovers", Summary::leftovers),
        ("takeover", Summary::takeover),
        ("grace", Summary::grace),
        ("idle slots", Summary::idle_slots),
        ("lost reads", Summary::lost_reads),
        ("regrouping", Summary::regrouping),
        ("read size", Summary::read_size),
        ("pause time", Summary::pause_time),
        ("stop time", Summary::stop_time),
        ("answers", Summary::answers),
        ("payload changes", Summary::payload_changes),
    ];
    for (check, call) in checks {
        let mut texts = Vec::new();
        call(&summary, &mut texts);
        found.extend(texts.into_iter().map(|text| Violation { check, text }));
    }
    found
}
