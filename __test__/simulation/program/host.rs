//! JavaScript's side of a process: its queue, its requests and its live runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hfxbus::engine::host::job_token::JobToken;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use super::board::Board;
use crate::history::{ConsumerNumber, Control, Event, RunNumber, Value};

pub struct Host {
    pub(super) board: Arc<Board>,
    pub(super) queue: Mutex<VecDeque<Incoming>>,
    pub(super) bell: Notify,
    state: Mutex<State>,
    pub(super) is_dead: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) requests: BTreeMap<u32, Request>,
    next_request: u32,
    /// Group of each consumer.
    pub(super) groups: BTreeMap<ConsumerNumber, usize>,
    /// Live runs by consumer and token.
    pub(super) runs: BTreeMap<(ConsumerNumber, u64), RunNumber>,
    /// Values that came with entries, by consumer and token.
    pub(super) carried: BTreeMap<(ConsumerNumber, u64), Vec<u8>>,
    /// Values that were fetched before their jobs, by consumer and token.
    pub(super) prefetched: BTreeMap<(ConsumerNumber, u64), Vec<u8>>,
    /// End of a computation of JavaScript.
    pub(super) busy_until: Option<Instant>,
    /// Time of a stop after which no job starts.
    pub(super) starts_until: Option<Instant>,
}

pub(super) enum Request {
    /// Of one job, or of several ones that are sent in one transaction.
    Send(Vec<u32>),
    Settle(RunNumber),
    Pull(oneshot::Sender<Value>, Value),
    Control(Control, u32),
}

pub(super) enum Incoming {
    /// A job, and the time at which the engine hands it over.
    Job(ConsumerNumber, JobToken, u32, u64),
    Carried(ConsumerNumber, JobToken, Vec<u8>),
    Prefetched(ConsumerNumber, JobToken, Vec<u8>),
    Deadline(ConsumerNumber, JobToken),
    Value(u32, Value),
    Failed(u32, String),
    Done(u32),
    Note(Event),
}

impl Host {
    pub(super) fn new(board: Arc<Board>) -> Arc<Self> {
        Arc::new(Self {
            board,
            queue: Mutex::default(),
            bell: Notify::new(),
            state: Mutex::default(),
            is_dead: AtomicBool::new(false),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Begins a request.
    pub(super) fn request(&self, request: Request) -> u32 {
        let mut state = self.state();
        state.next_request += 1;
        let number = state.next_request;
        state.requests.insert(number, request);
        number
    }

    /// Waits until JavaScript is free.
    pub(super) async fn turn(&self) {
        loop {
            let Some(until) = self.state().busy_until.filter(|until| *until > Instant::now()) else { return };
            sleep_until(until).await;
        }
    }

    pub(super) fn push(&self, incoming: Incoming) {
        if !self.is_dead.load(Ordering::SeqCst) {
            self.queue.lock().unwrap().push_back(incoming);
        }
    }
}

/// A token as the key of a map.
pub(super) fn key(token: JobToken) -> u64 {
    token.to_number() as u64
}
