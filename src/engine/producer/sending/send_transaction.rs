//! Several jobs that are sent in one transaction.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::error::RedisError;
use crate::redis_io::locked::Locked;
use crate::redis_io::resp::{Reply, Token};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::host::{Event, RequestId};
use crate::engine::producer::Producer;
use crate::engine::producer::held_sends::HeldSend;
use crate::engine::producer::state::ProducerState;
use crate::engine::producer::transaction::{SendTransaction, Transacting, TransactionPart};
use crate::engine::protocol::reply_tag::ReplyKind;

impl Producer {
    /// Sends jobs in one transaction. It is packed into `commands`, which are for the node of the jobs, or held back until all
    /// completions can be received. The request ends once Redis has executed the transaction.
    pub fn send_together(self: &Arc<Self>, commands: &mut Commands, transaction: SendTransaction) {
        let mut state = self.lock();
        if let Some(error) = self.refusal_of(&state, &transaction) {
            drop(state);
            self.refuse([transaction.request], &error);
            return;
        }
        let mut must_wait = self.must_ask(&mut state);
        for queued in &transaction.sends {
            // Not by a lazy search: all subscriptions begin now.
            must_wait |= self.must_wait(&mut state, queued);
        }
        match must_wait {
            true => self.hold(&mut state, HeldSend::Transaction(transaction)),
            false => self.pack_transaction(&mut state, commands, &transaction),
        }
    }

    /// Asks Redis for the right to transactions, once. Returns true until it is known.
    fn must_ask(self: &Arc<Self>, state: &mut ProducerState) -> bool {
        if state.transacting == Transacting::Unknown {
            state.transacting = Transacting::Asked;
            self.node_set.context().tasks.spawn(ask(self.clone()));
        }
        state.transacting != Transacting::Allowed
    }

    /// Sends or refuses the transactions that wait for the right.
    fn on_right(self: &Arc<Self>, answer: Result<(), RedisError>) {
        let mut state = self.lock();
        if state.transacting != Transacting::Asked {
            return;
        }
        match answer {
            Ok(()) => state.transacting = Transacting::Allowed,
            Err(error) => {
                state.transacting = Transacting::Unknown;
                let refused = state.held.take_transactions();
                self.refuse(refused, &error);
            }
        }
        self.send_held(&mut state);
    }

    /// Returns the reason if no connection could receive one of the completions.
    fn refusal_of(&self, state: &ProducerState, transaction: &SendTransaction) -> Option<RedisError> {
        let awaited = transaction.sends.iter().filter(|queued| state.awaits(queued));
        let mut refusals = awaited
            .filter_map(|queued| self.node_set.node_of_completions(&queued.plan.stream).refusal())
            .map(|refusal| refusal.of("XADD"));
        refusals.next()
    }

    /// Packs `MULTI`, the payload keys and the entry of each job, and `EXEC`.
    pub(crate) fn pack_transaction(
        self: &Arc<Self>,
        state: &mut ProducerState,
        commands: &mut Commands,
        transaction: &SendTransaction,
    ) {
        let (Some(first), request) = (transaction.sends.first(), transaction.request) else { return };
        let node = transaction.node(&self.node_set);
        let id = u64::from(request);
        let part = || Destination::Sink(ReplyTag { kind: ReplyKind::Part as u8, index: 0, id });
        let key = first.plan.key(node).as_bytes();
        commands.begin("MULTI", 1).route_with(key).end(part());
        let mut parts = Vec::with_capacity(transaction.sends.len());
        for queued in &transaction.sends {
            let (begun, record) = (commands.len(), self.start_wait(state, queued));
            self.pack_keys_and_entry(commands, node, queued, record, (part, part()));
            parts.push(TransactionPart { replies: commands.len() - begun, wait: queued.wait });
        }
        let kind = ReplyKind::SentTogether as u8;
        commands.begin("EXEC", 1).route_with(key);
        commands.end_following(Destination::Sink(ReplyTag { kind, index: self.number, id }));
        self.transactions.locked().insert(request, parts);
    }

    /// Takes the reply to EXEC: each wait learns its entry, and each job that Redis has refused is reported.
    pub(crate) fn on_transaction(&self, request: RequestId, outcome: Result<Reply<'_>, RedisError>) {
        let parts = self.transactions.locked().remove(&request);
        let Some(parts) = parts else { return };
        let (Ok(Reply::Array(mut replies)), Some(producer)) = (outcome, self.this.upgrade()) else { return };
        for (index, part) in parts.iter().enumerate() {
            let (mut entry, mut refused) = (None, None);
            for token in (0..part.replies).map_while(|_| replies.token()) {
                match token {
                    Token::Error(text) => refused = refused.or(Some(text)),
                    Token::Bulk(id) => entry = EntryId::parse(id),
                    _ => {}
                }
            }
            match (refused, part.wait, entry) {
                (Some(text), _, _) => self.report_refused(request, index as u32, text),
                (None, Some(wait), Some(entry)) => producer.sent(wait, entry),
                _ => {}
            }
        }
    }

    fn report_refused(&self, request: RequestId, index: u32, text: &[u8]) {
        let link = self.node_set.nodes().first().and_then(|node| node.shared().current());
        let node = link.map_or_else(|| Arc::from(""), |link| link.node());
        let error = RedisError::reply(text, "XADD", &node);
        self.node_set.context().host.event(Event::CallFailed { request, index, error: &error });
    }
}

/// Sends an empty transaction.
async fn ask(producer: Arc<Producer>) {
    let (multi, begun) = oneshot::channel();
    let (exec, executed) = oneshot::channel();
    let mut commands = Commands::default();
    commands.begin("MULTI", 1).end(Destination::Task(multi));
    commands.begin("EXEC", 1).end_following(Destination::Task(exec));
    if let Some(node) = producer.node_set.nodes().first() {
        node.shared().submit(&mut commands);
    }
    let mut answer = Ok(());
    for reply in [begun.await, executed.await] {
        answer = answer.and(reply.unwrap_or_else(|_| Err(RedisError::closed())).map(drop));
    }
    producer.on_right(answer);
}
