//! Reports of the engine, which wait for JavaScript in the queue of their process.

use hfxbus::engine::host::job_token::JobToken;
use hfxbus::engine::host::{self, Events, Failure, GroupCompletion, Jobs, Payload, PendingJob};
use hfxbus::redis_io::error::RedisError;

use super::NODES;
use super::board::{ANSWER, KEY, job_of, value_of};
use super::host::{Host, Incoming};
use crate::history::{Event, Value};
use crate::scenario::Scenario;
use crate::trace;

impl Jobs for Host {
    fn jobs(&self, consumer: u32, _stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>) {
        for (token, job) in jobs {
            if let Some(job) = job_of(job) {
                self.push(Incoming::Job(consumer, token, job, trace::now()));
            }
        }
        self.bell.notify_one();
    }
}

impl Events for Host {
    fn event(&self, event: host::Event<'_>) {
        let incoming = match event {
            host::Event::Done { request } => Incoming::Done(request),
            host::Event::Failed { request, error } => Incoming::Failed(request, error.message.to_string()),
            host::Event::Value { request, index, payload } => {
                Incoming::Value(request, self.compare(index, &payload))
            }
            host::Event::Outcome { wait, arrivals } => {
                arrivals.iter().for_each(|arrival| self.push(Incoming::Note(outcome_of(wait, arrival))));
                Incoming::Note(Event::Finished { job: wait })
            }
            host::Event::Abandoned { wait } => Incoming::Note(Event::Abandoned { job: wait }),
            host::Event::Carried { consumer, token, carried } => {
                // An entry without values can name the keys that its completion returns.
                let value = carried.values.iter().find(|(key, _)| **key == *KEY);
                let Some((_, value)) = value else { return };
                Incoming::Carried(consumer, token, value.to_vec())
            }
            host::Event::Prefetched { consumer, token, key, payload } if key == KEY => {
                Incoming::Prefetched(consumer, token, payload.to_vec())
            }
            host::Event::DeadlinePassed { consumer, token } => Incoming::Deadline(consumer, token),
            host::Event::Claimed { consumer, entry } => claimed(consumer, entry),
            host::Event::Exhausted { consumer, entry, moved } => exhausted(consumer, entry, moved),
            host::Event::Trimmed { consumer, stream, count, pending } => {
                Incoming::Note(Event::Trimmed { consumer, stream, count, pending })
            }
            host::Event::ConsumerFailed { consumer, failure, error } => failed(consumer, failure, error),
            host::Event::RingChanged { node, is_out, .. } => {
                let (process, port) = (node / NODES, Scenario::port((node % NODES) as u16));
                Incoming::Note(Event::Ring { process, port, is_out })
            }
            _ => return,
        };
        self.push(incoming);
    }

    fn wake(&self) {
        self.bell.notify_one();
    }
}

impl Host {
    /// Compares the value of a job's key with the one that was sent. The index of the request is the job.
    fn compare(&self, job: u32, payload: &Payload<'_>) -> Value {
        let sent = self.board.sends.get(&job).map(|send| value_of(job, send.payload.size()));
        match payload {
            Payload::Missing => Value::Missing,
            Payload::Bytes(bytes) | Payload::Text(bytes) if Some(*bytes) == sent.as_deref() => Value::Right,
            _ => Value::Wrong,
        }
    }
}

fn outcome_of(job: u32, arrival: &GroupCompletion) -> Event {
    let group = arrival.group.strip_prefix('g').and_then(|group| group.parse().ok());
    let (group, error) = (group.unwrap_or(usize::MAX), arrival.error.clone());
    let answer = arrival.answer.as_ref().and_then(|values| {
        let (_, value) = values.iter().find(|(key, _)| key == ANSWER)?;
        Some(String::from_utf8_lossy(value).into_owned())
    });
    Event::Outcome { job, group, error, answer }
}

fn claimed(consumer: u32, entry: &PendingJob) -> Incoming {
    Incoming::Note(Event::Claimed {
        consumer,
        job: job_of(&entry.job).unwrap_or(0),
        entry: entry.id.to_string(),
        deliveries: entry.deliveries,
    })
}

fn exhausted(consumer: u32, entry: &PendingJob, moved: bool) -> Incoming {
    Incoming::Note(Event::Exhausted {
        consumer,
        job: job_of(&entry.job).unwrap_or(0),
        entry: entry.id.to_string(),
        moved,
        reported: trace::now(),
    })
}

fn failed(consumer: u32, failure: Failure, error: &RedisError) -> Incoming {
    let what = match failure {
        Failure::Consume => "consume",
        Failure::Settle(_) | Failure::Unsettled(_) => "settle",
        Failure::Foreign => "foreign",
    };
    Incoming::Note(Event::Failed { consumer, error: format!("{what}: {}", error.message) })
}
