//! What all processes of a run share: the script of each job, and the numbers of its runs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::history::{History, RunNumber};
use crate::scenario::{Behaviour, Send};

/// Payload key of each job.
pub const KEY: &str = "v";
/// Payload key that a success writes, and that its completion returns.
pub const ANSWER: &str = "a";

#[derive(Default)]
pub struct Board {
    pub history: History,
    pub sends: BTreeMap<u32, Send>,
    /// Number of runs so far, by group and job.
    pub attempts: Mutex<BTreeMap<(usize, u32), usize>>,
    pub runs: AtomicU32,
    /// Maximum length of each stream.
    pub capped: Vec<u64>,
}

impl Board {
    /// Begins a run of a job in a group. Returns its number, and the behaviour of its processor.
    pub fn begin(&self, group: usize, job: u32) -> Option<(RunNumber, Behaviour)> {
        let send = self.sends.get(&job)?;
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let mut attempts = self.attempts.lock().unwrap();
        let attempt = attempts.entry((group, job)).or_default();
        *attempt += 1;
        Some((run, send.runs[(*attempt - 1).min(send.runs.len() - 1)]))
    }
}

/// Text of the error of a failed run.
pub fn failure_text(run: RunNumber) -> String {
    format!("{{\"message\":\"run {run}\"}}")
}

/// Value of a job.
pub fn value_of(job: u32, size: usize) -> Vec<u8> {
    (0..size).map(|at| (u64::from(job).wrapping_mul(31).wrapping_add(at as u64) % 251) as u8).collect()
}

/// Answer of a run.
pub fn answer_of(run: RunNumber) -> String {
    format!("answer of run {run}")
}

/// Number of a job from its id.
pub fn job_of(id: &str) -> Option<u32> {
    id.strip_prefix('j')?.parse().ok()
}
