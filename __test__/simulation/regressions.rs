//! Seeds that have found a fault of the engine, with the fault.

/// Seeds of mended faults.
pub const SEEDS: [(u64, &str); 0] = [];
