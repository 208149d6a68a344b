//! Packs the command that publishes a completion.

use crate::redis_io::command::{Commands, Destination};

/// Packs the `PUBLISH` of a completion on the channel of `producer`, which begins with `channel_head`.
pub fn pack_completion(
    commands: &mut Commands,
    (channel_head, producer): (&str, &str),
    message: &str,
    to: Destination,
) {
    commands.begin("PUBLISH", 3).arg_parts(&[channel_head.as_bytes(), producer.as_bytes()]);
    commands.arg(message.as_bytes()).end(to);
}
