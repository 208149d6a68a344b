//! Situations that chance seldom makes, added to a part of the scripts: an event, and jobs at the right time beside it.

use crate::random::Random;
use crate::scenario::{Action, Behaviour, Cut, Payload, Refused, Scenario, Send, Timed};

/// Time that a situation needs before the end of the script, in ms.
const ROOM: u64 = 5_000;

/// Adds situations to the script of a seed.
pub fn add(scenario: &mut Scenario, random: &mut Random) {
    if scenario.is_calm() {
        return;
    }
    twist_behaviours(scenario, random);
    renew_after_losses(scenario, random);
    for _ in 0..random.within(1, 3) {
        let at = random.within(1_000, scenario.end - ROOM);
        let situation =
            random.pick(&[lose_lease, lose_all_leases, lose_read, lose_group, lose_settlement, pause_idle]);
        situation(scenario, random, at);
    }
    scenario.actions.sort_by_key(|timed| timed.at);
}

/// Has some processors settle or release a second time.
fn twist_behaviours(scenario: &mut Scenario, random: &mut Random) {
    for timed in &mut scenario.actions {
        let Action::Send(send) = &mut timed.action else { continue };
        for run in &mut send.runs {
            match *run {
                Behaviour::SettleTwice(ms) if random.happens(50) => *run = Behaviour::FailThenSucceed(ms),
                Behaviour::Release(ms) if random.happens(50) => *run = Behaviour::ReleaseTwice(ms),
                _ => {}
            }
        }
    }
}

/// Sends jobs while a group, or the whole stream, is gone and not made again yet.
fn renew_after_losses(scenario: &mut Scenario, random: &mut Random) {
    let losses: Vec<(u64, Option<usize>)> = scenario
        .actions
        .iter()
        .filter_map(|timed| match timed.action {
            Action::DestroyGroup(_, stream, _) => Some((timed.at, Some(stream))),
            Action::Flush(_) => Some((timed.at, None)),
            _ => None,
        })
        .collect();
    for (at, stream) in losses {
        let stream = stream.unwrap_or_else(|| any(scenario.streams.len(), random));
        send_jobs(scenario, random, (at, stream), Behaviour::Succeed(5));
    }
}

/// A process does not reach Redis, or does not run, for longer than its leases, while it has long jobs.
fn lose_lease(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let Some((process, deadline)) = claiming_process(scenario, random) else { return };
    let stream = any(scenario.streams.len(), random);
    let long = Behaviour::Succeed(deadline * random.within(2, 4));
    send_jobs(scenario, random, (at, stream), long);
    let (begin, time) = (at + random.below(300), deadline + random.below(deadline));
    let action = match random.below(3) {
        0 => Action::Freeze(process, time),
        _ => {
            Action::Separate(process, any(scenario.servers().into(), random) as u16, time, random.happens(50))
        }
    };
    scenario.actions.push(Timed { at: begin, action });
}

/// All processes lose a server for longer than the leases of a group, while they have long jobs.
fn lose_all_leases(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let Some((_, deadline)) = claiming_process(scenario, random) else { return };
    let stream = any(scenario.streams.len(), random);
    send_jobs(scenario, random, (at, stream), Behaviour::Succeed(deadline * 3));
    let node = any(scenario.servers().into(), random) as u16;
    let action = Action::Outage(node, deadline + random.below(1_000));
    scenario.actions.push(Timed { at: at + 300 + random.below(300), action });
}

/// The replies to a process are lost while new jobs come.
fn lose_read(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let process = any(scenario.processes.len(), random);
    let node = any(scenario.servers().into(), random) as u16;
    let cut = random.pick(&[Cut::Deaf(1, 200), Cut::Deaf(1, 700), Cut::After(1, 60), Cut::After(1, 300)]);
    scenario.actions.push(Timed { at, action: Action::Cut(process, node, cut) });
    let stream = any(scenario.streams.len(), random);
    send_jobs(scenario, random, (at, stream), Behaviour::Succeed(20));
}

/// A group is destroyed, or a whole server emptied, and new jobs come before the group is made again.
fn lose_group(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let node = any(scenario.servers().into(), random) as u16;
    let stream = any(scenario.streams.len(), random);
    let action = match random.below(3) {
        0 => Action::Flush(node),
        _ => Action::DestroyGroup(node, stream, any(scenario.groups.len(), random)),
    };
    let is_flush = matches!(action, Action::Flush(_));
    scenario.actions.push(Timed { at, action });
    if is_flush && random.happens(60) {
        // The new entries have ids below the earlier ones, as after a restart on another machine.
        scenario.actions.push(Timed { at, action: Action::Clock(node, -60_000) });
    }
    send_jobs(scenario, random, (at, stream), Behaviour::Succeed(5));
}

/// A connection breaks, or Redis refuses, while jobs settle; later the consumer pauses.
fn lose_settlement(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let Some((process, consumer)) = any_consumer(scenario, random) else { return };
    let stream = any(scenario.streams.len(), random);
    send_jobs(scenario, random, (at, stream), Behaviour::Succeed(50));
    if random.happens(60) {
        scenario.processes[process].resends = false;
    } else {
        scenario.processes[process].command_timeout = Some(500);
    }
    let node = any(scenario.servers().into(), random) as u16;
    let action = match random.below(4) {
        0 => Action::Refuse(node, random.pick(&[Refused::Busy, Refused::ReadOnly]), 700),
        1 => Action::Separate(process, node, 900, false),
        2 => Action::Cut(process, node, Cut::Reset),
        _ => Action::Cut(process, node, Cut::Deaf(1, 800)),
    };
    scenario.actions.push(Timed { at: at + random.within(40, 200), action });
    pause_at(scenario, (process, consumer), at + random.within(2_000, ROOM - 1_000));
}

/// A consumer pauses while it waits for new jobs.
fn pause_idle(scenario: &mut Scenario, random: &mut Random, at: u64) {
    if let Some(consumer) = any_consumer(scenario, random) {
        pause_at(scenario, consumer, at);
    }
}

fn pause_at(scenario: &mut Scenario, (process, consumer): (usize, usize), at: u64) {
    scenario.actions.push(Timed { at, action: Action::Pause(process, consumer) });
    scenario.actions.push(Timed { at: at + 4_000, action: Action::Play(process, consumer) });
}

/// Has a producer send some jobs, the first ones at once.
fn send_jobs(scenario: &mut Scenario, random: &mut Random, (at, stream): (u64, usize), first: Behaviour) {
    let producers: Vec<usize> =
        (0..scenario.processes.len()).filter(|&nth| scenario.processes[nth].has_producer).collect();
    let last = scenario.sends().map(|send| send.job).max().unwrap_or(0);
    for (job, nth) in (last + 1..).zip(0..random.within(2, 6)) {
        let send = Send {
            process: random.pick(&producers),
            job,
            stream,
            waits_for: Vec::new(),
            is_recorded: false,
            payload: Payload::Entry(16),
            returns: false,
            changes_payload: false,
            key: None,
            once: None,
            runs: vec![first, Behaviour::Succeed(20)],
        };
        let at = at + nth * random.pick(&[0, 1, 10, 60]);
        scenario.actions.push(Timed { at, action: Action::Send(send) });
    }
}

/// A process with a consumer that claims, and the lifetime of its leases.
fn claiming_process(scenario: &Scenario, random: &mut Random) -> Option<(usize, u64)> {
    let found: Vec<(usize, u64)> = scenario
        .processes
        .iter()
        .enumerate()
        .filter_map(|(nth, process)| {
            let consumer = process.consumers.iter().find(|consumer| consumer.claims)?;
            Some((nth, scenario.groups[consumer.group].claim_deadline))
        })
        .collect();
    (!found.is_empty()).then(|| random.pick(&found))
}

fn any_consumer(scenario: &Scenario, random: &mut Random) -> Option<(usize, usize)> {
    let all = scenario.processes.iter().enumerate();
    let found: Vec<(usize, usize)> =
        all.flat_map(|(nth, process)| (0..process.consumers.len()).map(move |of| (nth, of))).collect();
    (!found.is_empty()).then(|| random.pick(&found))
}

fn any(count: usize, random: &mut Random) -> usize {
    random.below(count as u64) as usize
}
