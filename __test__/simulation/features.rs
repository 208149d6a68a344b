//! Features of jobs and consumers that are added to a part of the scripts.

use crate::random::Random;
use crate::scenario::{
    Action, Arrangement, Consumer, Cut, Fair, Limit, Once, Payload, Process, Scenario, Timed,
};

/// Adds features to the script of a seed.
pub fn add(scenario: &mut Scenario, random: &mut Random) {
    // A transaction, and a payload with its job, have one server.
    let one_node = scenario.nodes == 1 && !matches!(scenario.arrangement, Arrangement::Cluster(_));
    for timed in &mut scenario.actions {
        let Action::Send(send) = &mut timed.action else { continue };
        send.returns = !send.waits_for.is_empty() && random.happens(40);
        let has_key = matches!(send.payload, Payload::Key(_) | Payload::Both(_));
        send.changes_payload = one_node && has_key && random.happens(50);
    }
    for process in &mut scenario.processes {
        process.batches = one_node && random.happens(35);
        for consumer in &mut process.consumers {
            consumer.prefetches = random.happens(40);
        }
    }
    if scenario.is_calm() {
        return;
    }
    scenario.ejects = scenario.is_distributed && random.happens(70);
    // 2.2.0 is on its own here, without sentinels.
    if one_node && scenario.arrangement == Arrangement::Standalone && random.happens(40) {
        add_legacy(scenario, random);
    }
    if random.happens(25) {
        move_group(scenario, random);
    }
}

/// Gives some sends an id, most of them a delay too, and cancels some of those. Scripts of Redis have one server here.
pub fn add_ids(scenario: &mut Scenario, random: &mut Random) {
    if scenario.nodes > 1 || scenario.arrangement != Arrangement::Standalone {
        return;
    }
    for timed in &mut scenario.actions {
        let Action::Send(send) = &mut timed.action else { continue };
        if !random.happens(40) {
            continue;
        }
        let delay = random.happens(80).then(|| random.pick(&[40, 700, 2_500, 6_000]));
        let cancelled = delay.filter(|_| random.happens(30)).map(|delay| random.below(delay + delay / 4));
        send.once = Some(Once { delay, cancelled });
        if cancelled.is_some() {
            // Its completions can be missing for good.
            (send.waits_for, send.is_recorded, send.returns) = (Vec::new(), false, false);
        }
    }
}

/// Orders the jobs of a stream by their keys. All consumers of a group have the option, and claim.
pub fn add_order(scenario: &mut Scenario, random: &mut Random) {
    let has_legacy = scenario.processes.iter().any(|process| process.legacy.is_some());
    if has_legacy || scenario.arrangement != Arrangement::Standalone {
        return;
    }
    let ordered = random.below(scenario.streams.len() as u64) as usize;
    scenario.streams[ordered].lease = Some(random.pick(&[1_000, 2_000, 4_000]));
    let consumers = scenario.processes.iter_mut().flat_map(|process| &mut process.consumers);
    consumers.for_each(|consumer| consumer.claims = true);
    let keys = random.within(1, 4);
    for timed in &mut scenario.actions {
        let Action::Send(send) = &mut timed.action else { continue };
        if send.stream == ordered && random.happens(90) {
            send.key = Some(random.below(keys) as u8);
        }
    }
}

/// Part of the consumers with fair dispatch, and of the jobs with a key, in percent.
const FAIR: u64 = 70;
const WITH_KEY: u64 = 85;

/// Gives keys to jobs that have none, and fair dispatch to consumers.
pub fn add_keys(scenario: &mut Scenario, random: &mut Random) {
    let keys = random.within(2, 5);
    for timed in &mut scenario.actions {
        let Action::Send(send) = &mut timed.action else { continue };
        // The first key has about half of the jobs.
        let key = if random.happens(50) { 0 } else { random.below(keys) as u8 };
        send.key = send.key.or(random.happens(WITH_KEY).then_some(key));
    }
    let processes = scenario.processes.iter_mut().filter(|process| process.legacy.is_none());
    for consumer in processes.flat_map(|process| &mut process.consumers) {
        if random.happens(FAIR) {
            let cap = random.pick(&[None, None, Some(1), Some(2)]);
            consumer.fair = Some(Fair { cap, waiting: random.pick(&[1, 4, 16, 100]) });
        }
    }
}

/// Limits the starts of a stream. All consumers have the option, and jobs that fail and run again need permits too.
pub fn add_limit(scenario: &mut Scenario, random: &mut Random) {
    let has_legacy = scenario.processes.iter().any(|process| process.legacy.is_some());
    // A consumer with fair dispatch has no rate limits.
    let is_fair =
        scenario.processes.iter().flat_map(|process| &process.consumers).any(|one| one.fair.is_some());
    if has_legacy || is_fair || scenario.is_calm() {
        return;
    }
    let limited = random.below(scenario.streams.len() as u64) as usize;
    let (max, interval) = random.pick(&[(1, 100), (2, 500), (5, 500), (3, 1_000), (10, 2_000)]);
    scenario.streams[limited].limit = Some(Limit { max, interval, by_key: random.happens(30) });
}

/// A consumer of 2.2.0 joins a group.
fn add_legacy(scenario: &mut Scenario, random: &mut Random) {
    let consumer = Consumer {
        group: random.below(scenario.groups.len() as u64) as usize,
        concurrency: random.pick(&[1, 2, 5]),
        read_ahead: 0,
        claims: false,
        deadline: None,
        block_timeout: Some(random.pick(&[300, 5_000])),
        removes_idle: None,
        prefetches: false,
        fair: None,
    };
    let legacy = Some(random.below(4_000));
    scenario.processes.push(Process {
        consumers: vec![consumer],
        legacy,
        resends: true,
        ..Process::default()
    });
    let process = scenario.processes.len() - 1;
    if random.happens(50) {
        let at = random.within(1_000, scenario.end - 1_000);
        let time = random.pick(&[300, 1_200, 4_000]);
        let action = match random.below(4) {
            0 => Action::Kill(process),
            1 => Action::Cut(process, 0, Cut::Reset),
            2 => Action::Cut(process, 0, Cut::Deaf(1, time)),
            _ => Action::Separate(process, 0, time, true),
        };
        scenario.actions.push(Timed { at, action });
        scenario.actions.sort_by_key(|timed| timed.at);
    }
}

/// An operator sets the position of a group.
fn move_group(scenario: &mut Scenario, random: &mut Random) {
    let at = random.within(1_000, scenario.end - 1_000);
    let node = random.below(scenario.nodes.into()) as u16;
    let stream = random.below(scenario.streams.len() as u64) as usize;
    let group = random.below(scenario.groups.len() as u64) as usize;
    let action = Action::MoveGroup(node, stream, group, random.happens(50));
    scenario.actions.push(Timed { at, action });
    scenario.actions.sort_by_key(|timed| timed.at);
}
