//! Events that wait for JavaScript, in packets.
//!
//! A blocked event loop takes nothing while completions still arrive. Concurrency bounds jobs, and pending waits bound
//! outcomes, so both are always kept. Nothing bounds events for listeners. Their number and size are limited, and the
//! rest is counted.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::host::Event;
use crate::engine::host::job_token::JobToken;

use super::event_writer::EventWriter;

/// Maximum number of waiting events for listeners.
const MOST_EVENTS: usize = 250_000;
/// Maximum size of waiting events for listeners, in bytes.
const MOST_BYTES: usize = 64 * 1_024 * 1_024;
/// Size of text after which a new packet begins, in bytes. A string of JavaScript holds about 512 MiB.
const LARGEST_TEXT: usize = 64 * 1_024 * 1_024;

/// Packets in the order in which they were written.
#[derive(Default)]
pub struct EventBuffer {
    full: VecDeque<EventWriter>,
    writing: EventWriter,
    /// Number of waiting events for listeners, in all packets.
    events: usize,
    bytes: usize,
    /// Number of dropped events since the last packet was taken, by producer.
    dropped: BTreeMap<u32, u64>,
}

impl EventBuffer {
    /// Returns true if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.writing.is_empty()
    }

    /// Returns true if a packet is complete.
    pub fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Size of the waiting events, in bytes. A complete packet counts as the largest.
    pub fn size(&self) -> usize {
        if self.has_full() { LARGEST_TEXT } else { self.writing.size() }
    }

    /// Adds jobs.
    pub fn jobs(&mut self, consumer: u32, stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>) {
        self.writing.jobs(consumer, stream, jobs);
        self.turn_over();
    }

    /// Adds an event, or counts it as dropped at the limit.
    pub fn event(&mut self, event: Event<'_>) {
        if let Some((producer, size)) = listened_to(&event) {
            if self.events >= MOST_EVENTS || self.bytes + size > MOST_BYTES {
                *self.dropped.entry(producer).or_default() += 1;
                return;
            }
            self.events += 1;
            self.bytes += size;
        }
        self.writing.event(event);
        self.turn_over();
    }

    /// Returns the oldest packet. `spare` becomes a packet later. The last packet reports dropped events.
    pub fn take(&mut self, spare: EventWriter) -> EventWriter {
        if let Some(oldest) = self.full.pop_front() {
            return oldest;
        }
        (self.events, self.bytes) = (0, 0);
        for (producer, count) in std::mem::take(&mut self.dropped) {
            self.writing.dropped(producer, count);
        }
        std::mem::replace(&mut self.writing, spare)
    }

    fn turn_over(&mut self) {
        if self.writing.text.len() > LARGEST_TEXT {
            self.full.push_back(std::mem::take(&mut self.writing));
        }
    }
}

/// Returns the producer and size of an event that can be dropped, or `None`.
fn listened_to(event: &Event<'_>) -> Option<(u32, usize)> {
    match event {
        Event::CompletionReceived { producer, stream, job, group, error } => {
            let size = stream.len() + job.len() + group.len() + error.map_or(0, str::len);
            Some((*producer, size))
        }
        Event::Unreadable { producer, channel, message } => Some((*producer, channel.len() + message.len())),
        Event::ChunksPublished { listener, channel, message } => {
            Some((*listener, channel.len() + message.len()))
        }
        _ => None,
    }
}
