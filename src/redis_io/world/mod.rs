//! Clock, chance and network around the process. The feature `simulation` replaces them; without it nothing here costs a
//! branch.

pub mod chance;
pub mod clock;
pub mod fault;
pub mod map;
#[cfg(feature = "simulation")]
pub mod pipe;
#[cfg(feature = "simulation")]
pub mod simulation;
#[cfg(feature = "simulation")]
pub mod watch;

#[cfg(not(feature = "simulation"))]
pub use tokio::sync::watch;
