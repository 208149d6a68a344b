//! Looks once into Redis for waits whose time is over, to say why their jobs are not finished.
//!
//! Whoever waits hears that the time is over only after that look, so it is a short one: without an answer in time, or
//! without a connection, there is none. Waits whose time is over at the same time are looked at together.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::redis_io::link::LinkState;

use crate::engine::host::{Event, Payload, RequestId};
use crate::engine::producer::Producer;
use crate::engine::producer::completion_wait::WaitSnapshot;

/// Waits whose time is over soon after each other are looked at together.
const TOGETHER: Duration = Duration::from_millis(10);
/// How long the answers may take.
const PATIENCE: Duration = Duration::from_millis(240);

/// A wait whose time is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpiredWait {
    wait: u32,
    request: RequestId,
}

impl Producer {
    /// Tells the request why the job of a wait is not finished, as the JSON of a [`Diagnosis`], if that can be said soon.
    pub fn diagnose(self: &Arc<Self>, wait: u32, request: RequestId) {
        let is_first = {
            let expired = &mut self.lock().expired;
            expired.push(ExpiredWait { wait, request });
            expired.len() == 1
        };
        if is_first {
            let producer = self.clone();
            self.node_set.context().tasks.spawn(async move {
                tokio::time::sleep(TOGETHER).await;
                producer.look().await;
            });
        }
    }

    /// The requests of those that nobody looks at any more.
    pub(crate) fn dismiss(&self, expired: Vec<ExpiredWait>) {
        for ExpiredWait { request, .. } in expired {
            self.node_set.context().host.event(Event::Done { request });
        }
    }

    async fn look(&self) {
        let (expired, cases) = {
            let mut state = self.lock();
            let expired = std::mem::take(&mut state.expired);
            let case = |one: &ExpiredWait| Some((one.request, state.completions.case(one.wait)?));
            let cases: Vec<(RequestId, WaitSnapshot)> = expired.iter().filter_map(case).collect();
            (expired, cases)
        };
        let cases: Vec<_> = cases.into_iter().filter(|(_, case)| self.is_connected(case)).collect();
        let said = timeout(PATIENCE, self.examine(&cases, PATIENCE)).await.unwrap_or_default();
        let host = &self.node_set.context().host;
        for (request, text) in said {
            let payload = Payload::Text(text.as_bytes());
            host.event(Event::Value { request, index: 0, payload });
        }
        self.dismiss(expired);
        host.wake();
    }

    fn is_connected(&self, case: &WaitSnapshot) -> bool {
        let node = &self.node_set.nodes()[case.plan.node(&self.node_set, &case.job)];
        node.shared().current().is_some_and(|link| link.state() == LinkState::Ready)
    }
}
