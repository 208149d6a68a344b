//! Sends that wait for the subscriptions to their completions, in their order. Pure.

use crate::redis_io::options::QueueLimit;

use crate::engine::host::RequestId;
use crate::engine::producer::sending::send_payload::SendPayload;
use crate::engine::producer::sending::send_plan::QueuedSend;
use crate::engine::producer::transaction::SendTransaction;
use crate::redis_io::world::map::{HashMap, HashSet};

/// One send that waits.
#[derive(Debug)]
pub(crate) enum HeldSend {
    /// One job.
    Single(QueuedSend),
    /// Jobs of one transaction.
    Transaction(SendTransaction),
}

impl HeldSend {
    /// Request of the send.
    pub(crate) fn request(&self) -> RequestId {
        match self {
            Self::Single(queued) => queued.request,
            Self::Transaction(transaction) => transaction.request,
        }
    }

    /// Its jobs.
    pub(crate) fn jobs(&self) -> &[QueuedSend] {
        match self {
            Self::Single(queued) => std::slice::from_ref(queued),
            Self::Transaction(transaction) => &transaction.sends,
        }
    }

    /// Returns true if its commands alone exceed a limit. Names and the framing of words do not count.
    pub(crate) fn exceeds(&self, limit: QueueLimit) -> bool {
        let is_bound = matches!(self, Self::Transaction(_)) || self.jobs().iter().any(QueuedSend::has_keys);
        let payloads = || self.jobs().iter().filter_map(|queued| queued.payload.as_deref());
        let keys: usize = payloads().map(SendPayload::keys).sum();
        let size: usize = payloads().map(SendPayload::size).sum();
        // MULTI and EXEC come with the others.
        is_bound && (2 + self.jobs().len() + keys > limit.commands || size > limit.bytes)
    }

    fn streams(&self) -> impl Iterator<Item = &String> {
        self.jobs().iter().map(|queued| &queued.plan.stream)
    }
}

/// All sends of a producer that wait. Those of one stream leave in their order, also behind a transaction that waits for
/// another stream.
#[derive(Debug, Default)]
pub(crate) struct HeldSends {
    sends: Vec<HeldSend>,
    /// Number of jobs that wait, by stream.
    streams: HashMap<String, usize>,
}

impl HeldSends {
    /// Returns true if a job for the stream waits.
    pub(crate) fn has(&self, stream: &str) -> bool {
        self.streams.contains_key(stream)
    }

    /// Returns true if `limit` jobs for each stream leave room for a send. A send that waits alone always fits.
    pub(crate) fn has_room(&self, send: &HeldSend, limit: usize) -> bool {
        let count = send.jobs().len();
        send.streams().all(|stream| self.streams.get(stream).is_none_or(|waiting| waiting + count <= limit))
    }

    /// Adds a send behind the others.
    pub(crate) fn push(&mut self, send: HeldSend) {
        for stream in send.streams() {
            match self.streams.get_mut(stream) {
                Some(count) => *count += 1,
                None => drop(self.streams.insert(stream.clone(), 1)),
            }
        }
        self.sends.push(send);
    }

    /// Takes the sends that can leave: all of their streams are open, and no earlier send for one of these waits on.
    /// Transactions wait on unless `can_transact`.
    pub(crate) fn take_ready(&mut self, can_transact: bool, is_open: impl Fn(&str) -> bool) -> Vec<HeldSend> {
        let mut blocked: HashSet<String> = HashSet::default();
        let mut ready = Vec::new();
        for send in std::mem::take(self).sends {
            let is_allowed = can_transact || matches!(send, HeldSend::Single(_));
            if is_allowed && send.streams().all(|stream| is_open(stream) && !blocked.contains(stream)) {
                ready.push(send);
                continue;
            }
            for stream in send.streams().filter(|stream| is_open(stream)) {
                if !blocked.contains(stream) {
                    blocked.insert(stream.clone());
                }
            }
            self.push(send);
        }
        ready
    }

    /// Takes the requests of all sends with a job for the stream.
    pub(crate) fn take_of(&mut self, stream: &str) -> Vec<RequestId> {
        self.take_if(|send| send.streams().any(|one| one == stream))
    }

    /// Takes the requests of all transactions.
    pub(crate) fn take_transactions(&mut self) -> Vec<RequestId> {
        self.take_if(|send| matches!(send, HeldSend::Transaction(_)))
    }

    fn take_if(&mut self, is_taken: impl Fn(&HeldSend) -> bool) -> Vec<RequestId> {
        let (taken, left): (Vec<_>, Vec<_>) = std::mem::take(self).sends.into_iter().partition(is_taken);
        for send in left {
            self.push(send);
        }
        taken.iter().map(HeldSend::request).collect()
    }

    /// The requests of all sends.
    pub(crate) fn requests(&self) -> impl Iterator<Item = RequestId> {
        self.sends.iter().map(HeldSend::request)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::producer::sending::send_payload::PayloadValue;
    use crate::engine::producer::sending::send_plan::SendPlan;

    fn job(stream: &str, request: RequestId) -> QueuedSend {
        QueuedSend {
            plan: Arc::new(SendPlan::awaiting(stream, &[])),
            job: "J".to_owned(),
            capped: 0,
            record: 0,
            headers: None,
            key: None,
            payload: None,
            once: None,
            request,
            wait: None,
            ends_at_error: false,
        }
    }

    fn held(sends: &[(RequestId, &[&str])]) -> HeldSends {
        let mut held = HeldSends::default();
        for (request, streams) in sends {
            let mut jobs: Vec<_> = streams.iter().map(|stream| job(stream, *request)).collect();
            held.push(match jobs.len() {
                1 => HeldSend::Single(jobs.remove(0)),
                _ => HeldSend::Transaction(SendTransaction { request: *request, sends: jobs }),
            });
        }
        held
    }

    fn ready(held: &mut HeldSends, open: &[&str]) -> Vec<RequestId> {
        held.take_ready(true, |stream| open.contains(&stream)).iter().map(HeldSend::request).collect()
    }

    #[test]
    fn a_send_leaves_once_its_streams_are_open() {
        let mut held = held(&[(1, &["a"]), (2, &["b"]), (3, &["a"])]);
        assert_eq!(ready(&mut held, &["a"]), [1, 3]);
        assert!(!held.has("a") && held.has("b"));
        assert_eq!(ready(&mut held, &["a", "b"]), [2]);
        assert!(!held.has("b"));
    }

    #[test]
    fn no_send_overtakes_a_transaction_that_waits_for_another_stream() {
        let mut held =
            held(&[(1, &["a"]), (2, &["a", "b"]), (3, &["a"]), (4, &["c"]), (5, &["c", "a"]), (6, &["c"])]);
        assert_eq!(ready(&mut held, &["a", "c"]), [1, 4]);
        assert!(["a", "b", "c"].iter().all(|stream| held.has(stream)));
        assert_eq!(ready(&mut held, &["a", "b", "c"]), [2, 3, 5, 6]);
    }

    #[test]
    fn transactions_wait_until_they_are_allowed() {
        let mut held = held(&[(1, &["a", "b"]), (2, &["a"]), (3, &["c"])]);
        let ready: Vec<_> = held.take_ready(false, |_| true).iter().map(HeldSend::request).collect();
        assert_eq!(ready, [3]);
        assert_eq!(held.take_transactions(), [1]);
        assert_eq!(held.requests().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_refused_stream_takes_its_transactions_with_it() {
        let mut held = held(&[(1, &["a"]), (2, &["a", "b"]), (3, &["a"])]);
        assert_eq!(held.take_of("b"), [2]);
        assert_eq!(held.requests().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(ready(&mut held, &["a"]), [1, 3]);
    }

    #[test]
    fn a_send_that_exceeds_the_limit_alone_is_found() {
        let exceeds = |send: &HeldSend, commands, bytes| send.exceeds(QueueLimit { commands, bytes });
        let single = HeldSend::Single(job("a", 1));
        assert!(!exceeds(&single, 1, 0), "one command");
        let pair =
            || HeldSend::Transaction(SendTransaction { request: 1, sends: vec![job("a", 1), job("a", 1)] });
        assert!(exceeds(&pair(), 3, 0) && !exceeds(&pair(), 4, 0));
        let value = |is_carried| PayloadValue {
            key: "k".into(),
            value: Box::from(&b"12345"[..]),
            expiry: 0,
            is_key: true,
            is_carried,
        };
        let payload = SendPayload { values: vec![value(true), value(false)], ..SendPayload::default() };
        let with_keys = HeldSend::Single(QueuedSend { payload: Some(Box::new(payload)), ..job("a", 1) });
        assert!(exceeds(&with_keys, 4, 15) && exceeds(&with_keys, 5, 14) && !exceeds(&with_keys, 5, 15));
    }

    #[test]
    fn the_room_is_counted_by_stream() {
        let sends = held(&[(1, &["a"]), (2, &["a", "b"])]);
        let single = |stream| HeldSend::Single(job(stream, 9));
        assert!(sends.has_room(&single("a"), 3) && !sends.has_room(&single("a"), 2));
        assert!(sends.has_room(&single("b"), 2) && sends.has_room(&single("c"), 1));
        let large =
            HeldSend::Transaction(SendTransaction { request: 9, sends: vec![job("c", 9), job("c", 9)] });
        assert!(sends.has_room(&large, 1), "a send that waits alone");
    }
}
