//! Tells Redis how jobs ended: one XACK per stream and burst, a PUBLISH for each producer that is told, all in one
//! write.

use std::fmt::Write;

use crate::redis_io::command::{Commands, Destination, Ticket};
use crate::redis_io::error::RedisError;

use super::client::closed;
use super::consumer::{Consumer, Reads};
use super::consumer_state::{Batch, ConsumerState, Settled};
use super::host::{Event, Failure, RequestId};
use super::notification;
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
}

impl Consumer {
    /// Jobs have ended. Frees their slots, reads again and tells Redis, in one step. What was settled before, or
    /// ran past its deadline, is ignored.
    pub fn settle<'a>(&self, settlements: impl Iterator<Item = Settlement<'a>>) {
        let mut tells = Tells::new(self.bus.nodes().len());
        let mut reads = Reads::new();
        let mut late = Vec::new();
        let emptied = {
            let mut state = self.lock();
            let cut_off = state.cut_off;
            let mut jobs = Vec::new();
            let mut errors = Vec::new();
            for settlement in settlements {
                match self.begin_settling(&mut state, settlement) {
                    Some(settled) => {
                        jobs.push(settled);
                        errors.push(settlement.error);
                    }
                    None => late.push((settlement, cut_off)),
                }
            }
            let emptied = self.tell(&mut state, jobs, &errors, &mut tells);
            self.start_surplus(&mut state);
            self.arm(&mut state, &mut reads);
            emptied
        };
        for (node, commands) in self.bus.nodes().iter().zip(&mut tells.commands) {
            node.shared().submit(commands);
        }
        self.submit_reads(reads);
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
            state.slots.release(token) && state.slots.in_flight() == 0
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
        let Settlement { token, request, error } = settlement;
        let stream = state.slots.running_job(token)?.stream;
        state.slots.settle(token);
        Some(Settled { token, stream, request, acknowledged: error.is_none(), error: None })
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
        state.last_batch = state.last_batch.wrapping_add(1).max(1);
        let number = state.last_batch;
        for &stream in &streams {
            tells.expect(state.streams[stream as usize].node);
        }
        for &at in &published {
            tells.expect(state.streams[jobs[at].stream as usize].completions);
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
        state.batches.push_back(Batch { number, unanswered: tells.nodes(), jobs });
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

    fn report(&self, job: &Settled) {
        let host = &self.bus.context().host;
        match (&job.error, job.request) {
            (Some(error), 0) => self.complain(Failure::Settle(job.token), error),
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
        let waiting = self.lock().quiet_waiters();
        for waiter in waiting {
            // Who waited may have given up meanwhile.
            let _ = waiter.send(());
        }
        host.wake();
    }
}

/// What one burst of settlements tells each node.
struct Tells {
    commands: Vec<Commands>,
    /// How many commands are still to come for each node.
    expected: Vec<usize>,
}

impl Tells {
    fn new(nodes: usize) -> Self {
        Self { commands: (0..nodes).map(|_| Commands::default()).collect(), expected: vec![0; nodes] }
    }

    fn expect(&mut self, node: usize) {
        self.expected[node] += 1;
    }

    /// Where the next command for a node goes, and whether it is the last one.
    fn next(&mut self, node: usize) -> (&mut Commands, bool) {
        self.expected[node] -= 1;
        (&mut self.commands[node], self.expected[node] == 0)
    }

    /// How many nodes are told something.
    fn nodes(&self) -> usize {
        self.commands.iter().filter(|commands| !commands.is_empty()).count()
    }
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
