//! State of one stream. Pure.

use std::collections::HashMap;
use std::time::Instant;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::state::last_entry::LastSeen;
use crate::engine::consumer::state::trim_detector::{Received, TrimDetector};
use crate::engine::options::{ReadFrom, StreamOptions};
use crate::engine::protocol::group_members::Members;
use crate::engine::protocol::stream_info::GroupInfo;

/// Start of a stream's next read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// Entries that no consumer of the group had yet.
    New,
    /// Entries pending for this consumer behind this id.
    History(String),
}

/// One stream of a consumer, on one node.
#[derive(Debug)]
pub struct StreamState {
    /// The number by which the host knows the stream, the same on every node.
    pub number: u32,
    /// Index of the lane that reads it.
    pub lane: usize,
    /// Index of its node.
    pub node: usize,
    /// Index of the node on which its completions are published.
    pub completions: usize,
    /// Options of the user.
    pub options: StreamOptions,
    /// The stream's key.
    pub key: String,
    /// Head of each completion of this stream.
    pub completion_head: String,
    /// Head of each channel of this stream.
    pub channel_head: String,
    /// True once `play()` was called after the stream was added.
    pub active: bool,
    /// Start of the next read.
    pub position: Position,
    /// The last entry handed out by this stream's group to this consumer.
    pub last_seen: Option<LastSeen>,
    /// Entries that were removed before the group got them.
    pub trim_detector: TrimDetector,
    /// In which interval of claiming the stream was inspected last.
    pub inspected: usize,
    /// True if Redis has this consumer in the group, as far as known here.
    pub is_member: bool,
    /// True if no other consumer was in the group at the last inspection.
    pub is_alone: bool,
    /// True if the next inspection must ask for the name of the one consumer in the group.
    pub asks_who: bool,
    /// Time of the last query for idle consumers of the group.
    pub idle_looked: Option<Instant>,
    /// Idle consumers of the group that are to be removed.
    pub idle: Vec<String>,
    /// Entries received by the last inspection that found nothing pending and no other consumer.
    pub unchanged_since: Option<Received>,
    /// The stream's last id when playing started, where that is known.
    pub tail: Option<EntryId>,
    /// Start of the next page of the search for candidates; `None` is the beginning.
    pub claim_from: Option<EntryId>,
    /// Start of that search.
    pub search_began: Option<Instant>,
    /// Entries that were delivered too often, as far as that was reported, and when they were seen last.
    pub exhausted: HashMap<EntryId, Instant>,
}

impl StreamState {
    /// Position as an argument of XREADGROUP.
    pub fn position_text(&self) -> &str {
        match &self.position {
            Position::New => ">",
            Position::History(id) => id,
        }
    }

    /// The stream is another one than it was, or empty: the ids of before say nothing of it.
    pub fn forget_last_entry(&mut self) {
        (self.last_seen, self.tail) = (None, None);
    }

    /// Takes note of how its group was found, which is not known if there is none.
    pub fn update_membership(&mut self, group: Option<&GroupInfo>, received: Received) {
        let (others, pending) = match group {
            Some(group) => (group.consumers.checked_sub(u64::from(self.is_member)), group.pending),
            None => (None, 0),
        };
        self.is_alone = others == Some(0);
        self.asks_who = others == Some(1) && !self.is_member;
        self.unchanged_since = (self.is_alone && pending == 0).then_some(received);
    }

    /// Takes note of the consumers in the group. If there are more idle ones than are listed, the next look comes soon.
    pub fn update_members(&mut self, members: Members) {
        self.is_member = members.has_own;
        self.idle_looked = self.idle_looked.filter(|_| !members.has_more);
        self.idle = members.idle;
    }

    /// The group is another one.
    pub fn change_group(&mut self) {
        self.trim_detector.forget();
        self.is_member = false;
    }

    /// Returns true if nothing was received since an inspection that found nothing pending and no other consumer.
    pub fn is_unchanged(&self) -> bool {
        self.unchanged_since == Some(self.trim_detector.received())
    }

    /// Start of the first read.
    pub fn first_position(options: &StreamOptions) -> Position {
        match &options.read_from {
            ReadFrom::New => Position::New,
            ReadFrom::History(id) => Position::History(id.clone()),
        }
    }
}
