//! What time it is for the server.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time, in ms since 1970.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// Begins with the system's clock and goes on with one that is never set.
    Real {
        /// What time it was at the beginning, in µs.
        epoch: u64,
        /// The beginning.
        start: Instant,
    },
    /// Stands still unless it is moved.
    Manual {
        /// What time it is, in ms.
        now: u64,
    },
}

impl Clock {
    /// A clock that goes by itself.
    pub fn real() -> Self {
        Self::Real { epoch: system_micros(), start: Instant::now() }
    }

    /// A clock that stands at the present.
    pub fn manual() -> Self {
        Self::Manual { now: system_micros() / 1000 }
    }

    /// Whether it goes only when it is moved.
    pub fn is_manual(&self) -> bool {
        matches!(self, Self::Manual { .. })
    }

    /// What time it is, in ms.
    pub fn now(&self) -> u64 {
        self.micros() / 1000
    }

    /// What time it is, in µs.
    pub fn micros(&self) -> u64 {
        match self {
            Self::Real { epoch, start } => epoch + start.elapsed().as_micros() as u64,
            Self::Manual { now } => now * 1000,
        }
    }

    /// Moves a clock that stands still.
    pub fn advance(&mut self, by: u64) {
        if let Self::Manual { now } = self {
            *now = now.saturating_add(by);
        }
    }
}

fn system_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros() as u64
}
