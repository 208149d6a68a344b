//! What a user listens to.

use crate::redis_io::glob;

/// Streams that the user listens to.
#[derive(Debug)]
pub(crate) struct ListenedStream {
    pub(crate) stream: String,
    pub(crate) pattern: String,
    pub(crate) confirmed: bool,
}

impl ListenedStream {
    /// A name without `*` means that very stream.
    pub(crate) fn matches(&self, stream: &str) -> bool {
        match self.stream.contains('*') {
            true => glob::matches(self.stream.as_bytes(), stream.as_bytes()),
            false => self.stream == stream,
        }
    }
}
