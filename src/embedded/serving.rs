//! Serves blocked readers.

use crate::embedded::clients::client_id::ClientId;
use crate::embedded::clients::waiting::GroupReader;
use crate::embedded::core::Core;
use crate::embedded::key::Key;
use crate::embedded::keyspace::StoredValue;
use crate::embedded::protocol::command_error::CommandError;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::streams::delivery::{ReadCursor, read_after};
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id::GREATEST;

const GROUP_IS_GONE: CommandError =
    CommandError::new("NOGROUP the consumer group this client was blocked on no longer exists");
const STREAM_IS_GONE: CommandError = CommandError::new("UNBLOCKED the stream key no longer exists");

/// Serves those who wait for what a command has changed, in the order in which they came.
pub fn serve_ready(core: &mut Core) {
    while let Some(key) = core.waiting.next_ready() {
        for id in core.waiting.queue(&key) {
            serve(core, id, &key);
        }
    }
}

fn serve(core: &mut Core, id: ClientId, key: &Key) {
    let Some(blocked) = core.clients.get(&id).and_then(|client| client.blocked.clone()) else { return };
    let mut reply = ReplyBuffer::default();
    match (&blocked.reader, core.keyspace.get(key)) {
        (None, Some(StoredValue::Stream(stream))) => {
            let after = blocked.streams.iter().find(|(one, _)| one == key).map_or(GREATEST, |(_, id)| *id);
            // The new entry can be deleted already. The reply is empty then, and the read still ends.
            if stream.log.last <= after {
                return;
            }
            reply.array(1);
            reply.array(2);
            reply.bulk(key);
            read_after(&stream.log, after, blocked.count, &mut reply);
        }
        (None, _) => return,
        (Some(reader), Some(StoredValue::Stream(_))) => {
            if !serve_reader(core, key, reader, blocked.count, &mut reply) {
                return;
            }
        }
        (Some(_), _) => reply.error(&STREAM_IS_GONE),
    }
    let bytes = reply.into_bytes();
    #[cfg(feature = "simulation")]
    if let Some(reader) = &blocked.reader {
        note_read(core.port, (key, reader, blocked.count), &bytes);
    }
    core.release(id, |reply| reply.raw(&bytes));
}

/// Returns whether the reader got something, if only that its group is gone.
fn serve_reader(
    core: &mut Core,
    key: &Key,
    reader: &GroupReader,
    count: usize,
    reply: &mut ReplyBuffer,
) -> bool {
    let now = core.clock.now();
    let Core { keyspace, chaos, .. } = core;
    let served = keyspace.change_stream(key, |Stream { log, groups }| {
        let Some(group) = groups.get_mut(&reader.group) else {
            reply.error(&GROUP_IS_GONE);
            return true;
        };
        if log.last <= group.last && group.again.is_empty() {
            return false;
        }
        let (consumer, _) = group.meet(&reader.consumer, now);
        let mut cursor = ReadCursor { log, group, consumer, no_ack: reader.no_ack, count, now, chaos };
        reply.array(1);
        cursor.read_new(key, reply);
        true
    });
    served.is_ok_and(|served| served == Some(true))
}

/// Notes a read that waited, as if its reply had been there at once.
#[cfg(feature = "simulation")]
fn note_read(port: u16, (key, reader, count): (&Key, &GroupReader, usize), reply: &[u8]) {
    let count = count.to_string();
    let words: [&[u8]; 9] = [
        b"XREADGROUP",
        b"GROUP",
        &reader.group,
        &reader.consumer,
        b"COUNT",
        count.as_bytes(),
        b"STREAMS",
        key,
        b">",
    ];
    crate::redis_io::world::simulation::executed(port, &words, reply);
}
