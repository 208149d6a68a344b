//! State of one stream. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::{HashMap, HashSet};

use crate::engine::consumer::state::fair_dispatch::look_ahead::LookAhead;
use crate::engine::consumer::state::last_entry::LastSeen;
use crate::engine::consumer::state::ownership::Ownership;
use crate::engine::consumer::state::trim_detector::{Received, TrimDetector};
use crate::engine::options::consumer::{ReadFrom, StreamOptions};
use crate::engine::protocol::completion_commands::ChannelHead;
use crate::engine::protocol::group_info::GroupInfo;
use crate::engine::protocol::group_members::GroupMembers;

/// Start of a stream's next read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// Entries that are new to the group.
    New,
    /// Entries pending for this consumer behind this id.
    History(String),
}

/// Place of a stream: its numbers and its names in Redis.
#[derive(Debug, Default)]
pub struct StreamPlace {
    /// Number by which the host knows the stream, the same on every node.
    pub number: u32,
    /// Index of its lane.
    pub lane: usize,
    /// Index of its node.
    pub node: usize,
    /// Index of the node on which its completions are published.
    pub completions: usize,
    /// The stream's key.
    pub key: String,
    /// Head of each completion of this stream.
    pub completion_head: String,
    /// Head of each channel of this stream.
    pub channel_head: String,
    /// Head of each sharded channel of this stream, on a Cluster.
    pub sharded_head: Option<String>,
}

/// One stream of a consumer, on one node.
#[derive(Debug)]
pub struct StreamState {
    /// Number by which the host knows the stream, the same on every node.
    pub number: u32,
    /// Index of its lane.
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
    /// Head of each sharded channel of this stream, on a Cluster.
    pub sharded_head: Option<String>,
    /// True once `play()` was called after the stream was added.
    pub active: bool,
    /// True if the group of a partition was made since the last pause. A play for added partitions leaves it alone.
    pub is_prepared: bool,
    /// Ownership, if its jobs are ordered.
    pub ownership: Option<Ownership>,
    /// Limit of its waiting entries, in a consumer with fair dispatch.
    pub look_ahead: Option<LookAhead>,
    /// Index of its rate limit.
    pub limit: Option<usize>,
    /// True if it is not read, since its rate limit has no permits.
    pub is_closed: bool,
    /// True if its entries are not claimed, since too many wait for permits.
    pub is_full: bool,
    /// Start of the next read.
    pub position: Position,
    /// First of the buffered entries that were returned to the group since the last read. They stay pending for this
    /// consumer until another one claims them, so its next read begins with them.
    pub handed_back: Option<EntryId>,
    /// All entries that were returned and not got again so far.
    pub returned: HashSet<EntryId>,
    /// Last entry that this consumer had got before a read of its history for returned ones. Those that failed since are still
    /// pending, and must not run by that read.
    pub got_before: Option<EntryId>,
    /// Entries of these whose job never started, at their first delivery.
    pub unstarted: HashSet<EntryId>,
    /// Last entry that the group delivered to this consumer.
    pub last_seen: Option<LastSeen>,
    /// Last entry that this consumer claimed before the read under way. Entries that are new to the group are behind it.
    pub last_claimed: Option<EntryId>,
    /// Entries behind the last known one that were claimed during the read under way. It does not deliver them.
    pub claimed: HashSet<EntryId>,
    /// Detector of trimmed entries.
    pub trim_detector: TrimDetector,
    /// Interval of the last inspection.
    pub inspected: usize,
    /// True if Redis has this consumer in the group, as far as known here.
    pub is_member: bool,
    /// True if no other consumer was in the group at the last inspection.
    pub is_alone: bool,
    /// True if the next inspection must ask for the name of the one consumer in the group.
    pub needs_member_name: bool,
    /// Time of the last query for idle consumers of the group.
    pub idle_queried: Option<Instant>,
    /// Idle consumers of the group that must be removed.
    pub idle: Vec<String>,
    /// Entries received by the last inspection that found nothing pending and no other consumer.
    pub unchanged_since: Option<Received>,
    /// Last id of the stream at the last `play()`, if known.
    pub tail: Option<EntryId>,
    /// Last entry that the group had delivered at the last inspection, if known.
    pub delivered: Option<EntryId>,
    /// Start of the next page of the search for candidates; `None` is the beginning.
    pub claim_from: Option<EntryId>,
    /// Start of that search.
    pub search_began: Option<Instant>,
    /// Number of entries of the claim cycle's claim under way.
    pub claiming: usize,
    /// Entries that are being moved to the dead letters. They are pending for this consumer until then.
    pub leaving: HashSet<EntryId>,
    /// Entries whose job ended, or that left, while a history was read. The reply can still have them.
    pub left: HashSet<EntryId>,
    /// Entries whose last delivery ran at a stop. The search at the retry limit ends them.
    pub abandoned: HashSet<EntryId>,
    /// Entries at the retry limit that this consumer has found, or whose end has failed.
    pub exhausted: HashMap<EntryId, ExhaustedEntry>,
}

/// An entry at the retry limit, which is pending.
#[derive(Clone, Copy, Debug)]
pub struct ExhaustedEntry {
    /// Time of the last search that found it.
    pub seen: Instant,
    /// False if the next search must report it.
    pub is_reported: bool,
}

impl ExhaustedEntry {
    /// An entry that was found just now.
    pub fn new(is_reported: bool) -> Self {
        Self { seen: Instant::now(), is_reported }
    }
}

impl StreamState {
    /// Head of the channels of its completions. Only a Cluster has sharded ones.
    pub fn channel_head(&self, is_sharded: bool) -> ChannelHead<'_> {
        match self.sharded_head.as_deref().filter(|_| is_sharded) {
            Some(head) => ChannelHead::Sharded(head),
            None => ChannelHead::Ordinary(&self.channel_head),
        }
    }

    /// A stream that was never read.
    pub fn new(place: StreamPlace, options: StreamOptions) -> Self {
        let StreamPlace { number, lane, node, completions, key, completion_head, channel_head, sharded_head } =
            place;
        Self {
            number,
            lane,
            node,
            completions,
            key,
            completion_head,
            channel_head,
            sharded_head,
            active: false,
            is_prepared: false,
            ownership: Ownership::of(&options),
            look_ahead: None,
            limit: None,
            is_closed: false,
            is_full: false,
            position: Self::first_position(&options),
            handed_back: None,
            returned: HashSet::default(),
            got_before: None,
            unstarted: HashSet::default(),
            last_seen: None,
            last_claimed: None,
            claimed: HashSet::default(),
            trim_detector: TrimDetector::default(),
            inspected: 0,
            is_member: false,
            is_alone: false,
            needs_member_name: false,
            idle_queried: None,
            idle: Vec::new(),
            unchanged_since: None,
            tail: None,
            delivered: None,
            claim_from: None,
            search_began: None,
            claiming: 0,
            leaving: HashSet::default(),
            left: HashSet::default(),
            abandoned: HashSet::default(),
            exhausted: HashMap::default(),
            options,
        }
    }

    /// Takes other options of the user.
    pub fn change_options(&mut self, options: StreamOptions) {
        match (&mut self.ownership, &options.order) {
            // What it owns, and what waits, stays.
            (Some(ownership), Some(order)) => {
                (ownership.of, ownership.lease) = (order.stream.clone(), order.lease);
            }
            _ => self.ownership = Ownership::of(&options),
        }
        self.options = options;
    }

    /// Returns true if the next read of its lane has the stream.
    pub fn is_read(&self) -> bool {
        let can_read = |ownership: &Ownership| ownership.can_read(Instant::now());
        self.active
            && !self.is_closed
            && self.ownership.as_ref().is_none_or(can_read)
            && self.look_ahead.as_ref().is_none_or(LookAhead::can_read)
    }

    /// Returns true if jobs of the stream can begin: it is not ordered, or this consumer owns it.
    pub fn can_start(&self, now: Instant) -> bool {
        self.ownership.as_ref().is_none_or(|ownership| ownership.can_start(now))
    }

    /// Returns true if an entry that waits, with a lease from `touched` on, can start. No other consumer claims the entries of
    /// an owned partition, also not those that the group has lost and that no renewal finds.
    pub fn can_start_waiting(&self, touched: Instant, now: Instant, lease: Duration) -> bool {
        let is_held = self.ownership.is_some() || now.saturating_duration_since(touched) <= lease;
        is_held && self.can_start(now)
    }

    /// Returns true if idle entries of the stream can be claimed, with a takeover those before
    /// [`Ownership::takeover_front`].
    pub fn is_claimed(&self) -> bool {
        self.active
            && !self.is_full
            && self.ownership.as_ref().is_none_or(|ownership| ownership.can_start(Instant::now()))
            && self.look_ahead.as_ref().is_none_or(LookAhead::can_claim)
    }

    /// Position as an argument of XREADGROUP.
    pub fn position_text(&self) -> &str {
        match &self.position {
            Position::New => ">",
            Position::History(id) => id,
        }
    }

    /// Notes a buffered entry that was returned to the group.
    pub fn hand_back(&mut self, entry: EntryId, deliveries: u64) {
        self.handed_back = Some(self.handed_back.map_or(entry, |first| first.min(entry)));
        self.claimed.remove(&entry);
        self.returned.insert(entry);
        if deliveries == 1 {
            self.unstarted.insert(entry);
        }
    }

    /// Last entry of the group that this consumer knew when its last read was sent.
    pub fn last_known(&self) -> Option<EntryId> {
        self.last_seen.as_ref().map(|seen| seen.id).max(self.last_claimed)
    }

    /// Notes an entry that this consumer has claimed. `is_reading` is true during a read of its lane.
    pub fn note_claim(&mut self, entry: EntryId, is_reading: bool) {
        self.returned.remove(&entry);
        if !is_reading && self.position == Position::New {
            self.last_claimed = self.last_claimed.max(Some(entry));
        } else if self.last_known().is_none_or(|known| known < entry) {
            self.claimed.insert(entry);
        }
    }

    /// Returns true if this consumer can have got an entry before, by a read or by a claim. The position of a group can be
    /// set back.
    pub fn is_repeated(&self, entry: EntryId) -> bool {
        self.last_known().is_some_and(|known| entry <= known) || self.claimed.contains(&entry)
    }

    /// Notes that a read leaves. With new entries, all of them are behind those that were claimed so far.
    pub fn note_read(&mut self) {
        if self.position == Position::New && !self.claimed.is_empty() {
            self.last_claimed = self.claimed.drain().max().max(self.last_claimed);
        }
    }

    /// Number of deliveries of an entry of the history; 0 if unknown. A read of the history counts as a delivery.
    pub fn deliveries_of_history(&mut self, entry: EntryId) -> u64 {
        u64::from(self.unstarted.remove(&entry))
    }

    /// Returns true if an entry has had its last delivery, and must not run again although it can be pending.
    pub fn is_over(&self, entry: EntryId) -> bool {
        self.exhausted.contains_key(&entry)
            || self.leaving.contains(&entry)
            || self.left.contains(&entry)
            || self.abandoned.contains(&entry)
    }

    /// Notes that an entry is not being moved any more. `reads_history` is true while a history is read.
    pub fn end_leaving(&mut self, entry: EntryId, reads_history: bool) {
        if self.leaving.remove(&entry) && reads_history {
            self.left.insert(entry);
        }
    }

    /// Notes the end of the history.
    pub fn end_history(&mut self) {
        self.position = Position::New;
        if self.handed_back.is_none() {
            // Other consumers have claimed these entries.
            self.unstarted.clear();
            self.abandoned.clear();
            self.returned.clear();
            self.got_before = None;
        }
    }

    /// Moves the next read to the entries that were returned to the group, if there are any.
    pub fn reread_handed_back(&mut self) {
        if let Some(first) = self.handed_back.take() {
            let got = match &self.position {
                Position::New => self.last_known(),
                Position::History(id) => EntryId::parse(id.as_bytes()),
            };
            self.got_before = self.got_before.max(got);
            self.position = Position::History(first.predecessor().to_string());
        }
    }

    /// Returns true if a read of the history takes an entry: it was returned, or this consumer has not got it before. A delivery
    /// of any other one has begun here, and the next claim repeats it.
    pub fn takes_of_history(&mut self, entry: EntryId) -> bool {
        self.returned.remove(&entry) || self.got_before.is_none_or(|got| entry > got)
    }

    /// Forgets the known ids, since the stream is new or empty.
    pub fn forget_last_entry(&mut self) {
        (self.last_seen, self.tail, self.delivered, self.handed_back) = (None, None, None, None);
        self.last_claimed = None;
        self.claimed.clear();
        self.abandoned.clear();
        self.returned.clear();
        self.got_before = None;
    }

    /// Notes the state of its group, which is unknown without a reply.
    pub fn update_membership(&mut self, group: Option<&GroupInfo>, received: Received) {
        self.delivered = group.map(|group| group.delivered).or(self.delivered);
        let (others, pending) = match group {
            Some(group) => (group.consumers.checked_sub(u64::from(self.is_member)), group.pending),
            None => (None, 0),
        };
        self.is_alone = others == Some(0);
        self.needs_member_name = others == Some(1) && !self.is_member;
        self.unchanged_since = (self.is_alone && pending == 0).then_some(received);
    }

    /// Notes the consumers in the group. If more idle ones exist than are listed, the next query follows soon.
    pub fn update_members(&mut self, members: GroupMembers) {
        self.is_member = members.has_own;
        self.idle_queried = self.idle_queried.filter(|_| !members.has_more);
        self.idle = members.idle;
    }

    /// Notes that the group is a new one.
    pub fn change_group(&mut self) {
        self.trim_detector.forget();
        self.is_member = false;
    }

    /// Notes that the group begins anew where the options say.
    pub fn begin_new_group(&mut self) {
        self.change_group();
        self.delivered = None;
    }

    /// Notes the last id of the stream before its first read. It is no position of a group that began anew in front of it.
    pub fn set_tail(&mut self, tail: Option<EntryId>, is_new: bool) {
        let is_behind = is_new && self.delivered.is_none() && self.options.from_id != "$";
        self.tail = tail.or(self.tail).filter(|_| !is_behind);
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
