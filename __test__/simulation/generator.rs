//! Makes the script of a seed.

use crate::features;
use crate::losses;
use crate::random::Random;
use crate::scenario::{
    Action, Arrangement, Behaviour, Consumer, Cut, Group, Payload, Process, Refused, Scenario, Send, Stream,
    Timed,
};
use crate::situations;

/// Part of the seeds whose scripts have situations, and further features, in percent.
const WITH_SITUATIONS: u64 = 65;
const WITH_FEATURES: u64 = 50;
/// Part of the seeds whose scripts have sends with ids, and delayed ones, in percent.
const WITH_IDS: u64 = 30;
/// Part of the seeds whose scripts have ordered streams, in percent.
const WITH_ORDER: u64 = 20;
/// Part of the seeds whose scripts have keys and fair dispatch, in percent.
const WITH_KEYS: u64 = 25;
/// Part of the seeds whose scripts have a rate limit, in percent.
const WITH_LIMITS: u64 = 15;
/// Part of the seeds whose scripts lose commands, replies and processes at a bad time, in percent.
const WITH_LOSSES: u64 = 50;
/// Part of the seeds whose scripts have a read with a late reply, in percent.
const WITH_LATE_READS: u64 = 20;

/// Makes the script of a seed.
pub fn generate(seed: u64) -> Scenario {
    let mut scenario = generate_plain(seed);
    let random = &mut Random::new(seed, 14);
    if random.happens(WITH_SITUATIONS) {
        situations::add(&mut scenario, random);
    }
    if random.happens(WITH_FEATURES) {
        features::add(&mut scenario, random);
    }
    let random = &mut Random::new(seed, 15);
    if random.happens(WITH_IDS) {
        features::add_ids(&mut scenario, random);
    }
    let random = &mut Random::new(seed, 16);
    if random.happens(WITH_ORDER) {
        features::add_order(&mut scenario, random);
    }
    let random = &mut Random::new(seed, 17);
    if random.happens(WITH_KEYS) {
        features::add_keys(&mut scenario, random);
    }
    let random = &mut Random::new(seed, 18);
    if random.happens(WITH_LIMITS) {
        features::add_limit(&mut scenario, random);
    }
    let random = &mut Random::new(seed, 19);
    if random.happens(WITH_LOSSES) {
        losses::add(&mut scenario, random);
    }
    let random = &mut Random::new(seed, 20);
    if random.happens(WITH_LATE_READS) {
        losses::add_late_read(&mut scenario, random);
    }
    scenario
}

/// Makes the script of a seed without situations and features.
pub fn generate_plain(seed: u64) -> Scenario {
    let random = &mut Random::new(seed, 10);
    let nodes = if random.happens(75) { 1 } else { random.within(2, 4) as u16 };
    let is_calm = random.happens(10);
    let streams = (0..random.within(1, 2)).map(|_| stream(random)).collect();
    let groups = (0..random.within(1, 3)).map(|_| group(random)).collect();
    let mut scenario = Scenario {
        seed,
        nodes,
        arrangement: arrangement(&mut Random::new(seed, 11), nodes),
        is_distributed: nodes > 1 && random.happens(60),
        ejects: false,
        retains: None,
        latencies: (0..random.within(1, 3)).map(|_| latency(random)).collect(),
        streams,
        groups,
        processes: Vec::new(),
        actions: Vec::new(),
        end: random.within(10_000, 40_000),
    };
    add_processes(&mut scenario, random);
    add_sends(&mut scenario, random, is_calm);
    if !is_calm {
        add_controls(&mut scenario, random);
        add_faults(&mut scenario, random);
        add_changes(&mut scenario, &mut Random::new(seed, 12));
    }
    scenario.actions.sort_by_key(|timed| timed.at);
    add_retention(&mut scenario);
    scenario
}

fn arrangement(random: &mut Random, nodes: u16) -> Arrangement {
    match random.below(100) {
        0..=19 if nodes == 1 => Arrangement::Cluster(random.within(2, 3) as u16),
        20..=34 if nodes == 1 => Arrangement::Sentinel,
        _ => Arrangement::Standalone,
    }
}

/// Adds retention to every third seed. Its chance is of its own, so that no other part of a script depends on it.
fn add_retention(scenario: &mut Scenario) {
    if scenario.seed.is_multiple_of(3) {
        scenario.retains = Some(Random::new(scenario.seed, 13).pick(&[100, 400, 2_000]));
        // A bus with retention refuses `capped`.
        scenario.streams.iter_mut().for_each(|stream| stream.capped = 0);
    }
}

fn stream(random: &mut Random) -> Stream {
    Stream { capped: if random.happens(12) { random.within(5, 200) } else { 0 }, lease: None, limit: None }
}

fn group(random: &mut Random) -> Group {
    Group {
        claim_interval: random.pick(&[100, 250, 500, 1_000]),
        claim_deadline: random.pick(&[1_000, 2_000, 3_000, 5_000]),
        retry_limit: random.within(1, 4),
        retry: random.happens(50).then(|| (random.pick(&[10, 200, 1_000, 7_000]), random.happens(50))),
        has_dead_letters: random.happens(50),
    }
}

fn latency(random: &mut Random) -> (u64, u64) {
    random.pick(&[(0, 0), (0, 2), (1, 0), (1, 10), (5, 30), (20, 60)])
}

fn add_processes(scenario: &mut Scenario, random: &mut Random) {
    let consumers = random.within(1, 8);
    let producers = random.within(1, 5);
    let shared = random.happens(30);
    let process = |random: &mut Random| Process {
        resends: !random.happens(15),
        socket_timeout: random.pick(&[Some(30_000), Some(2_000), Some(1_000), None]),
        command_timeout: random.pick(&[None, None, None, Some(3_000)]),
        ..Process::default()
    };
    for nth in 0..consumers {
        let group = if (nth as usize) < scenario.groups.len() {
            nth as usize
        } else {
            random.below(scenario.groups.len() as u64) as usize
        };
        let consumer = consumer(group, random);
        if shared && random.happens(40) && !scenario.processes.is_empty() {
            let at = random.below(scenario.processes.len() as u64) as usize;
            scenario.processes[at].consumers.push(consumer);
        } else {
            scenario.processes.push(Process { consumers: vec![consumer], ..process(random) });
        }
        let at = scenario.processes.len() - 1;
        let of_process = scenario.processes[at].consumers.len() - 1;
        let _ = of_process;
    }
    for _ in 0..producers {
        let free = scenario.processes.iter().position(|process| !process.has_producer);
        match free.filter(|_| shared && random.happens(50)) {
            Some(at) => scenario.processes[at].has_producer = true,
            None => scenario.processes.push(Process { has_producer: true, ..process(random) }),
        }
    }
    for at in 0..scenario.processes.len() {
        for nth in 0..scenario.processes[at].consumers.len() {
            let start = if random.happens(70) { random.below(200) } else { random.below(8_000) };
            scenario.actions.push(Timed { at: start, action: Action::Play(at, nth) });
        }
    }
}

fn consumer(group: usize, random: &mut Random) -> Consumer {
    Consumer {
        group,
        concurrency: random.pick(&[1, 1, 2, 3, 8]),
        read_ahead: random.pick(&[0, 0, 1, 5, 20]),
        claims: random.happens(75),
        deadline: random.happens(25).then(|| random.pick(&[300, 1_500])),
        block_timeout: random.pick(&[Some(5_000), Some(300), None]),
        removes_idle: random.pick(&[None, None, Some(8_000)]),
        prefetches: false,
        fair: None,
    }
}

fn add_sends(scenario: &mut Scenario, random: &mut Random, is_calm: bool) {
    let producers: Vec<usize> = scenario
        .processes
        .iter()
        .enumerate()
        .filter(|(_, process)| process.has_producer)
        .map(|(at, _)| at)
        .collect();
    let has_deadlines =
        scenario.processes.iter().flat_map(|process| &process.consumers).all(|one| one.deadline.is_some());
    let mut job = 0;
    for process in producers {
        let mut at = random.below(3_000);
        for _ in 0..random.within(3, 25) {
            let pause = random.pick(&[0, 0, 5, 50, 400, 1_500]);
            at += random.below(pause + 1);
            if at >= scenario.end {
                break;
            }
            job += 1;
            let send = send(scenario, process, job, random, (is_calm, has_deadlines));
            scenario.actions.push(Timed { at, action: Action::Send(send) });
        }
    }
}

fn send(
    scenario: &Scenario,
    process: usize,
    job: u32,
    random: &mut Random,
    (is_calm, has_deadlines): (bool, bool),
) -> Send {
    let waits_for: Vec<usize> = if random.happens(60) {
        (0..scenario.groups.len()).filter(|_| random.happens(70)).collect()
    } else {
        Vec::new()
    };
    let size = random.pick(&[1, 16, 200, 900]);
    let one_node = scenario.nodes == 1 && !matches!(scenario.arrangement, Arrangement::Cluster(_));
    let payload = match random.below(6) {
        0 => Payload::None,
        1 if one_node => Payload::Key(size),
        2 if one_node => Payload::Both(size),
        3 if one_node => Payload::Key(random.pick(&[5_000, 20_000])),
        _ => Payload::Entry(size),
    };
    let stream = random.below(scenario.streams.len() as u64) as usize;
    let is_recorded = !waits_for.is_empty() && random.happens(40);
    let runs = behaviours(random, is_calm, has_deadlines);
    let (returns, changes_payload, key, once) = (false, false, None, None);
    Send { process, job, stream, waits_for, is_recorded, payload, returns, changes_payload, key, once, runs }
}

fn behaviours(random: &mut Random, is_calm: bool, has_deadlines: bool) -> Vec<Behaviour> {
    let time = |random: &mut Random| random.pick(&[0, 1, 20, 200, 1_000]);
    if is_calm || random.happens(55) {
        return vec![Behaviour::Succeed(time(random))];
    }
    let mut runs: Vec<Behaviour> = (0..random.within(1, 3))
        .map(|_| match random.below(12) {
            0 => Behaviour::GiveUp(time(random)),
            1 | 2 => Behaviour::SettleTwice(time(random)),
            3 | 4 => Behaviour::Release(time(random)),
            5 => Behaviour::Block(random.pick(&[50, 800, 6_000])),
            6 if has_deadlines => Behaviour::Hang,
            6 | 7 => Behaviour::Succeed(random.pick(&[4_000, 9_000, 16_000])),
            _ => Behaviour::Fail(time(random)),
        })
        .collect();
    if !random.happens(15) {
        runs.push(Behaviour::Succeed(time(random)));
    }
    runs
}

fn add_controls(scenario: &mut Scenario, random: &mut Random) {
    let end = scenario.end;
    for process in 0..scenario.processes.len() {
        for consumer in 0..scenario.processes[process].consumers.len() {
            if random.happens(25) {
                let at = random.within(500, end - 3_000);
                scenario.actions.push(Timed { at, action: Action::Pause(process, consumer) });
                let again = at + random.below(4_000);
                scenario.actions.push(Timed { at: again, action: Action::Play(process, consumer) });
            }
        }
        let at = random.within(1_000, end);
        match random.below(10) {
            0 | 1 => scenario.actions.push(Timed { at, action: Action::Kill(process) }),
            2 => {
                let wait = random.pick(&[None, Some(0), Some(300), Some(2_000)]);
                scenario.actions.push(Timed { at, action: Action::Stop(process, wait) });
            }
            _ => {}
        }
    }
}

fn add_faults(scenario: &mut Scenario, random: &mut Random) {
    for _ in 0..random.below(7) {
        let at = random.within(300, scenario.end - 1_000);
        let process = random.below(scenario.processes.len() as u64) as usize;
        let node = random.below(u64::from(scenario.servers())) as u16;
        let time = random.pick(&[50, 300, 1_200, 4_000]);
        let way = random.below(2) as usize;
        let action = match random.below(100) {
            0..=19 => Action::Cut(process, node, Cut::Reset),
            20..=34 => Action::Cut(process, node, Cut::After(way, random.within(1, 600) as usize)),
            35..=40 => Action::Cut(process, node, Cut::Half(way)),
            41..=46 => Action::Cut(process, node, Cut::Deaf(way, time)),
            47..=56 => Action::Separate(process, node, time, random.happens(50)),
            57..=62 => Action::Outage(node, time),
            63..=70 => Action::Freeze(process, time),
            71..=74 => Action::Block(process, time),
            75..=84 => {
                let refused =
                    random.pick(&[Refused::Busy, Refused::Loading, Refused::ReadOnly, Refused::OutOfMemory]);
                Action::Refuse(node, refused, time)
            }
            85..=90 => Action::Clock(node, random.pick(&[-60_000, -3_000, 500, 10_000, 3_600_000])),
            91..=92 => Action::Flush(node),
            93..=95 => {
                let stream = random.below(scenario.streams.len() as u64) as usize;
                let group = random.below(scenario.groups.len() as u64) as usize;
                Action::DestroyGroup(node, stream, group)
            }
            _ => Action::Trim(node, random.below(scenario.streams.len() as u64) as usize, random.below(10)),
        };
        scenario.actions.push(Timed { at, action });
    }
}

/// Adds changes of the topology.
fn add_changes(scenario: &mut Scenario, random: &mut Random) {
    if scenario.arrangement == Arrangement::Standalone {
        return;
    }
    let is_cluster = scenario.arrangement != Arrangement::Sentinel;
    for _ in 0..random.within(1, 3) {
        let at = random.within(300, scenario.end - 1_000);
        let nth = random.below(8) as usize;
        let action = match random.below(10) {
            0..=3 if is_cluster => {
                let stream = random.below(scenario.streams.len() as u64) as usize;
                Action::Migrate(stream, nth, random.pick(&[20, 300, 3_000]))
            }
            4..=5 if is_cluster => Action::HandOver(nth),
            _ => Action::FailOver(nth, random.pick(&[0, 10, 200, 1_500]), random.pick(&[100, 1_000, 5_000])),
        };
        scenario.actions.push(Timed { at, action });
    }
}
