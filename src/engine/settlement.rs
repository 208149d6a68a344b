//! Tells Redis how jobs ended: one XACK per stream and burst, a PUBLISH for each producer that is told, all in one
//! write.

use std::fmt::Write;
use std::time::Duration;

use crate::redis_io::command::{Commands, Destination, Ticket};
use crate::redis_io::error::RedisError;
use crate::redis_io::streams::{Claim, pack_claim};

use super::backoff::chance;
use super::claim::found_of;
use super::client::closed;
use super::consumer::{Consumer, Reads};
use super::consumer_state::{Batch, ConsumerState, Settled};
use super::dead_letter::Reason;
use super::host::{Event, Found, RequestId};
use super::notification;
use super::pending::Pending;
use super::record::{self, RecordOf};
use super::replies::{Kind, LAST};
use super::slots::Token;

/// How one job ended.
#[derive(Clone, Copy, Debug)]
pub struct Settlement<'a> {
    /// The job.
    pub token: Token,
    /// Who waits for Redis' reply; 0 is nobody.
    pub request: RequestId,
    /// The error as JSON. Without one the entry is acknowledged; with one it stays pending.
    pub error: Option<&'a str>,
    /// Whether the error says that delivering the entry again is no use.
    pub unrecoverable: bool,
}

impl<'a> Settlement<'a> {
    /// A job that nobody waits for has ended.
    pub fn of(token: Token, error: Option<&'a str>) -> Self {
        Self { token, request: 0, error, unrecoverable: false }
    }
}

/// A job that was rejected for the last time.
type GivenUp = (u32, Found, Reason, String);

impl Consumer {
    /// Jobs have ended. Frees their slots, reads again and tells Redis, in one step. What was settled before, or
    /// ran past its deadline, is ignored.
    pub fn settle<'a>(&self, settlements: impl Iterator<Item = Settlement<'a>>) {
        let mut tells = Tells::new(self.bus.nodes().len());
        let mut reads = Reads::new();
        let mut late = Vec::new();
        let mut given_up: Vec<GivenUp> = Vec::new();
        let emptied = {
            let mut state = self.lock();
            let cut_off = state.cut_off;
            let mut jobs = Vec::new();
            let mut errors = Vec::new();
            for settlement in settlements {
                match self.begin_settling(&mut state, settlement) {
                    Some(settled) => {
                        if settlement.error.is_some() {
                            given_up.extend(self.reject(&mut state, &settlement, &mut tells));
                        }
                        jobs.push(settled);
                        errors.push(settlement.error);
                    }
                    None => late.push((settlement, cut_off)),
                }
            }
            let emptied = self.tell(&mut state, jobs, &errors, &mut tells);
            self.start_surplus(&mut state);
            self.tell_of_room(&state);
            self.arm(&mut state, &mut reads);
            emptied
        };
        for (node, commands) in self.bus.nodes().iter().zip(&mut tells.commands) {
            node.shared().submit(commands);
        }
        self.submit_reads(reads);
        for (stream, found, reason, error) in given_up {
            self.give_up(stream, found, reason, error);
        }
        for (settlement, cut_off) in late {
            self.answer_late(settlement, cut_off);
        }
        if emptied {
            self.drained();
        }
    }

    /// A running job gives its slot back although it goes on.
    pub fn release(&self, token: Token) {
        let emptied = {
            let mut state = self.lock();
            let emptied = state.slots.release(token) && state.slots.in_flight() == 0;
            self.tell_of_room(&state);
            emptied
        };
        if emptied {
            self.drained();
        }
        self.step();
    }

    /// A reply to what `settle` sent: the last of its batch, or an error.
    pub(super) fn settled(&self, kind: Kind, ticket: Ticket, error: Option<RedisError>) {
        let number = ticket.id as u32;
        let (ended, emptied) = {
            let mut state = self.lock();
            if let Some(error) = error {
                note_error(&mut state, kind, number, ticket.index & !LAST, &error);
            }
            if ticket.index & LAST == 0 {
                return;
            }
            let before = state.slots.in_flight();
            let ended = state.take_answered(number);
            for job in &ended {
                state.slots.retire(job.token);
            }
            (ended, before > 0 && state.slots.in_flight() == 0)
        };
        for job in &ended {
            self.report(job);
        }
        if emptied {
            self.drained();
        }
    }

    fn begin_settling(&self, state: &mut ConsumerState, settlement: Settlement<'_>) -> Option<Settled> {
        let Settlement { token, request, error, .. } = settlement;
        let stream = state.slots.running_job(token)?.stream;
        state.slots.settle(token);
        Some(Settled { token, stream, request, acknowledged: error.is_none(), error: None })
    }

    /// A job was rejected: either its entry is given up, or it is due again after a while.
    fn reject(
        &self,
        state: &mut ConsumerState,
        settlement: &Settlement<'_>,
        tells: &mut Tells,
    ) -> Option<GivenUp> {
        let slot = state.slots.job(settlement.token)?;
        let (stream, entry, deliveries) = (slot.stream, slot.entry, slot.deliveries.max(1));
        let options = &self.options;
        let is_last = deliveries >= options.retry_limit
            && (options.claim_interval.is_some() || options.dead_letter.is_some());
        if settlement.unrecoverable || is_last {
            let reason = if settlement.unrecoverable { Reason::Unrecoverable } else { Reason::Exhausted };
            let (owner, idle) = (options.id.clone(), Duration::ZERO);
            let pending = Pending { id: entry, owner, idle, deliveries };
            let key = &state.streams[stream as usize].key;
            let found = found_of(key, pending, slot.producer.clone(), slot.job.clone());
            return Some((stream, found, reason, settlement.error.unwrap_or_default().to_owned()));
        }
        let policy = options.retry_policy?;
        let idle = self.idle_for(state, stream, entry, policy.wait(deliveries, chance()));
        let stream = &state.streams[stream as usize];
        let names = (stream.key.as_str(), self.group.as_str(), options.id.as_str());
        let (commands, to) = (&mut tells.commands[stream.node], Destination::Nowhere);
        pack_claim(commands, names, 0, std::iter::once(&entry), Claim::Touch { idle }, to);
        None
    }

    /// Packs what Redis is told of `jobs` and remembers them until it has answered. `true` if nothing is in
    /// flight any more, which can be so at once if there was nothing to tell.
    fn tell(
        &self,
        state: &mut ConsumerState,
        jobs: Vec<Settled>,
        errors: &[Option<&str>],
        tells: &mut Tells,
    ) -> bool {
        let before = state.slots.in_flight();
        let has_producer =
            |job: &Settled| state.slots.job(job.token).is_some_and(|slot| !slot.producer.is_empty());
        let (published, rest): (Vec<usize>, Vec<usize>) =
            (0..jobs.len()).partition(|&at| has_producer(&jobs[at]));
        let mut streams: Vec<u32> = Vec::new();
        for job in jobs.iter().filter(|job| job.acknowledged) {
            if !streams.contains(&job.stream) {
                streams.push(job.stream);
            }
        }
        if published.is_empty() && streams.is_empty() {
            for at in rest {
                state.slots.retire(jobs[at].token);
                self.report(&jobs[at]);
            }
            return before > 0 && state.slots.in_flight() == 0;
        }
        let recorded: Vec<usize> =
            published.iter().copied().filter(|&at| is_recorded(state, &jobs[at])).collect();
        state.last_batch = state.last_batch.wrapping_add(1).max(1);
        let number = state.last_batch;
        for &at in &recorded {
            tells.expect(state.streams[jobs[at].stream as usize].node);
        }
        for &stream in &streams {
            tells.expect(state.streams[stream as usize].node);
        }
        for &at in &published {
            tells.expect(state.streams[jobs[at].stream as usize].completions);
        }
        // Who sees an entry acknowledged, or hears of it, finds the record.
        for &at in &recorded {
            let (commands, last) = tells.next(state.streams[jobs[at].stream as usize].node);
            let to = self.ticket(Kind::Published, number, at as u32, last);
            self.pack_record(state, commands, &jobs[at], errors[at], to);
        }
        for &stream in &streams {
            let (commands, last) = tells.next(state.streams[stream as usize].node);
            let to = self.ticket(Kind::Acknowledged, number, stream, last);
            self.pack_acknowledgement(state, commands, &jobs, stream, to);
        }
        for &at in &published {
            let (commands, last) = tells.next(state.streams[jobs[at].stream as usize].completions);
            let to = self.ticket(Kind::Published, number, at as u32, last);
            self.pack_notification(state, commands, &jobs[at], errors[at], to);
        }
        state.batches.push_back(Batch { number, unanswered: tells.answering, jobs });
        false
    }

    fn ticket(&self, kind: Kind, batch: u32, index: u32, last: bool) -> Destination {
        let index = if last { index | LAST } else { index };
        Destination::Sink(Ticket {
            kind: kind as u8,
            index,
            id: u64::from(self.number) << 32 | u64::from(batch),
        })
    }

    fn pack_acknowledgement(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        jobs: &[Settled],
        stream: u32,
        to: Destination,
    ) {
        let of_stream = || jobs.iter().filter(|job| job.acknowledged && job.stream == stream);
        let key = state.streams[stream as usize].key.as_bytes();
        commands.begin("XACK", 3 + of_stream().count()).key(key).arg(self.group.as_bytes());
        let mut id = String::new();
        for job in of_stream() {
            id.clear();
            if let Some(slot) = state.slots.job(job.token) {
                // Writing to a string cannot fail.
                let _ = write!(id, "{}", slot.entry);
            }
            commands.arg(id.as_bytes());
        }
        commands.end(to);
    }

    fn pack_notification(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        job: &Settled,
        error: Option<&str>,
        to: Destination,
    ) {
        let Some(slot) = state.slots.job(job.token) else { return };
        let stream = &state.streams[job.stream as usize];
        let mut message = String::with_capacity(stream.notification_head.len() + slot.job.len() + 8);
        notification::write(&mut message, &stream.notification_head, &slot.job, error);
        commands.begin("PUBLISH", 3).arg_parts(&[stream.channel_head.as_bytes(), slot.producer.as_bytes()]);
        commands.arg(message.as_bytes()).end(to);
    }

    fn pack_record(
        &self,
        state: &ConsumerState,
        commands: &mut Commands,
        job: &Settled,
        error: Option<&str>,
        to: Destination,
    ) {
        let Some(slot) = state.slots.job(job.token) else { return };
        let stream = &state.streams[job.stream as usize];
        let error = error.map(record::shortened);
        let mut message = String::new();
        notification::write(&mut message, &stream.notification_head, &slot.job, error.as_deref());
        let of = RecordOf { entry: slot.entry, stream: &stream.options.name, group: &self.options.group };
        let keys = self.bus.nodes()[stream.node].keys();
        record::pack_record(commands, keys, of, &message, slot.record, to);
    }

    fn report(&self, job: &Settled) {
        let host = &self.bus.context().host;
        match (&job.error, job.request) {
            (Some(error), 0) => self.unsettled(job.token, error),
            (Some(error), request) => {
                host.event(Event::Failed { request, error });
                host.event(Event::Done { request });
            }
            (None, 0) => {}
            (None, request) => host.event(Event::Done { request }),
        }
    }

    /// Settling what is settled already does nothing; settling after the consumer was cut off cannot be done.
    fn answer_late(&self, settlement: Settlement<'_>, cut_off: bool) {
        let Settlement { token, request, .. } = settlement;
        let error = cut_off.then(|| closed().of("XACK"));
        self.report(&Settled { token, stream: 0, request, acknowledged: false, error });
        self.bus.context().host.wake();
    }

    /// The last job in flight has ended.
    pub(super) fn drained(&self) {
        let host = &self.bus.context().host;
        host.event(Event::Drained { consumer: self.number });
        self.tell_of_quiet();
        host.wake();
    }

    /// Tells those who wait for it, if there is quiet now.
    pub(super) fn tell_of_quiet(&self) {
        let waiting = self.lock().quiet_waiters();
        for waiter in waiting {
            // Who waited may have given up meanwhile.
            let _ = waiter.send(());
        }
    }
}

/// What one burst of settlements tells each node.
struct Tells {
    commands: Vec<Commands>,
    /// How many commands with a reply are still to come for each node.
    expected: Vec<usize>,
    /// How many nodes give a last reply.
    answering: usize,
}

impl Tells {
    fn new(nodes: usize) -> Self {
        Self {
            commands: (0..nodes).map(|_| Commands::default()).collect(),
            expected: vec![0; nodes],
            answering: 0,
        }
    }

    fn expect(&mut self, node: usize) {
        self.answering += usize::from(self.expected[node] == 0);
        self.expected[node] += 1;
    }

    /// Where the next command for a node goes, and whether it is the last one.
    fn next(&mut self, node: usize) -> (&mut Commands, bool) {
        self.expected[node] -= 1;
        (&mut self.commands[node], self.expected[node] == 0)
    }
}

fn is_recorded(state: &ConsumerState, job: &Settled) -> bool {
    state.slots.job(job.token).is_some_and(|slot| slot.record > 0)
}

fn note_error(state: &mut ConsumerState, kind: Kind, number: u32, index: u32, error: &RedisError) {
    let Some(batch) = state.batches.iter_mut().find(|batch| batch.number == number) else { return };
    for (at, job) in batch.jobs.iter_mut().enumerate() {
        let concerned = match kind {
            Kind::Acknowledged => job.acknowledged && job.stream == index,
            _ => at as u32 == index,
        };
        if concerned && job.error.is_none() {
            job.error = Some(error.clone());
        }
    }
}
