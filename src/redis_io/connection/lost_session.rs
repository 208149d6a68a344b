//! Rest of a connection to a node of a Cluster, once it has ended.

use crate::redis_io::connection::inner::ConnectionInner;
use crate::redis_io::connection::request_queue::RequestQueue;
use crate::redis_io::connection::resend_check::ClientIdentity;
use crate::redis_io::connection::sent_streams::SentStreams;

/// Rest of a connection to a node of a Cluster. Another connection takes its commands over.
pub(crate) struct LostSession {
    pub(crate) queue: RequestQueue,
    /// Streams that jobs were sent to, if sends are searched for.
    pub(crate) sent: Option<SentStreams>,
    /// Client that the commands were written to.
    pub(crate) client: Option<ClientIdentity>,
}

impl LostSession {
    pub(crate) fn take(inner: &mut ConnectionInner) -> Self {
        let (queue, sent, client) =
            (std::mem::take(&mut inner.queue), inner.sent.take(), inner.client.take());
        Self { queue, sent, client }
    }
}
