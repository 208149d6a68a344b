//! Candidate streams of a claim cycle: one write asks all of them for their count of pending entries, mostly zero.
//! Trimmed entries are counted in the same write, every few intervals.
//!
//! A stream is skipped while the consumer is alone in the group, nothing was pending at the last inspection, and no
//! entry was received since. An entry can be claimed only if it was pending before that inspection, unless another
//! consumer came, took it and returned it. In a group with one consumer, XINFO GROUPS gives both the pending count
//! and the consumer count.

use std::sync::Arc;

use tokio::time::Instant;

use crate::redis_io::command::Commands;
use crate::redis_io::streams::commands::{pack_consumers, pack_pending_summary, pack_time};

use crate::engine::consumer::Consumer;
use crate::engine::consumer::claiming::inspection::pack_inspection;
use crate::engine::consumer::claiming::inspection_replies::InspectionCollector;
use crate::engine::consumer::claiming::search::ClaimSearch;
use crate::engine::consumer::state::{ConsumerState, Phase};

/// Number of intervals between two inspections of a stream, with or without pending entries. The streams are spread
/// over the intervals, so that cycles cost the same.
pub(crate) const INSPECTED_EVERY: u32 = 5;

/// Packed queries of one claim cycle.
struct InspectionQueries {
    /// Number of the interval.
    round: usize,
    replies: Arc<InspectionCollector>,
    /// Commands by node, one write each.
    writes: Vec<(usize, Commands)>,
    /// Lanes with a query for the time of their server.
    timed: Vec<usize>,
    /// Searches that need no query.
    known: Vec<ClaimSearch>,
}

impl Consumer {
    /// Returns the streams that this cycle must search, beginning with another one each time.
    pub(crate) async fn find_candidates(&self, passed: u32) -> Vec<ClaimSearch> {
        let (replies, collected) = self.begin_inspection();
        let Some(queries) = self.pack_queries(passed, replies) else { return Vec::new() };
        let InspectionQueries { round, replies, writes, known: mut searches, .. } = queries;
        let asked = Instant::now();
        for (node, mut commands) in writes {
            self.node_set.nodes()[node].shared().submit(&mut commands);
        }
        // The replies arrive when the last destination is dropped, even after a lost connection.
        drop(replies);
        let mut findings = collected.await.unwrap_or_default();
        let mut pending = std::mem::take(&mut findings.pending);
        pending.extend(
            findings
                .inspections
                .iter()
                .filter(|inspection| inspection.may_be_pending())
                .map(|inspection| inspection.stream),
        );
        // A search reads the clock again and applies its gain.
        self.apply_inspection(findings, asked);
        // A stream without a readable reply is searched; the search reports the error if it fails as well.
        searches.extend(pending.into_iter().map(ClaimSearch::of));
        let streams = self.lock().streams.len().max(1);
        searches.sort_by_key(|search| (search.stream + streams - round % streams) % streams);
        searches
    }

    /// Packs the queries of a cycle, or returns `None` unless the consumer plays.
    fn pack_queries(&self, passed: u32, replies: Arc<InspectionCollector>) -> Option<InspectionQueries> {
        let mut state = self.lock();
        state.claim_intervals = state.claim_intervals.wrapping_add(passed as usize);
        if state.phase != Phase::Playing {
            return None;
        }
        let (writes, timed, known) = (Vec::new(), Vec::new(), Vec::new());
        let mut queries = InspectionQueries { round: state.claim_intervals, replies, writes, timed, known };
        for stream in 0..state.streams.len() {
            self.pack_stream_queries(&mut state, stream, &mut queries);
        }
        Some(queries)
    }

    fn pack_stream_queries(&self, state: &mut ConsumerState, at: usize, queries: &mut InspectionQueries) {
        let (stream, round, every) = (&mut state.streams[at], queries.round, INSPECTED_EVERY as usize);
        if !stream.is_claimed() {
            return;
        }
        let inspects = (round + at).is_multiple_of(every) || round.wrapping_sub(stream.inspected) >= every;
        if inspects {
            stream.inspected = round;
        }
        if stream.claim_from.is_some() {
            return queries.known.push(ClaimSearch { inspects, ..ClaimSearch::of(at) });
        }
        let is_alone = stream.is_alone && self.can_back_off();
        if !inspects && is_alone && stream.is_unchanged() {
            return;
        }
        let is_idle_query_due = inspects && self.is_idle_query_due(stream);
        let replies = queries.replies.clone();
        let is_timed = queries.timed.contains(&stream.lane);
        let commands = queries.of_node(stream.node);
        if inspects || is_alone {
            pack_inspection(
                commands,
                &stream.key,
                replies.inspect(at, stream.trim_detector.received()),
                inspects,
            );
        } else {
            pack_pending_summary(commands, &stream.key, &self.group, replies.pending(at));
        }
        if inspects && (stream.needs_member_name || is_idle_query_due) {
            pack_consumers(commands, &stream.key, &self.group, replies.members(at, is_idle_query_due));
        }
        if !is_timed {
            pack_time(commands, &stream.key, replies.clock(stream.lane));
            queries.timed.push(stream.lane);
        }
    }
}

impl InspectionQueries {
    /// The commands for a node.
    fn of_node(&mut self, node: usize) -> &mut Commands {
        let known = self.writes.iter().position(|(of, _)| *of == node);
        let at = known.unwrap_or_else(|| {
            self.writes.push((node, Commands::default()));
            self.writes.len() - 1
        });
        &mut self.writes[at].1
    }
}
