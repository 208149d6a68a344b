//! Which streams a search for entries to claim is worth while: one write tells of all of them how many entries they have
//! pending, and mostly that is none. What was lost of a stream is asked for in the same write, every few rounds.
//!
//! Of a stream whose group the consumer had to itself when it last looked, with nothing pending, nothing is asked in
//! between unless it was given something: an entry that may be claimed has lain since before that look, if nobody came,
//! took it and gave it back meanwhile. Where the consumer is alone, XINFO GROUPS tells what is pending, and whether it
//! still is alone.

use std::sync::Arc;
use std::time::Instant;

use crate::redis_io::command::Commands;
use crate::redis_io::streams::commands::{pack_consumers, pack_pending_summary, pack_time};

use crate::engine::consumer::Consumer;
use crate::engine::consumer::claiming::inspection::pack_stocktaking;
use crate::engine::consumer::claiming::inspection_replies::Collection;
use crate::engine::consumer::claiming::search::Search;
use crate::engine::consumer::state::{ConsumerState, Phase};

/// In one of so many intervals a stream is inspected, whether it has something pending or not; another one for each, so
/// that rounds are alike.
pub(crate) const INSPECTED_EVERY: u32 = 5;

/// What is to be asked of the servers.
struct Questions {
    /// The number of the interval.
    round: usize,
    answers: Arc<Collection>,
    /// Of each node in one write.
    writes: Vec<(usize, Commands)>,
    /// The lanes whose servers are asked for the time.
    timed: Vec<usize>,
    /// What there is to search without asking.
    known: Vec<Search>,
}

impl Consumer {
    /// The streams that the next round is to search, beginning with another one each time.
    pub(crate) async fn survey(&self, passed: u32) -> Vec<Search> {
        let (answers, collected) = self.begin_collection();
        let Some(questions) = self.questions(passed, answers) else { return Vec::new() };
        let Questions { round, answers, writes, known: mut searches, .. } = questions;
        let asked = Instant::now();
        for (node, mut commands) in writes {
            self.node_set.nodes()[node].shared().submit(&mut commands);
        }
        // They come out with the last answer, whatever becomes of the connection.
        drop(answers);
        let mut findings = collected.await.unwrap_or_default();
        let mut pending = std::mem::take(&mut findings.pending);
        pending
            .extend(findings.stocks.iter().filter(|stock| stock.may_be_pending()).map(|stock| stock.stream));
        // Whoever searches looks at the clock again, and heeds what it has gained.
        self.heed(findings, asked);
        // What cannot be told is searched, which says why if that fails as well.
        searches.extend(pending.into_iter().map(Search::of));
        let streams = self.lock().streams.len().max(1);
        searches.sort_by_key(|search| (search.stream + streams - round % streams) % streams);
        searches
    }

    /// What there is to ask, if the consumer plays.
    fn questions(&self, passed: u32, answers: Arc<Collection>) -> Option<Questions> {
        let mut state = self.lock();
        state.claim_rounds = state.claim_rounds.wrapping_add(passed as usize);
        if state.phase != Phase::Playing {
            return None;
        }
        let (writes, timed, known) = (Vec::new(), Vec::new(), Vec::new());
        let mut questions = Questions { round: state.claim_rounds, answers, writes, timed, known };
        for stream in 0..state.streams.len() {
            self.ask_of_stream(&mut state, stream, &mut questions);
        }
        Some(questions)
    }

    fn ask_of_stream(&self, state: &mut ConsumerState, at: usize, questions: &mut Questions) {
        let (stream, round, every) = (&mut state.streams[at], questions.round, INSPECTED_EVERY as usize);
        if !stream.active {
            return;
        }
        let inspects = (round + at).is_multiple_of(every) || round.wrapping_sub(stream.inspected) >= every;
        if inspects {
            stream.inspected = round;
        }
        if stream.claim_from.is_some() {
            return questions.known.push(Search { inspects, ..Search::of(at) });
        }
        let is_alone = stream.is_alone && self.may_rest();
        if !inspects && is_alone && stream.is_calm() {
            return;
        }
        let looks_for_idle = inspects && self.looks_for_idle(stream);
        let answers = questions.answers.clone();
        let is_timed = questions.timed.contains(&stream.lane);
        let commands = questions.of_node(stream.node);
        if inspects || is_alone {
            pack_stocktaking(commands, &stream.key, answers.stock(at, stream.losses.received()), inspects);
        } else {
            pack_pending_summary(commands, &stream.key, &self.group, answers.pending(at));
        }
        if inspects && (stream.asks_who || looks_for_idle) {
            pack_consumers(commands, &stream.key, &self.group, answers.members(at, looks_for_idle));
        }
        if !is_timed {
            pack_time(commands, &stream.key, answers.clock(stream.lane));
            questions.timed.push(stream.lane);
        }
    }
}

impl Questions {
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
