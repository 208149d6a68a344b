//! Chance: ids, jitter and choices.

use uuid::Uuid;

/// Returns a random UUID of version 4.
pub fn uuid() -> Uuid {
    #[cfg(feature = "simulation")]
    if let Some(bytes) = super::simulation::random() {
        return uuid::Builder::from_random_bytes(bytes).into_uuid();
    }
    Uuid::new_v4()
}
