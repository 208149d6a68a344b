//! Packs the next reads of a consumer.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::command::{Commands, Destination, ReplyTag};
use crate::redis_io::streams::commands::Read;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::consumer::turn::Reads;

/// Maximum time of a read that leaves out a stream with a full look-ahead, for servers that do not end a read on request.
const LONGEST_READ_WITHOUT_A_STREAM: Duration = Duration::from_secs(1);

/// ReplyTag of a CLIENT ID.
pub(crate) const CLIENT_ID: u8 = 0;
/// The ticket of a read.
pub(crate) const READ: u8 = 1;

impl Consumer {
    /// Packs the next read of each lane, if slots are free for its entries.
    pub(crate) fn arm_reads(&self, state: &mut ConsumerState) -> Reads {
        let mut reads = Reads::new();
        for lane in 0..state.lanes.len() {
            if let Some(count) = state.next_count(lane, self.options.concurrency) {
                reads.extend(self.pack_read(state, lane, count).map(|commands| (lane, commands)));
            }
        }
        reads
    }

    /// Returns `None` if the last leases that outlast a read have become too short since the count was decided. Their renewal
    /// leads to the next read.
    fn pack_read(&self, state: &mut ConsumerState, lane: usize, count: usize) -> Option<Commands> {
        let of_lane = state.streams.iter_mut().filter(|stream| stream.active && stream.lane == lane);
        of_lane.for_each(|stream| {
            stream.reread_handed_back();
            stream.note_read();
        });
        let mut longest = state.longest_ordered_read(lane);
        let leaves_out = state.leaves_out(lane);
        let of_read = state.active_streams(lane).map(|stream| (stream.key.as_str(), stream.position_text()));
        let mut active: Vec<(&str, &str)> = of_read.collect();
        if active.is_empty() {
            return None;
        }
        if leaves_out {
            longest = longest.min(LONGEST_READ_WITHOUT_A_STREAM);
        }
        if !state.limits.is_empty() {
            longest = longest.min(state.longest_read_without(lane));
        }
        let mut commands = Commands::default();
        let session = self.lanes()[lane].blocking.session();
        if state.lanes[lane].client_id_asked != Some(session) {
            commands.begin("CLIENT", 2).arg(b"ID");
            commands.end_once(Destination::Sink(ReplyTag { kind: CLIENT_ID, index: 0, id: 0 }));
        }
        if self.is_importing(lane) {
            commands.begin("ASKING", 1).end_once(Destination::Nowhere);
        }
        // Redis serves the first stream first, so the streams rotate.
        let length = active.len();
        active.rotate_left(state.lanes[lane].rotation % length);
        let history = active.iter().any(|(_, position)| *position != ">");
        let read = Read {
            group: &self.group,
            consumer: &self.options.id,
            count: count as u64 + u64::from(planted("one entry too many")),
            block: if history { None } else { Some(self.block_ms(longest)) },
        };
        read.pack(
            &mut commands,
            active.iter().copied(),
            Destination::Sink(ReplyTag { kind: READ, index: 0, id: 0 }),
        );
        let asked = count * active.len();
        let lane = &mut state.lanes[lane];
        lane.client_id_asked = Some(session);
        lane.rotation = lane.rotation.wrapping_add(1);
        lane.reading = true;
        lane.read_sent = Some(Instant::now());
        lane.reads_history = history;
        lane.asked = asked;
        lane.leaves_out = leaves_out;
        lane.outdated = false;
        Some(commands)
    }

    /// Returns true if the slot of a lane migrates to its node.
    fn is_importing(&self, lane: usize) -> bool {
        let Some(slot) = self.lanes()[lane].slot else { return false };
        self.node(lane).topology().is_some_and(|topology| topology.is_importing(slot))
    }

    fn block_ms(&self, longest: Duration) -> u64 {
        // BLOCK 0 would wait without limit.
        (self.options.longest_read().min(longest).as_millis() as u64).max(1)
    }
}
