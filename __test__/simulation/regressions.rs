//! Seeds that have found a fault of the engine, with the fault.

/// Seeds of mended faults.
pub const SEEDS: [(u64, &str); 2] = [
    (1_016, "a read of the history after a lost connection ran an exhausted entry again"),
    (10_610, "an exhausted entry was reported again after its owner had read its history"),
];
