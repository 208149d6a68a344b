//! Search for the entries of delayed sends, whose ids are not known until they are added.

use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;

use crate::engine::host::{Event, GroupCompletion};
use crate::engine::producer::Producer;
use crate::engine::producer::completion_listener::now;
use crate::engine::producer::completion_wait::{CompletedWait, EntrySearch};
use crate::engine::producer::outcome::unknown_outcome;
use crate::engine::producer::outcome_query::{OutcomeQuery, PendingReply, QUERY_TIMEOUT};
use crate::engine::protocol::idempotency::FirstSend;

/// State of a send in Redis.
#[derive(Debug, PartialEq, Eq)]
enum SendState {
    /// It waits for its due time.
    Waiting,
    /// The entry was added.
    Added(EntryId),
    /// Redis does not know it, or not any more.
    Gone,
}

/// Replies about a send.
struct Replies {
    /// Of the key of its id, and of the key that it has without an id.
    first_sends: [PendingReply; 2],
    /// Of the delayed sends.
    is_waiting: PendingReply,
}

impl Producer {
    /// Asks Redis for the entries, and notes those that were added.
    pub(crate) async fn find_entries(&self, searches: Vec<EntrySearch>) {
        let mut query = OutcomeQuery::new(&self.node_set, QUERY_TIMEOUT);
        let asked: Vec<(EntrySearch, Replies)> = searches
            .into_iter()
            .map(|search| {
                let replies = self.ask_for_entry(&search, &mut query);
                (search, replies)
            })
            .collect();
        query.submit();
        for (search, replies) in asked {
            // The next check asks again.
            let Ok(state) = state_of(&search.send, replies, &query).await else { continue };
            self.apply_state(&search, state);
        }
    }

    fn ask_for_entry(&self, search: &EntrySearch, query: &mut OutcomeQuery<'_>) -> Replies {
        let EntrySearch { plan, job, id, send, .. } = search;
        let node = plan.node(&self.node_set, job);
        let keys = self.node_set.nodes()[node].keys();
        let first_sends = [id, send].map(|name| {
            let key = keys.once(&plan.stream, name);
            query.ask(node, |commands, to| commands.begin("GET", 2).key(key.as_bytes()).end(to))
        });
        let sends = keys.delayed_sends(&plan.stream);
        // Behind the keys: a script adds the entry, and only then removes the send.
        let is_waiting = query.ask(node, |commands, to| {
            commands.begin("HEXISTS", 3).key(sends.as_bytes()).arg(id.as_bytes()).end(to);
        });
        Replies { first_sends, is_waiting }
    }

    fn apply_state(&self, search: &EntrySearch, state: SendState) {
        let &EntrySearch { wait, is_followed, .. } = search;
        let ended = {
            let mut state_of_all = self.lock();
            let completions = &mut state_of_all.completions;
            match state {
                SendState::Waiting => None,
                SendState::Added(entry) => {
                    completions.found_entry(wait, entry);
                    None
                }
                // The own completion can still come. That of an earlier send goes to its producer.
                SendState::Gone if !is_followed || !completions.is_lost(wait, true) => None,
                SendState::Gone => {
                    let outcome = |group: &String| GroupCompletion {
                        group: group.clone(),
                        at: now(),
                        error: Some(unknown_outcome(&search.plan.stream)),
                        answer: None,
                    };
                    let arrivals = search.plan.groups.iter().map(outcome);
                    arrivals.filter_map(|arrival| completions.record_outcome(wait, arrival)).last()
                }
            }
        };
        if let Some(CompletedWait { wait, arrivals }) = ended {
            self.node_set.context().host.event(Event::Outcome { wait, arrivals: &arrivals });
        }
    }
}

async fn state_of(send: &str, replies: Replies, query: &OutcomeQuery<'_>) -> Result<SendState, RedisError> {
    let mut found = None;
    for reply in replies.first_sends {
        if let Value::Bulk(text) = query.answer(reply).await? {
            found = found.or(FirstSend::read_of(&text, send).and_then(|first| first.entry));
        }
    }
    // Without the right to ask, a send that is gone cannot be told from one that waits.
    let is_gone = matches!(query.answer(replies.is_waiting).await, Ok(Value::Integer(0)));
    Ok(match found {
        Some(entry) => SendState::Added(entry),
        None if is_gone => SendState::Gone,
        None => SendState::Waiting,
    })
}
