//! One job on its way.

use std::sync::Arc;

use crate::engine::host::RequestId;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::producer::send_plan::SendPlan;

/// One job to send.
#[derive(Clone, Debug)]
pub struct QueuedSend {
    /// Where to.
    pub plan: Arc<SendPlan>,
    /// The job's id.
    pub job: String,
    /// The stream is trimmed to about so many entries; 0 does not.
    pub capped: u64,
    /// For how many ms the outcome is recorded in Redis, for who waits; 0 does not.
    pub record: u64,
    /// What is sent along for who watches, as JSON.
    pub headers: Option<Box<str>>,
    /// Who asks.
    pub request: RequestId,
    /// The host's number for the wait, if completions are waited for.
    pub wait: Option<u32>,
    /// Whether the wait is over at the first error.
    pub ends_at_error: bool,
}

impl QueuedSend {
    /// The index of the node it goes to.
    pub fn node(&self, node_set: &NodeSet) -> usize {
        self.plan.node(node_set, &self.job)
    }
}
