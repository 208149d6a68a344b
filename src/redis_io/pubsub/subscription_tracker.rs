//! Subscriptions of one subscriber, and the callers that wait for a change of them.
//!
//! One command goes out per name, so that each has a reply of its own and a refusal names the call it belongs to. The
//! table changes when the reply arrives and not when its caller runs, since a connection can be lost in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use once_cell::sync::OnceCell;
use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::connection::Connection;
use crate::redis_io::connection::reply_reader::SUNSUBSCRIBE;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState, PushSink, ReplySink};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::LinkOptions;
use crate::redis_io::resp::Reply;
use crate::redis_io::world::fault::planted;
use crate::redis_io::world::map::HashMap;

/// Change of the subscription of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Subscribe,
    PSubscribe,
    SSubscribe,
    Unsubscribe,
    PUnsubscribe,
    SUnsubscribe,
}

/// Keeps the table of one subscriber, as the sink and the policy of its connection.
pub(crate) struct SubscriptionTracker {
    resubscribe: bool,
    policy: Arc<dyn LinkPolicy>,
    pushes: Arc<dyn PushSink>,
    connection: OnceCell<Weak<Connection>>,
    /// A lock, since names are asked for on one thread and confirmed on another.
    table: Mutex<SubscriptionTable>,
}

/// Names and pending changes of them. Pure.
#[derive(Default)]
struct SubscriptionTable {
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
    sharded: BTreeSet<Vec<u8>>,
    pending: HashMap<u64, PendingSubscribe>,
    next: u64,
}

/// Names of one call, and the replies that are missing.
struct PendingSubscribe {
    names: Vec<(Verb, Vec<u8>)>,
    missing: usize,
    outcome: Result<(), RedisError>,
    /// Caller that waits. `None` if the tracker subscribes again by itself.
    caller: Option<oneshot::Sender<Result<(), RedisError>>>,
}

impl SubscriptionTracker {
    pub(crate) fn new(options: &LinkOptions, policy: Arc<dyn LinkPolicy>, pushes: Arc<dyn PushSink>) -> Self {
        let (connection, table) = (OnceCell::new(), Mutex::default());
        Self { resubscribe: options.resubscribe, policy, pushes, connection, table }
    }

    /// Sets the connection, once.
    pub(crate) fn bind(&self, connection: &Arc<Connection>) {
        // Only the subscriber does this, while it is made.
        let _ = self.connection.set(Arc::downgrade(connection));
    }

    /// Packs the commands, one per name, and returns a receiver of their outcome.
    pub(crate) fn ask(
        &self,
        verb: Verb,
        names: Vec<Vec<u8>>,
    ) -> (Commands, oneshot::Receiver<Result<(), RedisError>>) {
        let (sender, receiver) = oneshot::channel();
        let names = names.into_iter().map(|name| (verb, name)).collect();
        (self.table().ask(names, Some(sender)), receiver)
    }

    fn table(&self) -> MutexGuard<'_, SubscriptionTable> {
        self.table.locked()
    }

    /// Subscribes the names of the table again. The receiver of the messages gets the result.
    pub(crate) fn subscribe_again(&self) {
        let Some(connection) = self.connection.get().and_then(Weak::upgrade) else { return };
        if planted("subscriptions are not restored") {
            return self.pushes.resubscribed();
        }
        let mut commands = {
            let mut table = self.table();
            let names = table.to_resubscribe();
            table.ask(names, None)
        };
        if !commands.is_empty() {
            connection.submit(&mut commands);
        }
    }

    fn complete(&self, pending: PendingSubscribe) {
        match (pending.caller, &pending.outcome) {
            // The caller can have stopped waiting.
            (Some(caller), _) => drop(caller.send(pending.outcome)),
            (None, Ok(())) => self.pushes.resubscribed(),
            (None, Err(error)) if error.kind == RedisErrorKind::Reply => {
                self.pushes.resubscription_refused(error);
            }
            // The connection was lost again, and with the next one all this begins anew.
            (None, Err(_)) => {}
        }
    }
}

impl SubscriptionTable {
    fn ask(
        &mut self,
        names: Vec<(Verb, Vec<u8>)>,
        caller: Option<oneshot::Sender<Result<(), RedisError>>>,
    ) -> Commands {
        let mut commands = Commands::default();
        if names.is_empty() {
            if let Some(caller) = caller {
                // The caller has not begun to wait yet.
                let _ = caller.send(Ok(()));
            }
            return commands;
        }
        let id = self.next;
        self.next += 1;
        for (index, (verb, name)) in names.iter().enumerate() {
            let tag = Destination::Sink(ReplyTag { kind: 0, index: index as u32, id });
            commands.begin(verb.command(), 2).arg(name);
            match caller {
                Some(_) => commands.end(tag),
                // A connection that is lost meanwhile starts over with all names.
                None => commands.end_once(tag),
            }
        }
        let missing = names.len();
        self.pending.insert(id, PendingSubscribe { names, missing, outcome: Ok(()), caller });
        commands
    }

    /// Applies a reply. Returns the call if it was its last one.
    fn answer(&mut self, tag: ReplyTag, outcome: Result<(), RedisError>) -> Option<PendingSubscribe> {
        let pending = self.pending.get_mut(&tag.id)?;
        pending.missing -= 1;
        let is_last = pending.missing == 0;
        match outcome {
            // Subscribing again changes nothing in the table, or it would bring back what was given up meanwhile.
            Ok(()) if pending.caller.is_some() => {
                let (verb, name) = pending.names.get(tag.index as usize)?.clone();
                self.apply(verb, name);
            }
            Ok(()) => {}
            Err(error) => {
                let (verb, name) = pending.names.get(tag.index as usize)?.clone();
                if pending.outcome.is_ok() {
                    pending.outcome = Err(error);
                }
                // A node that has lost the slot of a channel has ended its subscription too.
                if verb == Verb::SUnsubscribe {
                    self.apply(verb, name);
                }
            }
        }
        if is_last { self.pending.remove(&tag.id) } else { None }
    }

    fn apply(&mut self, verb: Verb, name: Vec<u8>) {
        match verb {
            Verb::Subscribe => self.channels.insert(name),
            Verb::PSubscribe => self.patterns.insert(name),
            Verb::SSubscribe => self.sharded.insert(name),
            Verb::Unsubscribe => self.channels.remove(&name),
            Verb::PUnsubscribe => self.patterns.remove(&name),
            Verb::SUnsubscribe => self.sharded.remove(&name),
        };
    }

    /// Names that a new connection must subscribe, without those whose unsubscription was sent first.
    fn to_resubscribe(&self) -> Vec<(Verb, Vec<u8>)> {
        let asked: Vec<&(Verb, Vec<u8>)> = self.pending.values().flat_map(|pending| &pending.names).collect();
        let given_up =
            |verb: Verb, name: &Vec<u8>| asked.iter().any(|(asked, of)| *asked == verb && of == name);
        let channels = self.channels.iter().filter(|name| !given_up(Verb::Unsubscribe, name));
        let patterns = self.patterns.iter().filter(|name| !given_up(Verb::PUnsubscribe, name));
        let sharded = self.sharded.iter().filter(|name| !given_up(Verb::SUnsubscribe, name));
        let channels = channels.map(|name| (Verb::Subscribe, name.clone()));
        let patterns = patterns.map(|name| (Verb::PSubscribe, name.clone()));
        channels.chain(patterns).chain(sharded.map(|name| (Verb::SSubscribe, name.clone()))).collect()
    }
}

impl Verb {
    fn command(self) -> &'static str {
        match self {
            Self::Subscribe => "SUBSCRIBE",
            Self::PSubscribe => "PSUBSCRIBE",
            Self::SSubscribe => "SSUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::PUnsubscribe => "PUNSUBSCRIBE",
            Self::SUnsubscribe => SUNSUBSCRIBE,
        }
    }
}

impl ReplySink for SubscriptionTracker {
    fn reply(&self, tag: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        let concluded = self.table().answer(tag, outcome.map(drop));
        if let Some(pending) = concluded {
            self.complete(pending);
        }
    }
}

impl LinkPolicy for SubscriptionTracker {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.policy.retry_delay(attempt)
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        match state {
            LinkState::Ready => self.subscribe_again(),
            LinkState::Close if !self.resubscribe => {
                let mut table = self.table();
                table.channels.clear();
                table.patterns.clear();
                table.sharded.clear();
            }
            _ => {}
        }
        self.policy.state_changed(state, error);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn tag(id: u64, index: u32) -> ReplyTag {
        ReplyTag { kind: 0, index, id }
    }

    fn ask(
        table: &mut SubscriptionTable,
        verb: Verb,
        names: &[&str],
    ) -> oneshot::Receiver<Result<(), RedisError>> {
        let (sender, receiver) = oneshot::channel();
        table.ask(names.iter().map(|name| (verb, name.as_bytes().to_vec())).collect(), Some(sender));
        receiver
    }

    #[test]
    fn a_refused_name_is_left_out_and_the_others_stay() {
        let mut table = SubscriptionTable::default();
        let _caller = ask(&mut table, Verb::Subscribe, &["a", "b", "c"]);
        let refusal = RedisError::reply(b"NOPERM no", "SUBSCRIBE", &Arc::from("node"));
        assert!(table.answer(tag(0, 0), Ok(())).is_none());
        assert!(table.answer(tag(0, 1), Err(refusal.clone())).is_none());
        let pending = table.answer(tag(0, 2), Ok(())).expect("the last reply");
        assert_eq!(pending.outcome, Err(refusal));
        assert_eq!(
            table.to_resubscribe(),
            [(Verb::Subscribe, b"a".to_vec()), (Verb::Subscribe, b"c".to_vec())]
        );
        assert!(table.pending.is_empty());
    }

    #[test]
    fn what_is_being_given_up_is_not_subscribed_again() {
        let mut table = SubscriptionTable::default();
        let _caller = ask(&mut table, Verb::PSubscribe, &["a*", "b*"]);
        table.answer(tag(0, 0), Ok(()));
        table.answer(tag(0, 1), Ok(()));
        let _caller = ask(&mut table, Verb::PUnsubscribe, &["a*"]);
        assert_eq!(table.to_resubscribe(), [(Verb::PSubscribe, b"b*".to_vec())]);
        table.answer(tag(1, 0), Ok(()));
        assert_eq!(table.to_resubscribe(), [(Verb::PSubscribe, b"b*".to_vec())]);
    }

    #[test]
    fn asking_for_nothing_is_answered_at_once() {
        let mut answer = ask(&mut SubscriptionTable::default(), Verb::Subscribe, &[]);
        assert_eq!(answer.try_recv(), Ok(Ok(())));
    }
}
