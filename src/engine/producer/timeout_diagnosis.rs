//! Diagnosis of waits whose time is over.
//!
//! `finished()` fails only after the diagnosis, so it must be short. Without a reply in time, or without a
//! connection, there is no diagnosis. Waits that end at the same time share one query.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::redis_io::link::LinkState;

use crate::engine::host::{Event, Payload, RequestId};
use crate::engine::producer::Producer;
use crate::engine::producer::completion_wait::WaitSnapshot;
use crate::engine::producer::state::ExpiredWait;

/// Time in which waits that end share one query.
const BATCH_WINDOW: Duration = Duration::from_millis(10);
/// Maximum time of the replies.
const QUERY_TIMEOUT: Duration = Duration::from_millis(240);

impl Producer {
    /// Reports to the request the JSON of a [`Diagnosis`] of its wait, if the replies come in time.
    pub fn diagnose(self: &Arc<Self>, wait: u32, request: RequestId) {
        let is_first = {
            let expired = &mut self.lock().expired;
            expired.push(ExpiredWait { wait, request });
            expired.len() == 1
        };
        if is_first {
            let producer = self.clone();
            self.node_set.context().tasks.spawn(async move {
                tokio::time::sleep(BATCH_WINDOW).await;
                producer.diagnose_expired().await;
            });
        }
    }

    /// Ends the requests of waits without a diagnosis.
    pub(crate) fn dismiss(&self, expired: Vec<ExpiredWait>) {
        for ExpiredWait { request, .. } in expired {
            self.node_set.context().host.event(Event::Done { request });
        }
    }

    async fn diagnose_expired(&self) {
        let (expired, cases) = {
            let mut state = self.lock();
            let expired = std::mem::take(&mut state.expired);
            let case = |one: &ExpiredWait| Some((one.request, state.completions.case(one.wait)?));
            let cases: Vec<(RequestId, WaitSnapshot)> = expired.iter().filter_map(case).collect();
            (expired, cases)
        };
        let cases: Vec<_> = cases.into_iter().filter(|(_, case)| self.is_connected(case)).collect();
        let diagnoses = timeout(QUERY_TIMEOUT, self.examine(&cases, QUERY_TIMEOUT)).await.unwrap_or_default();
        let host = &self.node_set.context().host;
        for (request, text) in diagnoses {
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
