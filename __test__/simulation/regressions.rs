//! Seeds that have found a fault of the engine, with the fault.

/// Seeds of mended faults.
pub const SEEDS: [(u64, &str); 2] = [
    (1_016, "a read of the history after a lost connection ran an exhausted entry again"),
    (10_610, "an exhausted entry was reported again after its owner had read its history"),
];

/// The same, for scripts with situations and features.
pub const WITH_SITUATIONS: [(u64, &str); 2] = [
    (171, "a completion that only a replica had published was not sent again with its acknowledgement"),
    (431, "after the readmission of an ejected node, the first consumer took over the jobs of the others"),
];
