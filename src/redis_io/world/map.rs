//! Maps and sets of the bus. Their order is random, and the same in each run of a simulation.

#[cfg(not(feature = "simulation"))]
pub use std::collections::hash_map::RandomState as HashBuilder;

/// Hasher without a random key.
#[cfg(feature = "simulation")]
pub type HashBuilder = std::hash::BuildHasherDefault<std::collections::hash_map::DefaultHasher>;

/// A map with the hasher of this process.
pub type HashMap<K, V> = std::collections::HashMap<K, V, HashBuilder>;

/// A set with the hasher of this process.
pub type HashSet<T> = std::collections::HashSet<T, HashBuilder>;
