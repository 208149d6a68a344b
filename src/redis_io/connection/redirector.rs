//! Seam between a connection and the Cluster that it belongs to.

use crate::redis_io::command::{CommandMeta, Commands};
use crate::redis_io::connection::lost_session::LostSession;
use crate::redis_io::error::RedisError;

/// Takes commands that another node must serve, or the same node later.
///
/// Runs on the engine's thread or on the submitting one. No lock of the connection is held.
pub(crate) trait Redirector: Send + Sync {
    /// Returns true if an error reply says that Redis did not execute the command and another attempt can succeed.
    fn should_redirect(&self, error: &RedisError) -> bool;

    /// Takes a command with such a reply. [`Redirector::burst_end`] sends it on.
    fn redirect(&self, meta: CommandMeta, bytes: Vec<u8>, error: RedisError);

    /// Takes commands for a connection that has ended.
    fn requeue_all(&self, commands: Commands, error: RedisError);

    /// Takes the commands of the connection to `node` that ended. Those that it has written were executed or not.
    fn requeue_lost(&self, lost: LostSession, node: &str, error: RedisError);

    /// Ends a burst, as [`crate::redis_io::link::ReplySink::burst_end`].
    fn burst_end(&self);
}
