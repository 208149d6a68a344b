//! What a consumer that claims asks of a server beside what is pending: what its clock says, and how many entries were
//! removed before the group got them. It is asked in the same write, so that it costs no time; the second one every few
//! rounds, see [`super::survey`].
//!
//! Who may not ask goes without: then idle times are believed, and losses are not known.

use std::time::{Duration, Instant};

use crate::redis_io::codec::Value;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::entries::EntryId;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::slot_map::Address;
use crate::redis_io::streams::{pack_groups, pack_last_entry, pack_pending_page, pack_stream, pack_time};

use super::consumer::Consumer;
use super::host::{Event, Failure};
use super::losses::{Received, Standing};
use super::pending::{self, Pending};
use super::server_clock::read_time;

/// The replies to an inspection.
type Replies = [Result<Value, RedisError>; 3];

/// An inspection that is under way.
struct Inspection {
    stream: usize,
    lane: usize,
    /// When the server was asked.
    asked: Instant,
    /// What had been received by then.
    received: Received,
}

/// Some of what is pending.
pub(super) struct Page {
    /// The entries, in order; none if they cannot be trusted.
    pub(super) entries: Option<Vec<Pending>>,
    /// What the server's clock may have added to the time that they have been idle.
    pub(super) gained: Duration,
}

impl Consumer {
    /// Asks for a page of what is pending, and inspects the server, and if wanted the stream.
    ///
    /// The clock is looked at behind the page: of what was idle by then, only another consumer that takes it over
    /// before this one does can still be deceived, by a clock that is set forward in between.
    pub(super) async fn pending_page(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
        from: Option<EntryId>,
        of_stream: bool,
    ) -> Result<Page, RedisError> {
        let (size, deadline) = (self.options.claim_page_size, self.options.claim_deadline.as_millis() as u64);
        let home = self.home(lane);
        let ask = |idle| async move {
            let inspection = self.begin_inspection(stream, lane);
            let [page, time, groups, info] = self
                .ask_together(lane, |commands, [page, time, groups, info]| {
                    pack_pending_page(commands, key, &self.group, idle, from, size, page);
                    pack_inspection(commands, key, of_stream, [time, groups, info]);
                })
                .await;
            (page, self.end_inspection(inspection, [time, groups, info]))
        };
        let (reply, gained) = match ask(Some(deadline)).await {
            // Before 6.2 there is no IDLE, and all of it has to be looked at here.
            (Err(error), _) if error.reply_code() == Some("ERR") => ask(None).await,
            other => other,
        };
        if home != self.home(lane) || self.is_moving(lane) {
            // One node may have shown its clock and another one its entries.
            return Ok(Page { entries: None, gained });
        }
        let entries = pending::read_rows(&reply?).ok_or_else(|| {
            let message = "Redis sent no such reply as XPENDING has.";
            self.error(lane, RedisErrorKind::Protocol, "XPENDING", message)
        })?;
        Ok(Page { entries: Some(entries), gained })
    }

    /// Asks for a stream's last entry before it is read. Who claims inspects the server, too, so that what comes later
    /// can be compared with it.
    pub(super) async fn first_look(
        &self,
        stream: usize,
        lane: usize,
        key: &str,
    ) -> Result<Value, RedisError> {
        if self.options.claim_interval.is_none() {
            return self.ask(lane, |commands, to| pack_last_entry(commands, key, to)).await;
        }
        let inspection = self.begin_inspection(stream, lane);
        let [entry, time, groups, info] = self
            .ask_together(lane, |commands, [entry, time, groups, info]| {
                pack_last_entry(commands, key, entry);
                pack_inspection(commands, key, true, [time, groups, info]);
            })
            .await;
        self.end_inspection(inspection, [time, groups, info]);
        entry
    }

    fn begin_inspection(&self, stream: usize, lane: usize) -> Inspection {
        let received = self.lock().streams[stream].losses.received();
        Inspection { stream, lane, asked: Instant::now(), received }
    }

    /// Takes the replies, tells of losses, and returns what the clock has gained.
    fn end_inspection(&self, inspection: Inspection, replies: Replies) -> Duration {
        let Inspection { stream, lane, asked, received } = inspection;
        let [time, groups, info] = &replies;
        let standing = match (groups, info) {
            (Ok(groups), Ok(info)) => Standing::read(groups, info, &self.group),
            _ => None,
        };
        let told = time.as_ref().ok().and_then(read_time);
        let (gained, lost) = {
            let mut state = self.lock();
            let lost = standing.map(|standing| state.streams[stream].losses.look(&standing, received));
            let (clock, period) = (&mut state.lanes[lane].clock, self.options.claim_deadline);
            let gained = told.map(|told| clock.look(told, asked, Instant::now(), period));
            (gained.unwrap_or_default(), lost.unwrap_or_default())
        };
        self.tell_of_trimmed(stream, lost, false);
        self.complain_of_refusal(&replies);
        gained
    }

    /// Tells of entries that are gone from a stream: they were pending, or the group never got them.
    pub(super) fn tell_of_trimmed(&self, stream: usize, count: u64, pending: bool) {
        if count == 0 {
            return;
        }
        let (consumer, stream) = {
            let mut state = self.lock();
            state.counts.trimmed += count;
            (self.number, state.streams[stream].number)
        };
        let host = &self.bus.context().host;
        host.event(Event::Trimmed { consumer, stream, count, pending });
        host.wake();
    }

    /// Says once that the server will not be inspected.
    fn complain_of_refusal(&self, replies: &Replies) {
        let refusal = replies.iter().filter_map(|reply| reply.as_ref().err());
        let refusal = refusal.into_iter().find(|error| error.reply_code() == Some("NOPERM"));
        let Some(refusal) = refusal else { return };
        if !std::mem::replace(&mut self.lock().inspection_refused, true) {
            self.complain(Failure::Consume, refusal);
        }
    }

    /// The node that has a lane's slot, in a Cluster.
    fn home(&self, lane: usize) -> Option<Address> {
        let slot = self.lane(lane).slot?;
        self.node(lane).topology()?.node_of(slot)
    }

    /// Whether a lane's slot is on its way from one node of a Cluster to another.
    fn is_moving(&self, lane: usize) -> bool {
        let (slot, node) = (self.lane(lane).slot, self.node(lane));
        slot.zip(node.topology()).is_some_and(|(slot, topology)| topology.is_importing(slot))
    }
}

/// Packs what an inspection asks; the group before the stream, so that nothing that is read in between seems lost.
fn pack_inspection(
    commands: &mut Commands,
    key: &str,
    of_stream: bool,
    [time, groups, info]: [Destination; 3],
) {
    pack_time(commands, key, time);
    if of_stream {
        pack_groups(commands, key, groups);
        pack_stream(commands, key, info);
    }
}
