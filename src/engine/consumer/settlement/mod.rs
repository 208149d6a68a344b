//! Jobs end: their slots are free again, and Redis is told in one write what there is to tell.

pub mod commands;
pub mod failure_reports;
pub mod retry;
pub mod unheard_failures;

use std::time::{Duration, Instant};

use crate::redis_io::command::ReplyTag;
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Reply;

use crate::engine::connections::client::closed;
use crate::engine::consumer::claiming::claim::found_of;
use crate::engine::consumer::dead_lettering::retry_limit::GivenUp;
use crate::engine::consumer::settlement::commands::Tells;
use crate::engine::consumer::state::settlement_batch::{Parts, Settled};
use crate::engine::consumer::state::{ConsumerState, Parked};
use crate::engine::consumer::{Consumer, Reads};
use crate::engine::host::job_token::JobToken;
use crate::engine::host::{Event, RequestId};
use crate::engine::nodes::reply_router::ReplyHandler;
use crate::engine::protocol::dead_letter::Reason;
use crate::engine::protocol::outcome_record::shortened;
use crate::engine::protocol::pending_entries::Pending;
use crate::engine::protocol::reply_tag::{Kind, LAST, Part, is_significant, is_unheard_failure};
use crate::engine::runtime::backoff::chance;

/// How one job ended.
#[derive(Clone, Copy, Debug)]
pub struct Settlement<'a> {
    /// The job.
    pub token: JobToken,
    /// Who waits for Redis' reply; 0 is nobody.
    pub request: RequestId,
    /// The error as JSON. Without one the entry is acknowledged; with one it stays pending.
    pub error: Option<&'a str>,
    /// Whether the error says that delivering the entry again is no use.
    pub unrecoverable: bool,
    /// Whether it was ended by its deadline.
    pub expired: bool,
}

impl<'a> Settlement<'a> {
    /// A job that nobody waits for has ended.
    pub fn of(token: JobToken, error: Option<&'a str>) -> Self {
        Self { token, request: 0, error, unrecoverable: false, expired: false }
    }
}

impl Consumer {
    /// Jobs have ended. Frees their slots, reads again and tells Redis, in one step. What was settled before, or
    /// ran past its deadline, is ignored.
    pub fn settle<'a>(&self, settlements: impl Iterator<Item = Settlement<'a>>) {
        let mut tells = Tells::new(&self.node_set);
        let mut reads = Reads::new();
        let mut late = Vec::new();
        let mut given_up: Vec<GivenUp> = Vec::new();
        let (ended, emptied) = {
            let mut state = self.lock();
            let cut_off = state.cut_off;
            let mut jobs = Vec::new();
            for settlement in settlements {
                match self.begin_settling(&mut state, settlement) {
                    Some(mut settled) => {
                        if settlement.error.is_some() {
                            given_up.extend(self.reject(&mut state, &settlement, &mut settled));
                        }
                        jobs.push(settled);
                    }
                    None => late.push((settlement, cut_off)),
                }
            }
            let ended = self.tell(&mut state, jobs, &mut tells).err().unwrap_or_default();
            let emptied = retire(&mut state, &ended);
            self.start_surplus(&mut state);
            self.tell_of_room(&state);
            self.arm(&mut state, &mut reads);
            (ended, emptied)
        };
        tells.join(self, &mut reads);
        tells.submit(&self.node_set);
        self.submit_reads(reads);
        for one in given_up {
            self.give_up(one);
        }
        self.report(&ended);
        for (settlement, cut_off) in late {
            self.answer_late(settlement, cut_off);
        }
        if emptied {
            self.drained();
        }
    }

    /// A running job gives its slot back although it goes on.
    pub fn release(&self, token: JobToken) {
        let emptied = {
            let mut state = self.lock();
            let released = state.slots.release(token);
            state.counts.released += u64::from(released);
            let emptied = released && state.slots.in_flight() == 0;
            self.tell_of_room(&state);
            emptied
        };
        if emptied {
            self.drained();
        }
        self.step();
    }

    fn settled(&self, part: Part, ticket: ReplyTag, error: Option<RedisError>) {
        let number = ticket.id as u32;
        let (ended, emptied) = {
            let mut state = self.lock();
            if let Some(error) = error {
                let batch = state.batches.iter_mut().find(|batch| batch.number == number);
                batch.into_iter().for_each(|batch| batch.note(part, &error));
            }
            if ticket.index & LAST == 0 {
                return;
            }
            let Some(jobs) = state.take_answered(number) else { return };
            let ended = self.keep_refused(&mut state, number, jobs);
            let emptied = retire(&mut state, &ended);
            (ended, emptied)
        };
        self.report(&ended);
        if emptied {
            self.drained();
        }
    }

    fn begin_settling(&self, state: &mut ConsumerState, settlement: Settlement<'_>) -> Option<Settled> {
        let Settlement { token, request, error, expired, .. } = settlement;
        let slot = state.slots.running_job(token)?;
        let (stream, is_heard, is_recorded) = (slot.stream, !slot.producer.is_empty(), slot.record > 0);
        state.slots.settle(token);
        match error {
            Some(_) => state.counts.rejected += 1,
            None => state.counts.resolved += 1,
        }
        state.counts.expired += u64::from(expired);
        let owed = Parts {
            postponement: false,
            record: is_heard && is_recorded,
            acknowledgement: error.is_none(),
            notification: is_heard,
        };
        let failure = error.filter(|_| is_heard).map(|error| Box::from(shortened(error)));
        Some(Settled { failure, owed, ..Settled::new(token, stream, request) })
    }

    /// A job was rejected: either its entry is given up, or it is due again after a while.
    fn reject(
        &self,
        state: &mut ConsumerState,
        settlement: &Settlement<'_>,
        settled: &mut Settled,
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
            let error = shortened(settlement.error.unwrap_or_default()).into_owned();
            let min_idle = Some(self.min_idle(slot.touched())).filter(|&min_idle| min_idle > 0);
            state.giving_up += 1;
            return Some(GivenUp { stream: stream as usize, found, reason, error, min_idle });
        }
        let due = Instant::now().checked_add(options.retry_policy?.wait(deliveries, chance()))?;
        let touched = slot.touched();
        self.park(state, Parked { stream, entry, due, touched });
        settled.due = Some(due);
        settled.owed.postponement = true;
        None
    }

    /// Says of jobs what came of telling Redis.
    pub(crate) fn report(&self, jobs: &[Settled]) {
        let host = &self.node_set.context().host;
        let refused = jobs.iter().filter(|job| job.error.is_some()).count();
        if refused > 0 {
            self.lock().counts.unsettled += refused as u64;
        }
        for job in jobs {
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
    }

    /// Settling what is settled already does nothing; settling after the consumer was cut off cannot be done.
    fn answer_late(&self, settlement: Settlement<'_>, cut_off: bool) {
        let Settlement { token, request, .. } = settlement;
        let error = cut_off.then(|| closed().of("XACK"));
        self.report(&[Settled { error, ..Settled::new(token, 0, request) }]);
        self.node_set.context().host.wake();
    }

    /// The last job in flight has ended.
    pub(crate) fn drained(&self) {
        let host = &self.node_set.context().host;
        host.event(Event::Drained { consumer: self.number });
        self.tell_of_quiet();
        host.wake();
    }

    /// Tells those who wait for it, if there is quiet now.
    pub(crate) fn tell_of_quiet(&self) {
        let waiting = self.lock().quiet_waiters();
        for waiter in waiting {
            // Who waited may have given up meanwhile.
            let _ = waiter.send(());
        }
    }
}

/// Nothing more is to be told of jobs; whether nothing is in flight any more since then.
fn retire(state: &mut ConsumerState, jobs: &[Settled]) -> bool {
    let before = state.slots.in_flight();
    for job in jobs {
        state.slots.retire(job.token);
    }
    before > 0 && state.slots.in_flight() == 0
}

impl ReplyHandler for Consumer {
    fn on_reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        if let Some(part) = Kind::part(ticket).filter(|_| is_significant(ticket, &outcome)) {
            if is_unheard_failure(ticket, &outcome) {
                self.keep_unheard(ticket);
            }
            self.settled(part, ticket, outcome.err());
        }
    }
}
