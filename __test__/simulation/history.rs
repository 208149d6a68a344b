//! Everything that happened in a run, in its order.

use std::sync::{Arc, Mutex};

use crate::trace;

/// Number of a consumer in a run, and of a run of a processor.
pub type ConsumerNumber = u32;
pub type RunNumber = u32;

/// An event with its virtual time in ms.
#[derive(Clone, Debug)]
pub struct Timed {
    pub at: u64,
    pub event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `send()` was called.
    Send {
        job: u32,
        process: u32,
    },
    /// `send()` has settled.
    Sent {
        job: u32,
        error: Option<String>,
    },
    /// `cancel()` has settled. `None` has failed.
    Cancelled {
        job: u32,
        is_removed: Option<bool>,
    },
    /// `finished()` has settled for one group.
    Outcome {
        job: u32,
        group: usize,
        error: Option<String>,
        /// Value that the completion returned.
        answer: Option<String>,
    },
    /// `finished()` has settled for all groups.
    Finished {
        job: u32,
    },
    /// `finished()` was abandoned, since the bus was stopped.
    Abandoned {
        job: u32,
    },
    /// A processor begins.
    Start {
        run: RunNumber,
        consumer: ConsumerNumber,
        job: u32,
        /// Time at which the engine has handed the job to JavaScript.
        handed: u64,
        value: Value,
    },
    /// A processor has read its value from a key.
    Pulled {
        run: RunNumber,
        value: Value,
    },
    /// A processor ends.
    End {
        run: RunNumber,
        how: End,
    },
    /// Redis has confirmed the settlement, or the consumer has given up.
    Settled {
        run: RunNumber,
        error: Option<String>,
    },
    /// `play()`, `pause()` or `stop()` was called or has settled. A stop has the number of the process.
    Called {
        what: Control,
        of: u32,
    },
    Returned {
        what: Control,
        of: u32,
        error: Option<String>,
    },
    Exhausted {
        consumer: ConsumerNumber,
        job: u32,
        entry: String,
        moved: bool,
        /// Time at which the engine has reported it to JavaScript.
        reported: u64,
    },
    Claimed {
        consumer: ConsumerNumber,
        job: u32,
        entry: String,
        deliveries: u64,
    },
    Trimmed {
        consumer: ConsumerNumber,
        stream: u32,
        count: u64,
        pending: bool,
    },
    /// A consumer has reported an error.
    Failed {
        consumer: ConsumerNumber,
        error: String,
    },
    /// A fault begins or ends.
    Fault(String),
    /// JavaScript of a process computes for some ms.
    Blocked {
        process: u32,
        ms: u64,
    },
    /// A connection was opened.
    Joined {
        process: u32,
        port: u16,
    },
    /// A connection was reset.
    Broken {
        process: u32,
        port: u16,
    },
    /// A process has ejected a node, or readmitted it.
    Ring {
        process: u32,
        port: u16,
        is_out: bool,
    },
    /// A process was killed.
    Killed {
        process: u32,
    },
    /// A server has executed something.
    Server {
        port: u16,
        done: Done,
    },
}

/// Value that a processor has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The job has none, or it is in a key.
    None,
    Right,
    Wrong,
    Missing,
}

/// End of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Success,
    Failure,
    Released,
    /// At its deadline.
    Expired,
    /// The bus was stopped.
    Abandoned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Play,
    Pause,
    Stop,
}

/// Effect of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Added {
        stream: String,
        entry: String,
        job: String,
    },
    Acknowledged {
        stream: String,
        group: String,
        entries: Vec<String>,
    },
    /// A consumer has read entries: new ones, or its own pending ones. It has asked for so many.
    Delivered {
        stream: String,
        group: String,
        consumer: String,
        entries: Vec<String>,
        is_new: bool,
        asked: u64,
    },
    /// A consumer owns entries from here on, which have been idle for so many ms. Without JUSTID it runs them.
    Claimed {
        stream: String,
        group: String,
        consumer: String,
        entries: Vec<String>,
        idle: Option<u64>,
        is_start: bool,
        is_forced: bool,
    },
    GroupMade {
        stream: String,
        group: String,
        from: String,
    },
    GroupGone {
        stream: String,
        group: String,
    },
    /// Its position was set.
    GroupMoved {
        stream: String,
        group: String,
    },
    /// XTRIM, with the first id that stays if it has one.
    Trimmed {
        stream: String,
        below: Option<String>,
    },
    /// A consumer begins a visit of retention: it has the lease, or asks for it. Both names are those of the bus.
    Leased {
        stream: String,
        consumer: String,
        is_new: bool,
    },
    /// A window of a rate limit begins. A budget is that of a stream, a group, and a key if the limit has keys.
    WindowBegun {
        budget: String,
    },
    /// Permits were requested. The count is that of the window from here on.
    Permitted {
        budget: String,
        asked: u64,
        count: u64,
    },
    Flushed,
    /// A replica has taken over: what was done with these streams since then is undone.
    Rewound {
        since: u64,
        streams: Vec<String>,
    },
}

/// The history of a run. Hosts of all processes write to it.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Vec<Timed>>>);

impl History {
    pub fn note(&self, event: Event) {
        trace::note(|| format!("{event:?}"));
        self.0.lock().unwrap().push(Timed { at: trace::now(), event });
    }

    /// Takes all events.
    pub fn take(&self) -> Vec<Timed> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Returns what `read` finds in the events so far.
    pub fn read<T>(&self, read: impl FnOnce(&[Timed]) -> T) -> T {
        read(&self.0.lock().unwrap())
    }
}
