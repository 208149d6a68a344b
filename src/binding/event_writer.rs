//! Writes the packets for the facade: numbers, one text that all strings are joined into, bytes and blobs.

use crate::engine::host::job_token::JobToken;
use crate::engine::host::{Event, Failure, GroupCompletion, Payload, PendingJob, Retry};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::LinkState;
use crate::redis_io::options::Endpoint;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::carried_payload::CarriedPayload;

use super::operation::{Report, ValueKind};

/// Maximum size of payloads that share one buffer per packet, in bytes. A larger payload gets a buffer of its own, so
/// that it does not keep others in memory.
const SHARED_UP_TO: usize = 1_024;

/// Largest number up to which every integer has its own value in JavaScript.
const LARGEST_EXACT: u64 = (1 << 53) - 1;

/// Capacity that a packet keeps from one use to the next.
const KEPT_CAPACITY: usize = 64 * 1_024;

/// A packet that is being written.
#[derive(Default)]
pub struct EventWriter {
    /// The numbers.
    pub numbers: Vec<f64>,
    /// All strings, joined.
    pub text: String,
    /// Small payloads, joined.
    pub bytes: Vec<u8>,
    /// Other payloads.
    pub blobs: Vec<Vec<u8>>,
    /// Last written error, since many in a row have the same reason.
    error: Option<RedisError>,
}

impl EventWriter {
    /// Returns true if the packet is empty.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Number of bytes that JavaScript must read.
    pub fn size(&self) -> usize {
        let blobs: usize = self.blobs.iter().map(Vec::len).sum();
        size_of_val(self.numbers.as_slice()) + self.text.len() + self.bytes.len() + blobs
    }

    /// Empties the packet for its next use, and frees capacity from a burst of large payloads.
    pub fn reuse(&mut self) {
        self.numbers.clear();
        self.text.clear();
        self.bytes.clear();
        self.blobs.clear();
        self.error = None;
        self.numbers.shrink_to(KEPT_CAPACITY);
        self.text.shrink_to(KEPT_CAPACITY);
        self.bytes.shrink_to(KEPT_CAPACITY);
    }

    /// Writes jobs.
    pub fn jobs(&mut self, consumer: u32, stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>) {
        self.report(Report::Jobs, &[f64::from(consumer), f64::from(stream), 0.0]);
        let count = self.numbers.len() - 1;
        for (token, job) in jobs {
            self.numbers.push(token.to_number());
            self.push_text(job);
            self.numbers[count] += 1.0;
        }
    }

    /// Writes an event.
    pub fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Done { request } => self.report(Report::Done, &[f64::from(request)]),
            Event::Failed { request, error } => {
                self.report(Report::Failed, &[f64::from(request)]);
                self.push_error(error);
            }
            Event::Value { request, index, payload } => {
                self.payload(f64::from(request), f64::from(index), payload)
            }
            Event::Called { request, index, value } => {
                self.report(Report::Called, &[f64::from(request), f64::from(index)]);
                self.push_value(value);
            }
            Event::CallFailed { request, index, error } => {
                self.report(Report::CallFailed, &[f64::from(request), f64::from(index)]);
                self.push_error(error);
            }
            Event::Outcome { wait, arrivals } => self.outcome(f64::from(wait), arrivals),
            Event::Abandoned { wait } => self.report(Report::Abandoned, &[f64::from(wait)]),
            Event::CompletionReceived { producer, stream, job, group, error } => {
                self.report(Report::Heard, &[f64::from(producer)]);
                self.push_text(stream);
                self.push_text(job);
                self.push_text(group);
                self.push_optional(error);
            }
            Event::Unreadable { producer, channel, message } => {
                self.report(Report::Unreadable, &[f64::from(producer)]);
                self.push_text(&String::from_utf8_lossy(channel));
                self.push_text(&String::from_utf8_lossy(message));
            }
            Event::ChunksPublished { listener, channel, message } => {
                self.report(Report::ChunksPublished, &[f64::from(listener)]);
                self.push_text(&String::from_utf8_lossy(channel));
                self.push_bulk(message);
            }
            Event::ChunksMissed { listener, node } => {
                self.report(Report::ChunksMissed, &[f64::from(listener), f64::from(node)]);
            }
            Event::Prefetched { consumer, token, key, payload } => {
                self.report(Report::Prefetched, &[f64::from(consumer), token.to_number()]);
                self.push_text(key);
                self.push_bulk(payload);
            }
            Event::Headers { consumer, token, headers } => {
                self.report(Report::Headers, &[f64::from(consumer), token.to_number()]);
                self.push_text(headers);
            }
            Event::Carried { consumer, token, carried } => self.carried(f64::from(consumer), token, carried),
            other => self.write_uncommon(other),
        }
    }

    /// Writes the number of dropped events of a producer.
    pub fn dropped(&mut self, producer: u32, count: u64) {
        self.report(Report::EventsDropped, &[f64::from(producer), count as f64]);
    }

    fn write_uncommon(&mut self, event: Event<'_>) {
        match event {
            Event::ConsumerFailed { consumer, failure, error } => {
                let (kind, token) = failure_numbers(failure);
                self.report(Report::ConsumerFailed, &[f64::from(consumer), kind, token]);
                self.push_error(error);
            }
            Event::DeadlinePassed { consumer, token } => {
                self.report(Report::DeadlinePassed, &[f64::from(consumer), token.to_number()]);
            }
            Event::Owned { consumer, stream, fence } => {
                self.report(Report::Owned, &[f64::from(consumer), f64::from(stream), fence as f64]);
            }
            Event::Drained { consumer } => self.report(Report::Drained, &[f64::from(consumer)]),
            Event::RetryAsked { node, question, retry, attempt } => {
                let retry = match retry {
                    Retry::Connection => 0.0,
                    Retry::Sentinels => 1.0,
                };
                let numbers = [f64::from(node), f64::from(question), retry, f64::from(attempt)];
                self.report(Report::RetryAsked, &numbers);
            }
            Event::ReconnectAsked { node, question, error } => {
                self.report(Report::ReconnectAsked, &[f64::from(node), f64::from(question)]);
                self.push_error(error);
            }
            Event::LinkChanged { client, state, error } => {
                self.report(Report::LinkChanged, &[f64::from(client)]);
                self.push_text(state_name(state));
                self.push_cause(error);
            }
            Event::NodeChanged { node, state, place, error } => {
                self.report(Report::NodeChanged, &[f64::from(node)]);
                self.push_text(state_name(state));
                self.push_text(place);
                self.push_cause(error);
            }
            Event::ProducerFailed { producer, error } => {
                self.report(Report::ProducerFailed, &[f64::from(producer)]);
                self.push_error(error);
            }
            Event::LinksChanged => self.report(Report::LinksChanged, &[]),
            Event::Claimed { consumer, entry } => {
                self.report(Report::Claimed, &[f64::from(consumer)]);
                self.push_found(entry);
            }
            Event::Exhausted { consumer, entry, moved } => {
                self.report(Report::Exhausted, &[f64::from(consumer), f64::from(u8::from(moved))]);
                self.push_found(entry);
            }
            Event::Trimmed { consumer, stream, count, pending } => {
                let numbers =
                    [f64::from(consumer), f64::from(stream), count as f64, f64::from(u8::from(pending))];
                self.report(Report::Trimmed, &numbers);
            }
            Event::Removed { consumer, stream, names } => {
                let numbers = [f64::from(consumer), f64::from(stream), names.len() as f64];
                self.report(Report::Removed, &numbers);
                names.iter().for_each(|name| self.push_text(name));
            }
            Event::RingChanged { node, is_out, failures, endpoint, error } => {
                let (port, place) = match endpoint {
                    Endpoint::Tcp { host, port, .. } => (f64::from(*port), host),
                    Endpoint::Unix(path) => (-1.0, path),
                };
                let is_out = if is_out { 1.0 } else { 0.0 };
                self.report(Report::RingChanged, &[f64::from(node), is_out, f64::from(failures), port]);
                self.push_text(place);
                self.push_error(error);
            }
            _ => {}
        }
    }

    fn payload(&mut self, request: f64, index: f64, payload: Payload<'_>) {
        match payload {
            Payload::Missing => self.report(Report::Missing, &[request, index]),
            Payload::Text(bytes) => {
                self.report(Report::Text, &[request, index]);
                self.push_text(&String::from_utf8_lossy(bytes));
            }
            Payload::Bytes(bytes) if bytes.len() <= SHARED_UP_TO => {
                let (offset, length) = (self.bytes.len() as f64, bytes.len() as f64);
                self.report(Report::Bytes, &[request, index, offset, length]);
                self.bytes.extend_from_slice(bytes);
            }
            Payload::Bytes(bytes) => {
                self.report(Report::Blob, &[request, index, self.blobs.len() as f64]);
                self.blobs.push(bytes.to_vec());
            }
        }
    }

    fn outcome(&mut self, wait: f64, arrivals: &[GroupCompletion]) {
        self.report(Report::Outcome, &[wait, arrivals.len() as f64]);
        for arrival in arrivals {
            self.numbers.push(arrival.at);
            self.push_text(&arrival.group);
            self.push_optional(arrival.error.as_deref());
            self.numbers.push(arrival.answer.as_ref().map_or(-1.0, |answer| answer.len() as f64));
            for (key, value) in arrival.answer.iter().flatten() {
                self.push_text(key);
                self.push_payload(value);
            }
        }
    }

    fn carried(&mut self, consumer: f64, token: JobToken, carried: &CarriedPayload) {
        let has_key = carried.order_key.is_some();
        let flags = f64::from(u8::from(carried.is_only_copy) | u8::from(has_key) << 1);
        self.report(Report::Carried, &[consumer, token.to_number(), flags]);
        self.push_optional(carried.returns.as_deref());
        if let Some(key) = &carried.order_key {
            self.push_text(key);
        }
        self.numbers.push(carried.values.len() as f64);
        for (key, value) in &carried.values {
            self.push_text(key);
            self.push_payload(value);
        }
    }

    fn report(&mut self, report: Report, numbers: &[f64]) {
        self.numbers.push(f64::from(report as u8));
        self.numbers.extend_from_slice(numbers);
    }

    fn push_text(&mut self, text: &str) {
        let units = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
        self.numbers.push(units as f64);
        self.text.push_str(text);
    }

    fn push_optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.push_text(text),
            None => self.numbers.push(-1.0),
        }
    }

    fn push_found(&mut self, entry: &PendingJob) {
        self.numbers.extend([entry.idle.as_millis() as f64, entry.deliveries as f64]);
        self.push_text(&entry.id.to_string());
        for text in [&entry.owner, &entry.stream, &entry.producer, &entry.job] {
            self.push_text(text);
        }
    }

    /// Writes as [`EventWriter::push_reason`], or -1 for the reason before it in the packet.
    fn push_error(&mut self, error: &RedisError) {
        if self.error.as_ref() == Some(error) {
            self.numbers.push(-1.0);
            return;
        }
        self.error = Some(error.clone());
        self.push_reason(error);
    }

    /// `kind¶, code¶ or -1, message¶, command¶ or -1, node¶, hasCause`, and then the same of the cause.
    fn push_reason(&mut self, error: &RedisError) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.push_text(kind_name(error.kind));
            self.push_optional(error.code.as_deref());
            self.push_text(&error.message);
            self.push_optional(error.command);
            self.push_text(&error.node);
            next = error.cause.as_deref();
            self.numbers.push(if next.is_some() { 1.0 } else { 0.0 });
        }
    }

    /// Writes a flag for an error, then the error.
    fn push_cause(&mut self, error: Option<&RedisError>) {
        self.numbers.push(if error.is_some() { 1.0 } else { 0.0 });
        if let Some(error) = error {
            self.push_error(error);
        }
    }

    /// Writes a nested value with a stack instead of recursion.
    fn push_value(&mut self, value: &Value) {
        let mut waiting = vec![value];
        while let Some(value) = waiting.pop() {
            match value {
                Value::Nil => self.numbers.push(f64::from(ValueKind::Nil as u8)),
                Value::Simple(text) => self.push_kind_text(ValueKind::Simple, text),
                Value::Error(text) => self.push_kind_text(ValueKind::Error, text),
                Value::Integer(number) if number.unsigned_abs() > LARGEST_EXACT => {
                    self.push_kind_text(ValueKind::Large, &number.to_string());
                }
                Value::Integer(number) => {
                    self.numbers.extend([f64::from(ValueKind::Integer as u8), *number as f64]);
                }
                Value::Bulk(bytes) => self.push_bulk(bytes),
                Value::Array(values) => {
                    self.numbers.extend([f64::from(ValueKind::Array as u8), values.len() as f64]);
                    waiting.extend(values.iter().rev());
                }
            }
        }
    }

    /// Writes a value as text where it is one, since texts take no buffer of their own.
    fn push_payload(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push_kind_text(ValueKind::Simple, text),
            Err(_) => self.push_bulk(bytes),
        }
    }

    fn push_bulk(&mut self, bytes: &[u8]) {
        if bytes.len() <= SHARED_UP_TO {
            let (offset, length) = (self.bytes.len() as f64, bytes.len() as f64);
            self.numbers.extend([f64::from(ValueKind::Bytes as u8), offset, length]);
            self.bytes.extend_from_slice(bytes);
        } else {
            self.numbers.extend([f64::from(ValueKind::Blob as u8), self.blobs.len() as f64]);
            self.blobs.push(bytes.to_vec());
        }
    }

    fn push_kind_text(&mut self, kind: ValueKind, text: &str) {
        self.numbers.push(f64::from(kind as u8));
        self.push_text(text);
    }
}

fn failure_numbers(failure: Failure) -> (f64, f64) {
    match failure {
        Failure::Consume => (0.0, 0.0),
        Failure::Settle(token) => (1.0, token.to_number()),
        Failure::Foreign => (2.0, 0.0),
        Failure::Unsettled(count) => (3.0, f64::from(count)),
    }
}

fn kind_name(kind: RedisErrorKind) -> &'static str {
    match kind {
        RedisErrorKind::Reply => "reply",
        RedisErrorKind::Closed => "closed",
        RedisErrorKind::Dropped => "dropped",
        RedisErrorKind::MaxRetries => "maxRetries",
        RedisErrorKind::NotReady => "notReady",
        RedisErrorKind::QueueFull => "queueFull",
        RedisErrorKind::RequestTooLarge => "requestTooLarge",
        RedisErrorKind::Timeout => "timeout",
        RedisErrorKind::Connect => "connect",
        RedisErrorKind::Tls => "tls",
        RedisErrorKind::Protocol => "protocol",
        RedisErrorKind::Ejected => "ejected",
        RedisErrorKind::Fenced => "fenced",
    }
}

/// Returns the name that ioredis has for a state.
pub fn state_name(state: LinkState) -> &'static str {
    match state {
        LinkState::Wait => "wait",
        LinkState::Connecting => "connecting",
        LinkState::Connect => "connect",
        LinkState::Ready => "ready",
        LinkState::Close => "close",
        LinkState::Reconnecting => "reconnecting",
        LinkState::End => "end",
    }
}
