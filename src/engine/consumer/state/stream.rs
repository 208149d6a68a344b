//! What a consumer knows of one of its streams. Pure.

use std::collections::HashMap;
use std::time::Instant;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::state::last_entry::LastSeen;
use crate::engine::consumer::state::trim_detector::{Received, TrimDetector};
use crate::engine::options::{ReadFrom, StreamOptions};
use crate::engine::protocol::group_members::Members;
use crate::engine::protocol::stream_info::GroupInfo;

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
    pub completion_head: String,
    /// What every channel of this stream begins with.
    pub channel_head: String,
    /// Whether `play()` was called since the stream was added.
    pub active: bool,
    /// What to read next.
    pub position: Position,
    /// The last entry handed out by this stream's group to this consumer.
    pub last_seen: Option<LastSeen>,
    /// Entries that were removed before the group got them.
    pub trim_detector: TrimDetector,
    /// In which interval of claiming the stream was inspected last.
    pub inspected: usize,
    /// Whether Redis knows that this consumer is in the group, as far as we do.
    pub is_member: bool,
    /// Whether nobody else was in the group when it was looked at last.
    pub is_alone: bool,
    /// Whether it has to be asked who the one in the group is.
    pub asks_who: bool,
    /// When the last look for idle consumers of the group was.
    pub idle_looked: Option<Instant>,
    /// Idle consumers of the group that are to be removed.
    pub idle: Vec<String>,
    /// What had been received when it was seen besides that nothing was pending.
    pub unchanged_since: Option<Received>,
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

    /// Whether nothing can have become pending since then but for somebody who has come.
    pub fn is_unchanged(&self) -> bool {
        self.unchanged_since == Some(self.trim_detector.received())
    }

    /// Where the position starts.
    pub fn first_position(options: &StreamOptions) -> Position {
        match &options.read_from {
            ReadFrom::New => Position::New,
            ReadFrom::History(id) => Position::History(id.clone()),
        }
    }
}
