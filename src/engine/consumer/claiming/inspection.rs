//! Inspection of a server by a consumer that claims: its clock, and the count of trimmed entries. The queries share a
//! write with the query for pending entries, so they cost no time. Trimmed entries are counted every few intervals,
//! see [`crate::engine::consumer::claiming::candidates`].
//!
//! Without the rights for it, idle times are trusted and trimmed entries are not counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::cluster::slot_map::Address;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::{
    pack_group_create, pack_groups, pack_last_entry, pack_pending_page, pack_stream, pack_time,
};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::claiming::inspection_replies::{
    GroupInspection, InspectionCollector, InspectionReplies,
};
use crate::engine::consumer::state::clock_skew::read_time;
use crate::engine::consumer::state::group_position::GroupPosition;
use crate::engine::host::Failure;
use crate::engine::protocol::pending_entries::{self, PendingEntry};

/// Range of one page of pending entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageRange {
    /// First entry; `None` is the beginning.
    pub(crate) from: Option<EntryId>,
    /// The most entries.
    pub(crate) size: usize,
}

/// One page of pending entries.
pub(crate) struct PendingPage {
    /// Entries in order; `None` if they cannot be trusted.
    pub(crate) entries: Option<Vec<PendingEntry>>,
    /// Idle time that the server's clock can have added by a step forward.
    pub(crate) gained: Duration,
}

impl Consumer {
    /// Fetches a page of pending entries, and inspects the server, and with `of_stream` the stream.
    ///
    /// The clock is read after the page. So a step of the clock can mislead this consumer only between that reading
    /// and XCLAIM, for an entry that another consumer takes over in between.
    pub(crate) async fn pending_page(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
        PageRange { from, size }: PageRange,
        of_stream: bool,
    ) -> Result<PendingPage, RedisError> {
        let deadline = self.options.claim_deadline.as_millis() as u64;
        let home = self.home(lane);
        let ask = |idle| async move {
            let (inspection, collected) = self.begin_inspection();
            let asked = Instant::now();
            let page = self.ask(lane, |commands, page| {
                pack_pending_page(commands, key, &self.group, idle, from, size, page);
                pack_time(commands, key, inspection.clock(lane));
                if of_stream {
                    self.pack_inspection(commands, stream, key, &inspection, true);
                }
                drop(inspection);
            });
            (page.await, self.apply_inspection(collected.await.unwrap_or_default(), asked), asked)
        };
        let (reply, gained, asked) = match ask(Some(deadline)).await {
            // Before Redis 6.2 there is no IDLE, so the page has all pending entries.
            (Err(error), ..) if error.reply_code() == Some("ERR") => ask(None).await,
            other => other,
        };
        if home != self.home(lane) || self.is_moving(lane) {
            // The time and the entries can be from different nodes.
            return Ok(PendingPage { entries: None, gained });
        }
        let entries = pending_entries::read_rows(&reply?).ok_or_else(|| {
            let message = "Redis sent no such reply as XPENDING has.";
            self.error(lane, RedisErrorKind::Protocol, "XPENDING", message)
        })?;
        // The process or the network stood still, and another consumer can have run an entry meanwhile.
        let is_old = asked.elapsed() > self.trusted_lease();
        Ok(PendingPage { entries: Some(entries).filter(|_| !is_old), gained })
    }

    /// Creates a group with its stream, and notes the position of a group that exists. Both queries are one write, so the
    /// position is known also if the group is destroyed before the inspection.
    pub(crate) async fn create_inspected(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
        id: &str,
    ) -> Result<Value, RedisError> {
        let (inspection, collected) = self.begin_inspection();
        let asked = Instant::now();
        let created = self.ask(lane, |commands, created| {
            self.pack_inspection(commands, stream, key, &inspection, false);
            drop(inspection);
            pack_group_create(commands, key, &self.group, id, true, created);
        });
        let created = created.await;
        self.apply_inspection(collected.await.unwrap_or_default(), asked);
        created
    }

    /// Fetches the last entry of a stream and the position of the group before the first read. A consumer that claims
    /// inspects the server too, as the base for later comparisons.
    pub(crate) async fn inspect_before_read(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
    ) -> Result<Value, RedisError> {
        let claims = self.options.claim_interval.is_some();
        let (inspection, collected) = self.begin_inspection();
        let asked = Instant::now();
        let entry = self.ask(lane, |commands, entry| {
            pack_last_entry(commands, key, entry);
            if claims {
                pack_time(commands, key, inspection.clock(lane));
            }
            self.pack_inspection(commands, stream, key, &inspection, claims);
            drop(inspection);
        });
        let entry = entry.await;
        self.apply_inspection(collected.await.unwrap_or_default(), asked);
        entry
    }

    /// Returns a collector for the replies of an inspection of the group.
    pub(crate) fn begin_inspection(
        &self,
    ) -> (Arc<InspectionCollector>, oneshot::Receiver<InspectionReplies>) {
        InspectionCollector::begin(&self.group, &self.options.id, self.options.remove_idle)
    }

    fn pack_inspection(
        &self,
        commands: &mut Commands,
        stream: usize,
        key: &str,
        answers: &Arc<InspectionCollector>,
        of_stream: bool,
    ) {
        let received = self.lock().streams[stream].trim_detector.received();
        pack_inspection(commands, key, answers.inspect(stream, received), of_stream);
    }

    /// Applies the replies of an inspection: reports trimmed entries, and returns the gain of the last clock that was
    /// read.
    pub(crate) fn apply_inspection(&self, findings: InspectionReplies, asked: Instant) -> Duration {
        let mut gained = Duration::ZERO;
        for (lane, answered, time) in findings.clocks {
            self.report_refusal(time.as_ref().err());
            if let Some(time) = time.ok().as_ref().and_then(read_time) {
                let clock = &mut self.lock().lanes[lane].clock;
                gained = clock.observe(time, asked, answered, self.options.claim_deadline);
            }
        }
        for (stream, members) in findings.members {
            self.lock().streams[stream].update_members(members);
        }
        for GroupInspection { stream, received, group, extent } in findings.inspections {
            self.report_refusal(group.as_ref().err());
            self.report_refusal(extent.as_ref().err());
            let group = group.ok().flatten();
            self.lock().streams[stream].update_membership(group.as_ref(), received);
            if let (Some(group), Ok(Some(extent))) = (group, extent) {
                let position = GroupPosition::new(group, extent);
                let lost = self.lock().streams[stream].trim_detector.observe(&position, received);
                self.report_trimmed(stream, lost, false);
            }
        }
        gained
    }

    /// Reports a refused inspection once. A consumer that does not claim does without.
    fn report_refusal(&self, error: Option<&RedisError>) {
        let refusal = error.filter(|error| error.reply_code() == Some("NOPERM"));
        let Some(refusal) = refusal.filter(|_| self.options.claim_interval.is_some()) else { return };
        if !std::mem::replace(&mut self.lock().inspection_refused, true) {
            self.report_error(Failure::Consume, refusal);
        }
    }

    /// Returns the node that has a lane's slot, in a Cluster.
    fn home(&self, lane: usize) -> Option<Address> {
        let slot = self.lane(lane).slot?;
        self.node(lane).topology()?.node_of(slot)
    }

    /// Returns true if the slot of a lane migrates between two nodes of a Cluster.
    fn is_moving(&self, lane: usize) -> bool {
        let (slot, node) = (self.lane(lane).slot, self.node(lane));
        slot.zip(node.topology()).is_some_and(|(slot, topology)| topology.is_importing(slot))
    }
}

/// Packs the queries for a group, and with `of_stream` for its stream. The group comes first, so that an entry read
/// in between does not seem trimmed.
pub(crate) fn pack_inspection(
    commands: &mut Commands,
    key: &str,
    [group, extent]: [Destination; 2],
    of_stream: bool,
) {
    pack_groups(commands, key, group);
    if of_stream {
        pack_stream(commands, key, extent);
    }
}
