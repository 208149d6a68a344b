//! Clock of the server.

use tokio::time::Instant;

use crate::redis_io::world::clock::wall_clock;

/// Time since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Time at the start, in µs.
    epoch: u64,
    /// The beginning, by a clock that is never set.
    start: Instant,
    /// Time in ms of a manual clock.
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

    /// Returns true if the clock moves only by hand.
    pub fn is_manual(&self) -> bool {
        self.moved.is_some()
    }

    /// Time for keys and entries, in ms.
    pub fn now(&self) -> u64 {
        self.moved.unwrap_or_else(|| self.wall() / 1000)
    }

    /// Time for clients, in µs, which a manual clock does not change. Clients compare it with their own clock to decide
    /// if they trust idle times, and they can trust this one.
    pub fn wall(&self) -> u64 {
        self.epoch + self.start.elapsed().as_micros() as u64
    }

    /// Sets a clock that goes by itself, as an administrator does.
    #[cfg(feature = "simulation")]
    pub fn shift(&mut self, ms: i64) {
        self.epoch = self.epoch.saturating_add_signed(ms * 1000);
    }

    /// Moves a clock that stands still.
    pub fn advance(&mut self, by: u64) {
        self.moved = self.moved.map(|now| now.saturating_add(by));
    }
}

fn system_micros() -> u64 {
    wall_clock().as_micros() as u64
}
