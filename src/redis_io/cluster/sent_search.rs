//! Sends of a lost connection to a node of a Cluster: those whose entries are in their streams end, before the others are
//! written to the nodes that own the streams now.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::redis_io::address::Address;
use crate::redis_io::cluster::pool::Target;
use crate::redis_io::cluster::state::{ClusterState, PATIENCE};
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::lost_session::LostSession;
use crate::redis_io::connection::redirector::Redirector;
use crate::redis_io::connection::request_queue::RequestQueue;
use crate::redis_io::connection::resend::{MOST_FAILURES, deliver, note, take_found};
use crate::redis_io::connection::resend_check::{ClientIdentity, FoundSend, ResendCheck};
use crate::redis_io::connection::sent_streams::SentStreams;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::resp::Value;
use crate::redis_io::world::fault::planted;

/// Minimum time between two searches.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

impl ClusterState {
    /// Submits the commands of the connection to `node` again, once its sends were searched for.
    pub(crate) fn search_and_requeue(&self, lost: LostSession, node: &str, error: RedisError) {
        let LostSession { mut queue, sent, client } = lost;
        let known = {
            let mut inner = self.lock();
            if let Some(sent) = &sent {
                inner.sent.absorb(sent);
            }
            let checks = self.checks_sends && !inner.closing && queue.uncertain() > 0;
            checks.then(|| inner.known_sends())
        };
        let known = known.filter(|sent| ResendCheck::new(&queue, sent, None, 0).is_some());
        let (Some(shared), Some(known)) = (self.this.upgrade(), known) else {
            return self.requeue_all(queue.take_commands(), error);
        };
        self.topology.refresh();
        queue.wait_since(Instant::now());
        let (extent, node) = (queue.extent(), Address::parse(node));
        self.lock().held += extent;
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = shared.is_gone() => {}
                () = shared.resolve_sent(&mut queue, &known, (client, node)) => {}
            }
            shared.lock().held -= extent;
            shared.requeue_all(queue.take_commands(), error);
        });
    }

    /// Ends the sends whose entries are found. A search that fails begins again with smaller pages, a limited number of
    /// times. Later sends of another connection can be confirmed meanwhile, so `sent` is that of the lost connection's end.
    async fn resolve_sent(
        &self,
        queue: &mut RequestQueue,
        sent: &SentStreams,
        (mut client, node): (Option<ClientIdentity>, Option<Address>),
    ) {
        let (pause, deadline) = (self.topology.options().failover_delay, Instant::now() + PATIENCE);
        for failures in 0..MOST_FAILURES {
            tokio::time::sleep_until(deadline.min(Instant::now() + pause.max(SHORTEST_PAUSE))).await;
            let previous = client.take().filter(|_| node.is_some());
            let Some(mut check) = ResendCheck::new(queue, sent, previous, failures) else { return };
            match timeout_at(deadline, self.search(&mut check, node.as_ref())).await {
                Ok(Ok(())) => return self.end_found(queue, &check.found()),
                Ok(Err(_)) => {}
                Err(_) => return,
            }
        }
    }

    /// Searches the streams on the nodes that own them. The end of the lost client goes to its node, ahead of the queries there.
    async fn search(&self, check: &mut ResendCheck, node: Option<&Address>) -> Result<(), RedisError> {
        loop {
            let (mut queries, mut replies) = (Commands::default(), Vec::new());
            let mut answers = Vec::new();
            check.pack().take_each(|mut meta, bytes| {
                if let (Some(node), "CLIENT") = (node, meta.name) {
                    let mut end = Commands::default();
                    end.append(meta, bytes);
                    end.send_once();
                    self.send(vec![(Target::of(node.clone()), end)]);
                    replies.push(Value::Nil);
                    return;
                }
                let (sender, answer) = oneshot::channel();
                meta.destination = Destination::Task(sender);
                queries.append(meta, bytes);
                answers.push(answer);
            });
            if answers.is_empty() {
                return Ok(());
            }
            self.submit_again(queries);
            for answer in answers {
                replies.push(page(answer.await.unwrap_or_else(|_| Err(RedisError::closed())))?);
            }
            check.read(replies);
        }
    }

    fn end_found(&self, queue: &mut RequestQueue, found: &[FoundSend]) {
        if planted("found send of a Cluster is sent again") {
            return;
        }
        note(&mut self.lock().sent, found);
        let taken = take_found(queue, found);
        if !taken.is_empty() {
            deliver(self.sink.as_ref(), found, taken);
            self.sink.burst_end();
        }
    }
}

/// A refusal ends the search in its stream. Any other error ends all of it.
fn page(reply: Result<Value, RedisError>) -> Result<Value, RedisError> {
    match reply {
        Err(error) if error.kind == RedisErrorKind::Reply && !error.is_passing() => Ok(Value::Nil),
        other => other,
    }
}
