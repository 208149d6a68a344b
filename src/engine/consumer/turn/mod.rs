//! The turn of a consumer: everything that a change of its state leads to.
//!
//! Reading, settlement and claiming change the state under its lock and then advance it. Advancing hands new jobs to the
//! host, starts or hands back buffered entries, wakes timers and the claim task, and packs the next reads. The commands
//! leave after the lock is released. The rooms above do not call each other for any of this.

pub mod delivery_count;
pub mod hand_back;
pub mod job_start;
pub mod permits;
pub mod prefetch;
pub mod read_command;
pub mod wakeups;

use crate::redis_io::command::Commands;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::ConsumerState;
use crate::engine::host::job_token::JobToken;

/// Packed reads by lane, for the time after the lock of the state.
pub(crate) type Reads = Vec<(usize, Commands)>;

/// Jobs that hold a slot and are not known to the host yet, with the index of their stream.
pub(crate) type Started = Vec<(u32, JobToken)>;

impl Consumer {
    /// Does everything that a change of `state` leads to, and returns the reads to submit without the lock. `started` are
    /// the jobs for which the change took slots.
    pub(crate) fn advance(&self, state: &mut ConsumerState, started: &[(u32, JobToken)]) -> Reads {
        if !started.is_empty() {
            self.start_timer(state);
            self.hand_over(state, started);
        }
        self.hand_back_waiting(state);
        self.start_buffered(state);
        self.advance_limited(state);
        state.note_full();
        for lane in state.take_lacking() {
            (self.end_lacking_read)(self, state, lane);
        }
        self.start_leasing(state);
        self.notify_slot_free(state);
        self.arm_reads(state)
    }

    /// Sends the reads that [`Consumer::advance`] packed.
    pub(crate) fn submit_reads(&self, reads: Reads) {
        for (lane, mut commands) in reads {
            self.lane(lane).blocking.submit(&mut commands);
        }
    }

    /// Advances the state after a change without new jobs, and wakes the host.
    pub(crate) fn step(&self) {
        let reads = self.advance(&mut self.lock(), &[]);
        self.submit_reads(reads);
        self.node_set.context().host.wake();
    }
}
