//! The number of a job in flight, as the host knows it.

/// Bits of a token for the slot's index. The others hold the generation.
const INDEX_BITS: u32 = 24;

/// Number of one job in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobToken(u64);

impl JobToken {
    /// The token as a number that JavaScript holds exactly.
    pub fn to_number(self) -> f64 {
        self.0 as f64
    }

    /// Token of a number. A number that is no job's gives a token that finds no job.
    pub fn from_number(number: f64) -> Self {
        Self(number as u64)
    }

    /// The token of the slot at `index` in one of its generations.
    pub(crate) fn new(index: usize, generation: u32) -> Self {
        Self(u64::from(generation) << INDEX_BITS | index as u64)
    }

    /// Index of the slot.
    pub(crate) fn index(self) -> usize {
        (self.0 & ((1 << INDEX_BITS) - 1)) as usize
    }

    /// Generation of the slot.
    pub(crate) fn generation(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32
    }
}
