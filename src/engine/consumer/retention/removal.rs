//! Removal of the entries of a stream below an id, in portions.

use tokio::time::Instant;

use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::streams::trim::Trim;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::retention::stream::{RetainedStream, StreamRetention};

/// Maximum number of entries that one command removes, so that no other command waits long.
const MOST: u64 = 100_000;
/// Maximum number of such commands in one cycle of a stream, so that the lease is renewed in time.
const MOST_PORTIONS: u32 = 16;

/// Conditions of a removal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemovalRight {
    /// Number of the session that the boundary was read in. After a failover another server can know fewer
    /// acknowledgements.
    pub(crate) session: u64,
    /// Time until which the lease holds.
    pub(crate) until: Instant,
}

/// Result of a removal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal {
    /// Number of removed entries.
    pub(crate) removed: u64,
    /// False if entries are left for the next cycle.
    pub(crate) is_whole: bool,
}

impl Consumer {
    /// Removes the entries below an id. Whole nodes of the stream come first, in portions. `None` if the right was lost
    /// before.
    pub(crate) async fn remove_below(
        &self,
        stream: &RetainedStream,
        retention: &mut StreamRetention,
        below: EntryId,
        right: RemovalRight,
    ) -> Result<Option<Removal>, RedisError> {
        let (mut removed, mut portions) = (0, 0);
        let mut limit = Some(MOST);
        while portions < MOST_PORTIONS {
            if Instant::now() >= right.until || self.shared(stream.lane).session() != right.session {
                break;
            }
            let trim = Trim { below, limit, checks_groups: !retention.has_no_group_check };
            let reply = self.ask(stream.lane, |commands, to| trim.pack(commands, &stream.key, to)).await;
            let count = match reply {
                Err(error) if trim.checks_groups && error.reply_code() == Some("ERR") => {
                    retention.has_no_group_check = true;
                    continue;
                }
                reply => match reply? {
                    Value::Integer(count) => u64::try_from(count).unwrap_or(0),
                    _ => 0,
                },
            };
            (removed, portions) = (removed + count, portions + 1);
            if limit.is_none() {
                return Ok(Some(Removal { removed, is_whole: true }));
            }
            // A portion that is not full was the last one of whole nodes.
            limit = limit.filter(|_| count >= MOST / 2);
        }
        Ok((portions > 0).then_some(Removal { removed, is_whole: false }))
    }
}
