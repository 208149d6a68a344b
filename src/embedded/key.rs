//! Keys, and other names that several places share.

use std::sync::Arc;

/// Name of a key, channel, group or consumer.
pub type Key = Arc<[u8]>;
