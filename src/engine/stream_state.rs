//! What a consumer knows of one of its streams. Pure.

use std::collections::HashMap;
use std::time::Instant;

use crate::redis_io::entries::EntryId;

use super::last_seen::LastSeen;
use super::losses::Losses;
use super::options::{ReadFrom, StreamOptions};

/// What a stream's next read asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// Entries that no consumer of the group had yet.
    New,
    /// What is pending for this consumer behind this id.
    History(String),
}

/// One stream of a consumer, on one node.
#[derive(Debug)]
pub struct StreamState {
    /// The number by which the host knows the stream, the same on every node.
    pub number: u32,
    /// Index of the lane that reads it.
    pub lane: usize,
    /// Index of the node that it is on.
    pub node: usize,
    /// Index of the node on which its completions are published.
    pub completions: usize,
    /// What the user asked for.
    pub options: StreamOptions,
    /// The stream's key.
    pub key: String,
    /// What every notification of this stream begins with.
    pub notification_head: String,
    /// What every channel of this stream begins with.
    pub channel_head: String,
    /// Whether `play()` was called since the stream was added.
    pub active: bool,
    /// What to read next.
    pub position: Position,
    /// The last entry handed out by this stream's group to this consumer.
    pub last_seen: Option<LastSeen>,
    /// Entries that were removed before the group got them.
    pub losses: Losses,
    /// The stream's last id when playing started, where that is known.
    pub tail: Option<EntryId>,
    /// Where looking for entries to claim goes on; `None` is at the beginning.
    pub claim_from: Option<EntryId>,
    /// When that search began.
    pub search_began: Option<Instant>,
    /// Entries that were delivered too often, as far as that was reported, and when they were seen last.
    pub exhausted: HashMap<EntryId, Instant>,
}

impl StreamState {
    /// What XREADGROUP takes for the position.
    pub fn position_text(&self) -> &str {
        match &self.position {
            Position::New => ">",
            Position::History(id) => id,
        }
    }

    /// The stream is another one than it was, or empty: the ids of before say nothing of it.
    pub fn begin_anew(&mut self) {
        (self.last_seen, self.tail) = (None, None);
    }

    /// Where the position starts.
    pub fn first_position(options: &StreamOptions) -> Position {
        match &options.read_from {
            ReadFrom::New => Position::New,
            ReadFrom::History(id) => Position::History(id.clone()),
        }
    }
}
