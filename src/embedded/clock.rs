//! What time it is for the server.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What time it was at the beginning, in µs.
    epoch: u64,
    /// The beginning, by a clock that is never set.
    start: Instant,
    /// What time it is in ms, if that is moved by hand.
    moved: Option<u64>,
}

impl Clock {
    /// A clock that goes by itself.
    pub fn real() -> Self {
        Self { epoch: system_micros(), start: Instant::now(), moved: None }
    }

    /// A clock that stands at the present until it is moved.
    pub fn manual() -> Self {
        let real = Self::real();
        Self { moved: Some(real.epoch / 1000), ..real }
    }

    /// Whether it goes only when it is moved.
    pub fn is_manual(&self) -> bool {
        self.moved.is_some()
    }

    /// What time it is for what is kept here, in ms.
    pub fn now(&self) -> u64 {
        self.moved.unwrap_or_else(|| self.wall() / 1000)
    }

    /// What time it is for others, in µs, which nobody moves: who compares this server's clock with his own, to know
    /// whether to believe how long something has been idle, is to believe it.
    pub fn wall(&self) -> u64 {
        self.epoch + self.start.elapsed().as_micros() as u64
    }

    /// Moves a clock that stands still.
    pub fn advance(&mut self, by: u64) {
        self.moved = self.moved.map(|now| now.saturating_add(by));
    }
}

fn system_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros() as u64
}
