//! What a user listens to.

use crate::redis_io::glob;

/// Streams that the user listens to.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) stream: String,
    pub(super) pattern: String,
    pub(super) confirmed: bool,
}

impl Listening {
    /// A name without `*` means that very stream.
    pub(super) fn matches(&self, stream: &str) -> bool {
        match self.stream.contains('*') {
            true => glob::matches(self.stream.as_bytes(), stream.as_bytes()),
            false => self.stream == stream,
        }
    }
}
