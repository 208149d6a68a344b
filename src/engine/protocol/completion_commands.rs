//! Packs the command that publishes a completion.
//!
//! On a Cluster, a message of `PUBLISH` goes to every node. One of `SPUBLISH` stays on the node of its channel's slot.

use crate::redis_io::command::{Commands, Destination};

/// Head of the channels of a stream. The id of the producer follows.
#[derive(Clone, Copy, Debug)]
pub enum ChannelHead<'a> {
    /// Channel of `PUBLISH`.
    Ordinary(&'a str),
    /// Channel of `SPUBLISH`, in the slot of the stream.
    Sharded(&'a str),
}

/// Packs the `PUBLISH` or `SPUBLISH` of a completion on the channel of `producer`.
pub fn pack_completion(
    commands: &mut Commands,
    (head, producer): (ChannelHead<'_>, &str),
    message: &str,
    to: Destination,
) {
    match head {
        ChannelHead::Ordinary(head) => {
            commands.begin("PUBLISH", 3).arg_parts(&[head.as_bytes(), producer.as_bytes()]);
        }
        ChannelHead::Sharded(head) => {
            commands.begin("SPUBLISH", 3).key_parts(&[head.as_bytes(), producer.as_bytes()]);
        }
    }
    commands.arg(message.as_bytes()).end(to);
}
