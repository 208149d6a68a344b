//! Waiting entries of a consumer with fair dispatch, with the limits of their streams. Pure.

use crate::redis_io::streams::carried_payload::CarriedPayload;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashSet;

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::fair_dispatch::schedule::FairSchedule;
use crate::engine::consumer::state::stream::StreamState;
use crate::engine::options::consumer::StreamOptions;

/// Waiting entries of a consumer with fair dispatch.
#[derive(Debug, Default)]
pub struct FairDispatch {
    /// The entries by key.
    pub schedule: FairSchedule<BufferedEntry>,
    /// The entries of the schedule, with the indices of their streams.
    held: HashSet<(u32, EntryId)>,
    /// Streams with further entries since the last turn.
    pub(super) grown: Vec<u32>,
    /// Lanes whose read under way lacks a stream that is read again.
    pub(super) lacking: Vec<usize>,
}

impl FairDispatch {
    /// Returns true if an entry waits here.
    pub fn holds(&self, stream: u32, entry: EntryId) -> bool {
        self.held.contains(&(stream, entry))
    }

    pub(super) fn add(&mut self, streams: &mut [StreamState], one: BufferedEntry) {
        let StreamState { options, look_ahead: Some(ahead), .. } = &mut streams[one.stream as usize] else {
            return;
        };
        ahead.add(one.size());
        if self.grown.last() != Some(&one.stream) {
            self.grown.push(one.stream);
        }
        self.held.insert((one.stream, one.entry));
        let carried = one.carried.clone();
        self.schedule.push(ahead.set, key_of(options, carried.as_deref()), one);
    }

    pub(super) fn remove(&mut self, streams: &mut [StreamState], one: &BufferedEntry) {
        self.held.remove(&(one.stream, one.entry));
        let stream = &mut streams[one.stream as usize];
        if stream.look_ahead.as_mut().is_some_and(|ahead| ahead.remove(one.size())) {
            self.lacking.push(stream.lane);
        }
    }
}

/// Returns the name of the set of a stream's keys. A stream and one with partitions can have the same name.
pub(super) fn set_name(options: &StreamOptions) -> String {
    let mark = if options.is_partition { "#" } else { "" };
    format!("{}{mark}", options.stream)
}

/// Returns the key of an entry within its set. All entries of a stream without fair dispatch have one.
pub(super) fn key_of<'a>(options: &StreamOptions, carried: Option<&'a CarriedPayload>) -> Option<&'a str> {
    options.fair.as_ref().and(carried)?.order_key.as_deref()
}
