//! Situations of a bad moment: the one command or reply that matters is lost, or a process ends while others need its work.

use crate::breaks::{Break, Kind, Moment};
use crate::random::Random;
use crate::scenario::{Action, Arrangement, Behaviour, Group, Once, Payload, Scenario, Send, Timed};

/// Time that a situation needs before the end of the script, in ms.
const ROOM: u64 = 5_000;

/// Adds up to three situations to the script of a seed.
pub fn add(scenario: &mut Scenario, random: &mut Random) {
    if scenario.is_calm() {
        return;
    }
    let is_single = scenario.nodes == 1 && scenario.arrangement == Arrangement::Standalone;
    let mut situations = vec![lose_send, lose_send, lose_claim, lose_settlement];
    if is_single {
        // Scripts of Redis have one server here.
        situations.extend([end_sender as Situation, miss_completion]);
    }
    if scenario.streams.iter().any(|stream| stream.lease.is_some()) {
        situations.extend([move_partition as Situation; 4]);
    }
    if scenario.streams.iter().any(|stream| stream.limit.is_some()) {
        situations.extend([lose_permits as Situation; 2]);
    }
    for _ in 0..random.within(1, 3) {
        let at = random.within(1_000, scenario.end - ROOM);
        random.pick(&situations)(scenario, random, at);
    }
    scenario.actions.sort_by_key(|timed| timed.at);
}

/// A process stands still while Redis delivers jobs to its read, until another consumer has claimed them.
pub fn add_late_read(scenario: &mut Scenario, random: &mut Random) {
    if scenario.is_calm() {
        return;
    }
    let Some((process, _, group)) = group_of_several(scenario, random) else { return };
    let Group { claim_deadline, claim_interval, .. } = &mut scenario.groups[group];
    // The connection of the read must not end before the reply is here, and a read that blocks for longer is never late.
    *claim_deadline = 2_000.min(*claim_deadline);
    let (claim_deadline, claim_interval) = (*claim_deadline, *claim_interval);
    let at = random.within(1_000, scenario.end - ROOM);
    scenario.processes[process].socket_timeout = None;
    for consumer in &mut scenario.processes[process].consumers {
        consumer.block_timeout = Some(300);
    }
    let time = claim_deadline + claim_interval + random.within(300, 1_000);
    push(scenario, at, Action::Freeze(process, time));
    let first = Behaviour::Succeed(time + claim_deadline);
    let job = Job { at: at + 1, first, ..Job::new(scenario, random) };
    send(scenario, random, &job, (4, 10));
    scenario.end = scenario.end.max(at + time + ROOM);
    scenario.actions.sort_by_key(|timed| timed.at);
}

type Situation = fn(&mut Scenario, &mut Random, u64);

/// A send is lost, or its reply, or it reaches the server after its connection was replaced.
fn lose_send(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let process = producer(scenario, random);
    scenario.processes[process].resends = true;
    let moment = random.pick(&[Moment::Before, Moment::After, Moment::Late(400), Moment::Late(2_000)]);
    break_at(scenario, process, at, Kind::Send, moment);
    let job = Job { process, at, ..Job::new(scenario, random) };
    send(scenario, random, &job, (2, 6));
}

/// All consumers but one that claim end while they run jobs, and a claim of the last one is lost.
fn lose_claim(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let Some((last, others, group)) = group_of_several(scenario, random) else { return };
    let deadline = scenario.groups[group].claim_deadline;
    let job = Job { at, first: Behaviour::Succeed(3 * deadline), ..Job::new(scenario, random) };
    send(scenario, random, &job, (3, 6));
    let end = at + random.within(200, 800);
    others.into_iter().for_each(|process| push(scenario, end, Action::Kill(process)));
    let moment = random.pick(&[Moment::Before, Moment::Before, Moment::After]);
    break_at(scenario, last, end, Kind::Claim, moment);
}

/// An acknowledgement is lost, or its reply.
fn lose_settlement(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let Some(process) = random_of(random, &consuming(scenario, None)) else { return };
    break_at(scenario, process, at, Kind::Acknowledgement, before_or_after(random));
    let job = Job { at, ..Job::new(scenario, random) };
    send(scenario, random, &job, (2, 5));
}

/// A request for permits is lost, or its reply.
fn lose_permits(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let Some(process) = random_of(random, &consuming(scenario, None)) else { return };
    break_at(scenario, process, at, Kind::Permit, before_or_after(random));
    let limited = scenario.streams.iter().position(|stream| stream.limit.is_some()).unwrap_or(0);
    let job = Job { at, stream: limited, ..Job::new(scenario, random) };
    send(scenario, random, &job, (6, 15));
}

/// The sender of the last delayed send ends before its time.
fn end_sender(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let process = producer(scenario, random);
    let over = scenario.actions.iter().map(|timed| match &timed.action {
        Action::Send(send) => timed.at + send.delay().unwrap_or(0) + 1_000,
        _ => 0,
    });
    // No other process looks for due sends of its own then.
    let at = over.max().unwrap_or(0).max(at);
    let once = Once { delay: Some(random.pick(&[2_500, 6_000])), cancelled: None };
    let job = Job { process, at, once: Some(once), ..Job::new(scenario, random) };
    send(scenario, random, &job, (1, 2));
    push(scenario, at + random.within(300, 2_000), Action::Kill(process));
    scenario.end = scenario.end.max(at + ROOM);
}

/// A producer is cut off when the job of its delayed send ends.
fn miss_completion(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let (process, delay, time) = (producer(scenario, random), random.pick(&[300, 1_000, 2_500]), 1_500);
    let once = Once { delay: Some(delay), cancelled: None };
    let waits_for = (0..scenario.groups.len()).collect();
    let first = Behaviour::Succeed(time);
    let job = Job { process, at, first, once: Some(once), waits_for, ..Job::new(scenario, random) };
    send(scenario, random, &job, (1, 2));
    let begin = at + delay + time - random.within(200, 1_000);
    push(scenario, begin, Action::Separate(process, 0, random.pick(&[1_500, 3_000]), true));
}

/// A partition goes from one consumer to another while jobs of a key run and wait.
fn move_partition(scenario: &mut Scenario, random: &mut Random, at: u64) {
    let leases = scenario.streams.iter().enumerate();
    let Some((stream, lease)) = leases.filter_map(|(at, of)| Some((at, of.lease?))).next() else { return };
    let Some((_, others, _)) = group_of_several(scenario, random) else { return };
    let key = Some(random.below(2) as u8);
    let first = Behaviour::Succeed(lease * random.within(1, 3));
    let before = Job { at, stream, key, first, ..Job::new(scenario, random) };
    send(scenario, random, &before, (2, 5));
    let end = at + random.within(200, lease);
    let how = random.below(5);
    for process in others {
        let action = match how {
            0 => break,
            1 => Action::Stop(process, Some(random.pick(&[0, 300]))),
            2 => Action::Freeze(process, 2 * lease),
            _ => Action::Kill(process),
        };
        push(scenario, end, action);
    }
    let after = Job { at: end + lease, first: Behaviour::Succeed(20), ..before };
    send(scenario, random, &after, (2, 4));
    scenario.end = scenario.end.max(end + 2 * lease);
}

/// Jobs to send, with the behaviour of their first run.
struct Job {
    process: usize,
    at: u64,
    stream: usize,
    key: Option<u8>,
    once: Option<Once>,
    waits_for: Vec<usize>,
    first: Behaviour,
}

impl Job {
    fn new(scenario: &Scenario, random: &mut Random) -> Self {
        let (process, stream) = (producer(scenario, random), random.below(scenario.streams.len() as u64));
        let is_ordered = scenario.streams[stream as usize].lease.is_some();
        Self {
            process,
            at: 0,
            stream: stream as usize,
            key: is_ordered.then(|| random.below(2) as u8),
            once: None,
            waits_for: Vec::new(),
            first: Behaviour::Succeed(20),
        }
    }
}

fn send(scenario: &mut Scenario, random: &mut Random, job: &Job, (least, most): (u64, u64)) {
    let last = scenario.sends().map(|send| send.job).max().unwrap_or(0);
    let pause = random.pick(&[0, 1, 10, 60]);
    for (number, nth) in (last + 1..).zip(0..random.within(least, most)) {
        let send = Send {
            process: job.process,
            job: number,
            stream: job.stream,
            waits_for: job.waits_for.clone(),
            is_recorded: !job.waits_for.is_empty() && random.happens(50),
            payload: Payload::Entry(16),
            returns: false,
            changes_payload: false,
            key: job.key,
            once: job.once,
            runs: vec![job.first, Behaviour::Succeed(20)],
        };
        push(scenario, job.at + nth * pause, Action::Send(send));
    }
}

fn push(scenario: &mut Scenario, at: u64, action: Action) {
    scenario.actions.push(Timed { at, action });
}

fn break_at(scenario: &mut Scenario, process: usize, at: u64, kind: Kind, moment: Moment) {
    push(scenario, at.saturating_sub(1), Action::Break(process, Break { at: kind, moment }));
}

fn before_or_after(random: &mut Random) -> Moment {
    random.pick(&[Moment::Before, Moment::After])
}

fn producer(scenario: &Scenario, random: &mut Random) -> usize {
    let all = 0..scenario.processes.len();
    let producers: Vec<usize> = all.filter(|&nth| scenario.processes[nth].has_producer).collect();
    random.pick(&producers)
}

/// Processes with a consumer, or with one of a group that claims.
fn consuming(scenario: &Scenario, group: Option<usize>) -> Vec<usize> {
    let is_of = |nth: &usize| {
        let process = &scenario.processes[*nth];
        let fits = |of: usize, claims: bool| group.is_none_or(|group| of == group && claims);
        process.legacy.is_none() && process.consumers.iter().any(|one| fits(one.group, one.claims))
    };
    (0..scenario.processes.len()).filter(is_of).collect()
}

/// A group with several processes that claim: one of them, the others, and the group. A process that sends is no other.
fn group_of_several(scenario: &Scenario, random: &mut Random) -> Option<(usize, Vec<usize>, usize)> {
    let groups: Vec<usize> =
        (0..scenario.groups.len()).filter(|&group| consuming(scenario, Some(group)).len() > 1).collect();
    let group = random_of(random, &groups)?;
    let mut processes = consuming(scenario, Some(group));
    let last = processes.remove(random.below(processes.len() as u64) as usize);
    processes.retain(|&process| !scenario.processes[process].has_producer);
    Some((last, processes, group))
}

fn random_of(random: &mut Random, all: &[usize]) -> Option<usize> {
    (!all.is_empty()).then(|| random.pick(all))
}
