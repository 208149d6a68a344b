//! The script of one run, which a seed decides: clients, operations, faults. It is data, so that it can be printed and
//! reduced.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::breaks::Break;

/// The script of a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Scenario {
    pub seed: u64,
    /// Number of nodes of the bus.
    pub nodes: u16,
    /// Servers behind them.
    pub arrangement: Arrangement,
    /// True if jobs are spread over all servers by their ids.
    pub is_distributed: bool,
    /// True if processes eject a node that fails, and readmit it.
    #[serde(default)]
    pub ejects: bool,
    /// Delays of connections in ms: minimum and addition.
    pub latencies: Vec<(u64, u64)>,
    /// Minimum time in ms that acknowledged entries stay, with retention.
    pub retains: Option<u64>,
    pub streams: Vec<Stream>,
    pub groups: Vec<Group>,
    pub processes: Vec<Process>,
    /// Operations and faults, by time.
    pub actions: Vec<Timed>,
    /// End of operations and faults in ms. All that is open then must end.
    pub end: u64,
}

/// Servers of a script.
#[derive(Clone, Copy, Debug, Deserialize, Default, PartialEq, Eq, Serialize)]
pub enum Arrangement {
    /// One for each node.
    #[default]
    Standalone,
    /// A Cluster of some primaries, with a replica each.
    Cluster(u16),
    /// A primary, a replica, and three sentinels.
    Sentinel,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Stream {
    /// Approximate maximum length. 0 is none.
    pub capped: u64,
    /// Lease in ms, if each consumer group runs the jobs of a key in their order.
    #[serde(default)]
    pub lease: Option<u64>,
    /// Rate limit of each consumer group.
    #[serde(default)]
    pub limit: Option<Limit>,
}

/// Rate limit of a stream.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Limit {
    /// Maximum number of starts in a window.
    pub max: u64,
    /// Time of a window in ms.
    pub interval: u64,
    /// True if each key has windows of its own.
    pub by_key: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Group {
    pub claim_interval: u64,
    pub claim_deadline: u64,
    pub retry_limit: u64,
    /// Delay of a retry in ms, and true if it doubles.
    pub retry: Option<(u64, bool)>,
    pub has_dead_letters: bool,
}

/// A program with one bus.
#[derive(Clone, Debug, Deserialize, Default, Serialize)]
pub struct Process {
    pub consumers: Vec<Consumer>,
    /// True if it has a producer.
    pub has_producer: bool,
    /// True if the jobs of one moment are sent in one transaction.
    #[serde(default)]
    pub batches: bool,
    /// Set for a program of 2.2.0: the time in ms at which its consumer begins to read.
    pub legacy: Option<u64>,
    /// False for `autoResendUnfulfilledCommands: false`.
    pub resends: bool,
    /// `socketTimeout` in ms.
    pub socket_timeout: Option<u64>,
    /// `commandTimeout` in ms.
    pub command_timeout: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Consumer {
    pub group: usize,
    pub concurrency: u32,
    pub read_ahead: usize,
    pub claims: bool,
    /// Maximum time of a job in ms.
    pub deadline: Option<u64>,
    pub block_timeout: Option<u64>,
    pub removes_idle: Option<u64>,
    /// True if values in keys come with their jobs.
    #[serde(default)]
    pub prefetches: bool,
    #[serde(default)]
    pub fair: Option<Fair>,
}

/// Fair dispatch of all streams of a consumer.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Fair {
    /// Maximum number of running jobs of a key.
    pub cap: Option<usize>,
    /// Maximum number of waiting entries of a stream.
    pub waiting: usize,
}

/// An action with its time in ms.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Timed {
    pub at: u64,
    pub action: Action,
}

/// Number of a process in the scenario, from 0.
pub type ProcessIndex = usize;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Action {
    Send(Send),
    /// Of a process and of its consumer.
    Play(ProcessIndex, usize),
    Pause(ProcessIndex, usize),
    /// With its `maxWait`; `None` waits for all jobs.
    Stop(ProcessIndex, Option<u64>),
    Kill(ProcessIndex),
    /// The process is not run for some ms.
    Freeze(ProcessIndex, u64),
    /// JavaScript of the process computes for some ms.
    Block(ProcessIndex, u64),
    /// The process does not reach a server for some ms. The flag breaks its connections at the end.
    Separate(ProcessIndex, u16, u64, bool),
    Cut(ProcessIndex, u16, Cut),
    Break(ProcessIndex, Break),
    /// The server is gone for some ms, and then there with its data.
    Outage(u16, u64),
    Refuse(u16, Refused, u64),
    /// The clock of a server is set by some ms.
    Clock(u16, i64),
    Flush(u16),
    DestroyGroup(u16, usize, usize),
    /// XGROUP SETID to the start of the stream, or to its end.
    MoveGroup(u16, usize, usize, bool),
    /// XTRIM of a stream to a length.
    Trim(u16, usize, u64),
    /// The slot of a stream moves to another primary within some ms.
    Migrate(usize, usize, u64),
    /// A primary fails, and its replica takes over: the ms of lost writes, and those without a primary.
    FailOver(usize, u64, u64),
    /// A replica takes over by hand.
    HandOver(usize),
}

impl Action {
    /// The process of the action, if it has one.
    pub fn process(&self) -> Option<ProcessIndex> {
        match self {
            Self::Send(send) => Some(send.process),
            Self::Play(process, _)
            | Self::Pause(process, _)
            | Self::Stop(process, _)
            | Self::Kill(process)
            | Self::Freeze(process, _)
            | Self::Block(process, _)
            | Self::Separate(process, ..)
            | Self::Cut(process, ..)
            | Self::Break(process, _) => Some(*process),
            _ => None,
        }
    }
}

/// End of connections.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Cut {
    /// Both ends see an error.
    Reset,
    /// After some more bytes to the server (0) or to the client (1).
    After(usize, usize),
    /// Bytes to the server (0) or to the client (1) vanish, until the connection is reset after some ms.
    Deaf(usize, u64),
    /// The way to the server (0) or to the client (1) ends.
    Half(usize),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Refused {
    Busy,
    Loading,
    ReadOnly,
    OutOfMemory,
}

/// A job that is sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Send {
    pub process: ProcessIndex,
    pub job: u32,
    pub stream: usize,
    /// Groups whose completion is awaited.
    pub waits_for: Vec<usize>,
    /// True for `durable`.
    pub is_recorded: bool,
    pub payload: Payload,
    /// True if completions return the answers of the runs.
    #[serde(default)]
    pub returns: bool,
    /// True if a success removes the value's key and writes the answer's key, with its settlement.
    #[serde(default)]
    pub changes_payload: bool,
    /// Number of its key, which orders it in a stream with a lease.
    #[serde(default)]
    pub key: Option<u8>,
    /// Set for a send with an idempotency id.
    #[serde(default)]
    pub once: Option<Once>,
    /// Behaviours of the processor, by the number of earlier runs in the group. The last one repeats.
    pub runs: Vec<Behaviour>,
}

/// Send with an idempotency id, which is that of the job. Times are in ms.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Once {
    /// Delay of a delayed send.
    pub delay: Option<u64>,
    /// Time after the send at which it is cancelled.
    pub cancelled: Option<u64>,
}

impl Send {
    /// Delay in ms of a delayed send.
    pub fn delay(&self) -> Option<u64> {
        self.once.and_then(|once| once.delay)
    }
}

/// Place of the value of a job.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Payload {
    None,
    /// In the entry only, with its size.
    Entry(usize),
    /// In the entry and in a key.
    Both(usize),
    /// In a key only.
    Key(usize),
}

impl Payload {
    /// Size of the value in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::None => 0,
            Self::Entry(size) | Self::Both(size) | Self::Key(size) => size,
        }
    }
}

/// Behaviour of a processor, with its time in ms.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Behaviour {
    Succeed(u64),
    Fail(u64),
    /// Fails without another delivery.
    GiveUp(u64),
    /// Settles as a success, then as a failure.
    SettleTwice(u64),
    /// Settles as a failure, then as a success.
    FailThenSucceed(u64),
    /// Gives its slot back, and succeeds later.
    Release(u64),
    /// The same, and gives it back again.
    ReleaseTwice(u64),
    /// Keeps JavaScript busy, then succeeds.
    Block(u64),
    /// Ends never.
    Hang,
}

impl Scenario {
    /// Number of servers.
    pub fn servers(&self) -> u16 {
        match self.arrangement {
            Arrangement::Standalone => self.nodes,
            Arrangement::Cluster(primaries) => 2 * primaries,
            Arrangement::Sentinel => 5,
        }
    }

    /// Port that events have for a server: servers that hold the keys of one node share a port.
    pub fn port_of_events(&self, port: u16) -> u16 {
        match self.arrangement {
            Arrangement::Standalone => port,
            Arrangement::Cluster(_) | Arrangement::Sentinel => Self::port(0),
        }
    }

    /// Key of a stream.
    pub fn stream_key(stream: usize) -> String {
        format!("hfxbus:str:{}", Self::stream_name(stream))
    }

    /// Key of the due times of the delayed sends of a stream.
    pub fn delayed_key(stream: usize) -> String {
        format!("hfxbus:delayed:{{{}}}:{}:times", Self::stream_key(stream), Self::stream_name(stream))
    }

    /// Key of a group.
    pub fn group_key(group: usize) -> String {
        format!("hfxbus:csr:{}", Self::group_name(group))
    }

    /// Name of a stream.
    pub fn stream_name(stream: usize) -> String {
        format!("s{stream}")
    }

    /// Name of a group.
    pub fn group_name(group: usize) -> String {
        format!("g{group}")
    }

    /// Port of a node, from 0.
    pub fn port(node: u16) -> u16 {
        7_000 + node
    }

    /// Id of a job.
    pub fn job_id(job: u32) -> String {
        format!("j{job:05}")
    }

    /// The sends of the script.
    pub fn sends(&self) -> impl Iterator<Item = &Send> {
        self.actions.iter().filter_map(|timed| match &timed.action {
            Action::Send(send) => Some(send),
            _ => None,
        })
    }

    /// Returns true without a fault, a pause, a stop, and a job that fails.
    pub fn is_calm(&self) -> bool {
        let has_legacy = self.processes.iter().any(|process| process.legacy.is_some());
        !has_legacy
            && self.actions.iter().all(|timed| match &timed.action {
                Action::Send(send) => send.runs.iter().all(|run| matches!(run, Behaviour::Succeed(_))),
                Action::Play(..) => true,
                _ => false,
            })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = match (self.is_distributed, self.ejects) {
            (true, true) => ", jobs spread by id, nodes ejected",
            (true, false) => ", jobs spread by id",
            _ => "",
        };
        let Self { seed, nodes, arrangement, latencies, .. } = self;
        writeln!(to, "seed {seed}: {nodes} node(s) {arrangement:?}{spread}, delays {latencies:?} ms")?;
        if let Some(ms) = self.retains {
            writeln!(to, "  acknowledged entries are removed after {ms} ms")?;
        }
        for (at, stream) in self.streams.iter().enumerate() {
            writeln!(to, "  stream s{at}: {stream:?}")?;
        }
        for (at, group) in self.groups.iter().enumerate() {
            writeln!(to, "  group g{at}: {group:?}")?;
        }
        let is_used = |at: usize| self.actions.iter().any(|timed| timed.action.process() == Some(at));
        for (at, process) in
            self.processes.iter().enumerate().filter(|(at, of)| is_used(*at) || of.legacy.is_some())
        {
            writeln!(
                to,
                "  process {at}: 2.2.0 {:?}, producer {} (batches {}), resends {}, socketTimeout {:?}, commandTimeout {:?}",
                process.legacy,
                process.has_producer,
                process.batches,
                process.resends,
                process.socket_timeout,
                process.command_timeout
            )?;
            for (nth, consumer) in process.consumers.iter().enumerate() {
                writeln!(to, "    consumer {nth}: {consumer:?}")?;
            }
        }
        for timed in &self.actions {
            writeln!(to, "  at {:>6} ms: {:?}", timed.at, timed.action)?;
        }
        write!(to, "  at {:>6} ms: all faults end, and consumers with claims take over the rest", self.end)
    }
}
