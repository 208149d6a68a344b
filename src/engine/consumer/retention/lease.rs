//! Lease of a stream: one consumer at a time removes its acknowledged entries. Two at once do no harm, since each removes
//! only what all groups have acknowledged.

use tokio::time::Instant;

use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;

use crate::engine::consumer::Consumer;
use crate::engine::options::retention::RetentionOptions;
use crate::engine::protocol::retention_mark::RetentionMark;

impl Consumer {
    /// Acquires or renews the lease of a stream. Returns the time until which it holds; `None` if another consumer has
    /// it. Without memory Redis refuses a new lease. The stream has none then, since removals are what frees memory.
    pub(crate) async fn lease_stream(
        &self,
        lane: usize,
        stream: &str,
        options: RetentionOptions,
    ) -> Result<Option<Instant>, RedisError> {
        let (asked, time) = (Instant::now(), options.lease());
        let node = self.node(lane).clone();
        let key = node.keys().retention_lease(stream);
        let ms = time.as_millis() as u64;
        let acquire = self.ask(lane, |commands, to| {
            commands.begin("SET", 6).key_parts(&key).arg(self.options.id.as_bytes());
            commands.arg(b"PX").arg_number(ms).arg(b"NX").end(to);
        });
        let read = self.ask(lane, |commands, to| commands.begin("GET", 2).key_parts(&key).end(to));
        let (acquired, owner) = tokio::join!(acquire, read);
        let is_refused = acquired.as_ref().is_err_and(is_out_of_memory);
        if !is_refused && !matches!(acquired?, Value::Nil) {
            return Ok(Some(asked + time));
        }
        match owner?.bytes() {
            None if is_refused => return Ok(Some(asked + time)),
            Some(owner) if owner == self.options.id.as_bytes() => {}
            _ => return Ok(None),
        }
        let renew = self.ask(lane, |commands, to| {
            commands.begin("PEXPIRE", 3).key_parts(&key).arg_number(ms).end(to);
        });
        let renew_mark =
            self.ask(lane, |commands, to| RetentionMark::pack_renewal(commands, node.keys(), stream, to));
        let (renewed, _) = tokio::join!(renew, renew_mark);
        Ok(matches!(renewed?, Value::Integer(1)).then_some(asked + time))
    }
}

/// Returns true if Redis has refused a command that needs memory. Commands that need none are executed.
pub(crate) fn is_out_of_memory(error: &RedisError) -> bool {
    error.reply_code() == Some("OOM")
}
