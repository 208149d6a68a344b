//! How a server is started.

use crate::embedded::chaos::ChaosOptions;

/// The memory that keys may take unless said otherwise.
pub const MAX_MEMORY: usize = 256 * 1024 * 1024;

/// The options of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on loopback; 0 for any that is free.
    pub port: u16,
    /// What clients have to authenticate with, if anything.
    pub password: Option<String>,
    /// How many bytes the keys may take.
    pub max_memory: usize,
    /// Whether time passes only when it is told to.
    pub manual_clock: bool,
    /// What goes wrong on purpose.
    pub chaos: ChaosOptions,
}

impl Default for Options {
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
