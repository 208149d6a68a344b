//! One cycle of retention on a stream: its boundary, its mark, and the removal.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::command::Commands;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::LinkState;
use crate::redis_io::streams::commands::{pack_groups, pack_pending_page, pack_stream};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::retention::boundary::unacknowledged;
use crate::engine::consumer::retention::lease::is_out_of_memory;
use crate::engine::consumer::retention::removal::RemovalRight;
use crate::engine::consumer::retention::stream::{RetainedStream, StreamRetention};
use crate::engine::options::retention::RetentionOptions;
use crate::engine::protocol::group_info::GroupInfo;
use crate::engine::protocol::pending_entries::read_rows;
use crate::engine::protocol::retention_mark::RetentionMark;
use crate::engine::protocol::stream_info::StreamInfo;

impl Consumer {
    /// Removes the entries that all groups acknowledged some time ago. Returns false if another consumer does that.
    pub(crate) async fn retain(
        &self,
        stream: &RetainedStream,
        retention: &mut StreamRetention,
        options: RetentionOptions,
    ) -> Result<bool, RedisError> {
        let RetainedStream { lane, name, .. } = stream;
        if self.shared(*lane).current().is_none_or(|link| link.state() != LinkState::Ready) {
            return Ok(true);
        }
        let session = self.shared(*lane).session();
        let Some(leased) = self.lease_stream(*lane, name, options).await? else {
            // Another consumer has a history of its own. Boundaries of before are too old to compare.
            *retention = StreamRetention::default();
            return Ok(false);
        };
        let Some(boundary) = self.boundary(stream).await? else { return Ok(true) };
        let keep = if planted("retention does not wait") { Duration::ZERO } else { options.keep };
        let below = retention.history.advance(Instant::now(), boundary, keep);
        let Some(below) = below.filter(|&below| retention.below.is_none_or(|last| last < below)) else {
            return Ok(true);
        };
        let below =
            below.successor().filter(|_| planted("retention removes one entry more")).unwrap_or(below);
        let mark = self.begin_mark(stream, below).await?;
        let right = RemovalRight { session, until: leased };
        let Some(removal) = self.remove_below(stream, retention, below, right).await? else {
            return Ok(true);
        };
        if let Some(mark) = mark {
            match self.write_mark(stream, mark.complete(mark.removed + removal.removed)).await {
                // The mark of before the removal is true, and the next removal begins it anew.
                Err(error) if is_out_of_memory(&error) => {}
                written => written?,
            }
        }
        if removal.is_whole {
            retention.below = Some(below);
        }
        Ok(true)
    }

    /// First id that some group has not acknowledged. `None` without groups, and without the stream.
    async fn boundary(&self, stream: &RetainedStream) -> Result<Option<EntryId>, RedisError> {
        let RetainedStream { lane, key, .. } = stream;
        let groups = match self.ask(*lane, |commands, to| pack_groups(commands, key, to)).await {
            Err(error) if error.reply_code() == Some("ERR") => return Ok(None),
            groups => groups?,
        };
        let mut lowest: Option<EntryId> = None;
        let ignored = usize::from(planted("retention ignores a group"));
        for (group, info) in GroupInfo::read_all(&groups).skip(ignored) {
            let mut pending = None;
            // XINFO counts what was pending at the time of the position, and entries behind it do not matter.
            if info.pending > 0 && !planted("retention forgets pending entries") {
                let Ok(group) = std::str::from_utf8(group) else { return Ok(None) };
                let page = self.ask(*lane, |commands, to| {
                    pack_pending_page(commands, key, group, None, None, 1, to);
                });
                pending = match page.await {
                    // The group was removed meanwhile.
                    Err(error) if error.reply_code() == Some("NOGROUP") => continue,
                    page => read_rows(&page?).and_then(|rows| rows.first().map(|row| row.id)),
                };
            }
            let first = unacknowledged(info.delivered, pending);
            lowest = Some(lowest.map_or(first, |lowest| lowest.min(first)));
        }
        Ok(lowest)
    }

    /// Writes the mark in front of a removal, so that an entry that is gone is always below it. Returns the mark; `None` before
    /// Redis 7, which does not count removed entries, and without memory.
    async fn begin_mark(
        &self,
        stream: &RetainedStream,
        below: EntryId,
    ) -> Result<Option<RetentionMark>, RedisError> {
        let RetainedStream { lane, key, name } = stream;
        let node = self.node(*lane).clone();
        let (info, known) = tokio::join!(
            self.ask(*lane, |commands, to| pack_stream(commands, key, to)),
            self.ask(*lane, |commands, to| RetentionMark::pack_read(commands, node.keys(), name, to)),
        );
        let Some(info) = StreamInfo::read_built(&info?) else { return Ok(None) };
        let mark = RetentionMark::advance(RetentionMark::read(&known?), &info, below);
        match self.write_mark(stream, mark).await {
            Err(error) if is_out_of_memory(&error) => self.remove_mark(stream).await.map(|()| None),
            written => written.map(|()| Some(mark)),
        }
    }

    /// Removes the mark, which would not know of a removal. A user with retention has the right to PEXPIRE, and none to DEL.
    async fn remove_mark(&self, stream: &RetainedStream) -> Result<(), RedisError> {
        let key = self.node(stream.lane).keys().retention_mark(&stream.name);
        let pack =
            |commands: &mut Commands, to| commands.begin("PEXPIRE", 3).key_parts(&key).arg_number(0).end(to);
        self.ask(stream.lane, pack).await.map(drop)
    }

    async fn write_mark(&self, stream: &RetainedStream, mark: RetentionMark) -> Result<(), RedisError> {
        let node = self.node(stream.lane).clone();
        let written =
            self.ask(stream.lane, |commands, to| mark.pack(commands, node.keys(), &stream.name, to));
        written.await.map(drop)
    }
}
