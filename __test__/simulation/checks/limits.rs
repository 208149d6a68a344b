//! Rate limits: each start has a permit that Redis has counted before, in a window that is not over.

use std::collections::BTreeMap;

use super::summary::{Run, Summary};
use crate::history::{Done, Event, Timed};
use crate::scenario::{Action, Limit, Scenario};

/// Time from a permit until its start, besides the delays of the network, in ms.
const STARTING: u64 = 20;
/// Time for which a disturbance of a process can delay its starts, in ms.
const DELAYED: u64 = 15_000;

/// Permits that one request was granted.
struct Permits {
    at: u64,
    /// Last time at which they can start jobs.
    until: u64,
    left: u64,
}

impl Summary<'_> {
    /// Each start of a limited stream uses a permit of its window.
    pub(super) fn limits(&self, found: &mut Vec<String>) {
        // The time of Redis decides when a window ends.
        let has_clock = self.scenario.actions.iter().any(|timed| matches!(timed.action, Action::Clock(..)));
        if has_clock || self.scenario.streams.iter().all(|stream| stream.limit.is_none()) {
            return;
        }
        let mut permits = self.permits();
        let mut runs: Vec<&Run> = self.runs.values().collect();
        runs.sort_by_key(|run| run.start);
        for run in runs {
            let Some(budget) = self.budget_of(run) else { continue };
            let is_delayed = || {
                let process = Self::process_of(run.consumer);
                self.disruptions.between(process, run.start.saturating_sub(DELAYED), run.start)
            };
            let all = permits.entry(budget.clone()).or_default();
            let usable = |one: &&mut Permits| one.left > 0 && one.at <= run.start;
            // A job with its permit waits for its values, and these for large ones in front of them.
            let fetching = if self.prefetches(run.consumer) { 4 * self.disruptions.slowest() } else { 0 };
            let in_time = |one: &&mut Permits| usable(one) && one.until + fetching >= run.start;
            let permit = if is_delayed() {
                all.iter_mut().find(usable)
            } else {
                all.iter_mut().filter(in_time).min_by_key(|one| one.until)
            };
            match permit {
                Some(permit) => permit.left -= 1,
                None => found.push(format!(
                    "at {} j{}: consumer {} starts it without a permit of {budget}",
                    run.start, run.job, run.consumer
                )),
            }
        }
    }

    /// Budget of a run, if its stream has a limit.
    fn budget_of(&self, run: &Run) -> Option<String> {
        let send = self.sends.get(&run.job)?;
        let limit = self.scenario.streams[send.stream].limit?;
        let (stream, group) = (Scenario::stream_name(send.stream), Scenario::group_name(run.group));
        Some(match (limit.by_key, send.key) {
            (false, _) => format!("{stream}:{group}"),
            (true, None) => format!("{stream}:{group}:"),
            (true, Some(key)) => format!("{stream}:{group}:k{key}"),
        })
    }

    /// Granted permits by budget, in their order.
    fn permits(&self) -> BTreeMap<String, Vec<Permits>> {
        let mut begun: BTreeMap<&str, u64> = BTreeMap::new();
        let mut permits: BTreeMap<String, Vec<Permits>> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Server { done: Done::WindowBegun { budget }, .. } => drop(begun.insert(budget, *at)),
                Event::Server { done: Done::Permitted { budget, asked, count }, .. } => {
                    let Some(limit) = self.limit_of(budget) else { continue };
                    // A key that expired since the window's begin has begun another one.
                    let begin = begun.get(budget.as_str()).filter(|begin| **begin + limit.interval > *at);
                    let end = begin.unwrap_or(at) + limit.interval;
                    let left = limit.max.saturating_sub(count.saturating_sub(*asked)).min(*asked);
                    let until = end.max(at + 4 * self.disruptions.slowest()) + STARTING;
                    permits.entry(budget.clone()).or_default().push(Permits { at: *at, until, left });
                }
                _ => {}
            }
        }
        permits
    }

    fn limit_of(&self, budget: &str) -> Option<Limit> {
        let mut streams = (0..self.scenario.streams.len()).zip(&self.scenario.streams);
        let is_of = |at: usize| budget.starts_with(&format!("{}:", Scenario::stream_name(at)));
        streams.find(|(at, _)| is_of(*at))?.1.limit
    }
}
