//! Reduces a script that breaks a promise to a short one that breaks the same promise.

use crate::checks;
use crate::run;
use crate::scenario::{Action, Behaviour, Payload, Scenario};

/// Maximum number of runs of one reduction.
const MOST_RUNS: usize = 1_000;

/// Reduces a script that breaks the promise `check`.
pub fn shrink(scenario: &Scenario, check: &str, planted: Option<&'static str>) -> Scenario {
    let mut left = MOST_RUNS;
    let mut breaks = |candidate: &Scenario| {
        left = left.saturating_sub(1);
        left > 0 && breaks_promise(candidate, check, planted)
    };
    let mut best = scenario.clone();
    let mut size = best.actions.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.actions.len() {
            let mut candidate = best.clone();
            let until = (at + size).min(candidate.actions.len());
            candidate.actions.drain(at..until);
            if breaks(&candidate) {
                best = candidate;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for simpler in [simple_network, simple_jobs, simple_payloads] {
        let mut candidate = best.clone();
        simpler(&mut candidate);
        if breaks(&candidate) {
            best = candidate;
        }
    }
    best
}

/// Returns true if a run of the script breaks the promise.
fn breaks_promise(scenario: &Scenario, check: &str, planted: Option<&'static str>) -> bool {
    let outcome = run::run(scenario, planted, false);
    checks::check(scenario, &outcome).iter().any(|violation| violation.check == check)
}

fn simple_network(scenario: &mut Scenario) {
    scenario.latencies = vec![(1, 0)];
}

fn simple_jobs(scenario: &mut Scenario) {
    for timed in &mut scenario.actions {
        if let Action::Send(send) = &mut timed.action {
            send.runs = vec![Behaviour::Succeed(20)];
        }
    }
}

fn simple_payloads(scenario: &mut Scenario) {
    for timed in &mut scenario.actions {
        if let Action::Send(send) = &mut timed.action {
            (send.payload, send.changes_payload) = (Payload::None, false);
        }
    }
}
