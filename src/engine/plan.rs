//! Where jobs of one kind go: a stream, and the groups whose completions count. Made once, used by every send.

use crate::redis_io::command::{Commands, Destination, Ticket};
use crate::redis_io::keys::Keys;

use super::host::RequestId;
use super::replies::Kind;

/// A stream and the groups awaited there.
#[derive(Debug)]
pub struct Plan {
    /// The stream's name, without prefix.
    pub stream: String,
    /// The groups awaited, each once.
    pub groups: Vec<String>,
    key: String,
}

impl Plan {
    /// A plan for `stream`; repeated groups count once.
    pub fn new(keys: &Keys, stream: &str, groups: &[String]) -> Self {
        let mut distinct: Vec<String> = Vec::with_capacity(groups.len());
        for group in groups {
            if !distinct.contains(group) {
                distinct.push(group.clone());
            }
        }
        Self { stream: stream.to_owned(), groups: distinct, key: keys.stream(stream) }
    }

    /// Packs the XADD of one job. `capped` bounds the stream's length approximately; 0 does not.
    pub fn pack(&self, commands: &mut Commands, producer: &str, job: &str, capped: u64, request: RequestId) {
        let words = if capped > 0 { 10 } else { 7 };
        commands.begin("XADD", words).arg(self.key.as_bytes());
        if capped > 0 {
            commands.arg(b"MAXLEN").arg(b"~").arg_number(capped);
        }
        commands.arg(b"*").arg(b"prd").arg(producer.as_bytes()).arg(b"job").arg(job.as_bytes());
        commands.end(Destination::Sink(Ticket { kind: Kind::Last as u8, index: 0, id: u64::from(request) }));
    }
}
