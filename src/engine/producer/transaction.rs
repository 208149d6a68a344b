//! Jobs that are sent in one transaction. Pure.

use crate::engine::host::RequestId;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::producer::sending::send_plan::QueuedSend;

/// Jobs of one request, all on one server.
#[derive(Debug)]
pub struct SendTransaction {
    /// Request that the jobs belong to.
    pub request: RequestId,
    /// The jobs, in the order of their entries.
    pub sends: Vec<QueuedSend>,
}

/// Replies of one job within the reply to EXEC.
#[derive(Debug)]
pub(crate) struct TransactionPart {
    /// Number of its replies.
    pub(crate) replies: usize,
    /// The host's number for its wait.
    pub(crate) wait: Option<u32>,
}

/// Right of the user to transactions, as far as it is known. Without it Redis refuses MULTI and executes the commands behind
/// it one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Transacting {
    /// No transaction was sent yet.
    #[default]
    Unknown,
    /// An empty transaction is under way.
    Asked,
    /// Redis has executed a transaction.
    Allowed,
}

impl SendTransaction {
    /// Index of the node. All jobs have the same.
    pub(crate) fn node(&self, node_set: &NodeSet) -> usize {
        self.sends.first().map_or(0, |queued| queued.node(node_set))
    }
}
