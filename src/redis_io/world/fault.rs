//! Faults that the simulation plants into the code, to measure what its checks find.

/// Returns true if the fault of that name is planted. Constant without the feature `simulation`.
#[inline(always)]
pub fn planted(_name: &'static str) -> bool {
    #[cfg(feature = "simulation")]
    return super::simulation::is_planted(_name);
    #[cfg(not(feature = "simulation"))]
    false
}
