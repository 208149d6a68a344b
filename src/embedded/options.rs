//! Options of a server.

use crate::embedded::chaos::ChaosOptions;

/// Default memory limit of the keys, in bytes.
pub const MAX_MEMORY: usize = 256 * 1024 * 1024;

/// The options of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The port on loopback; 0 for any that is free.
    pub port: u16,
    /// Password that clients must send, if any.
    pub password: Option<String>,
    /// Maximum memory of the keys, in bytes.
    pub max_memory: usize,
    /// Moves the clock only by hand.
    pub manual_clock: bool,
    /// Deliberate faults.
    pub chaos: ChaosOptions,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            port: 0,
            password: None,
            max_memory: MAX_MEMORY,
            manual_clock: false,
            chaos: ChaosOptions::default(),
        }
    }
}
