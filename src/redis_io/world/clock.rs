//! Wall clock. All other time is `tokio::time::Instant`, which a paused runtime replaces.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the time since 1970.
pub fn wall_clock() -> Duration {
    #[cfg(feature = "simulation")]
    if let Some(time) = super::simulation::wall_clock() {
        return time;
    }
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
