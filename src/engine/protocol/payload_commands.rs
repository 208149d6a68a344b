//! Packs the commands that write, read and remove a job's payload keys.

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::keys::Keys;

use crate::engine::host::RequestId;
use crate::engine::protocol::reply_tag::{LAST, ReplyKind};

/// Packs payload commands of one job for one request. The command that is marked as last ends the request.
pub struct PayloadPacker<'a> {
    /// Buffer for the commands.
    pub commands: &'a mut Commands,
    /// Names of keys.
    pub keys: &'a Keys,
    /// The job's id.
    pub job: &'a str,
    /// Request that the commands belong to.
    pub request: RequestId,
}

impl PayloadPacker<'_> {
    /// `SET`, or `PSETEX` where `timeout` (ms) is not 0.
    pub fn set(&mut self, key: &str, value: &[u8], timeout: u64, last: bool) {
        let to = self.ticket(ReplyKind::Part, 0, last);
        pack_set(self.commands, &self.keys.payload(self.job, key), value, timeout);
        self.commands.end(to);
    }

    /// `GET`; the value is reported under `index`, as text or as bytes.
    pub fn get(&mut self, key: &str, text: bool, index: u32, last: bool) {
        let to = self.ticket(if text { ReplyKind::Text } else { ReplyKind::Bytes }, index, last);
        self.commands.begin("GET", 2).key_parts(&self.keys.payload(self.job, key)).end(to);
    }

    /// `DEL`.
    pub fn del(&mut self, key: &str, last: bool) {
        let to = self.ticket(ReplyKind::Part, 0, last);
        self.commands.begin("DEL", 2).key_parts(&self.keys.payload(self.job, key)).end(to);
    }

    fn ticket(&self, kind: ReplyKind, index: u32, last: bool) -> Destination {
        let index = if last { index | LAST } else { index };
        Destination::Sink(ReplyTag { kind: kind as u8, index, id: u64::from(self.request) })
    }
}

/// Begins `SET`, or `PSETEX` where `expiry` (ms) is not 0. The caller ends the command.
pub fn pack_set(commands: &mut Commands, key: &[&[u8]], value: &[u8], expiry: u64) {
    if expiry == 0 {
        commands.begin("SET", 3).key_parts(key).arg(value);
    } else {
        commands.begin("PSETEX", 4).key_parts(key).arg_number(expiry).arg(value);
    }
}
