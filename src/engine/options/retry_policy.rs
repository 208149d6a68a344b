//! Back-off of a rejected job. Pure.

use std::time::Duration;

use crate::engine::runtime::backoff::exponential;

/// Growth of the delay from delivery to delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// No growth.
    Fixed,
    /// Doubling.
    Exponential,
}

/// Delay of a rejected job before its next delivery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Growth of the delay.
    pub growth: Growth,
    /// Delay after the first delivery.
    pub delay: Duration,
    /// Maximum delay.
    pub max: Duration,
    /// Share of a delay that is random, from 0 to 1.
    pub jitter: f64,
}

impl RetryPolicy {
    /// Delay after a number of deliveries. `chance` is from 0 to 1.
    pub fn wait(&self, deliveries: u64, chance: f64) -> Duration {
        let doublings = match self.growth {
            Growth::Fixed => 0,
            Growth::Exponential => u32::try_from(deliveries.saturating_sub(1)).unwrap_or(u32::MAX),
        };
        let whole = exponential(self.delay, doublings, self.max);
        whole.mul_f64(1.0 - self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(growth: Growth, jitter: f64) -> RetryPolicy {
        let (delay, max) = (Duration::from_millis(100), Duration::from_millis(1_000));
        RetryPolicy { growth, delay, max, jitter }
    }

    fn waits(policy: RetryPolicy, chance: f64) -> Vec<u128> {
        [1, 2, 3, 4, 5, 99, u64::MAX].map(|deliveries| policy.wait(deliveries, chance).as_millis()).to_vec()
    }

    #[test]
    fn a_fixed_wait_stays_and_an_exponential_one_doubles_up_to_the_longest() {
        assert_eq!(waits(policy(Growth::Fixed, 0.0), 1.0), [100; 7]);
        assert_eq!(waits(policy(Growth::Exponential, 0.0), 1.0), [100, 200, 400, 800, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn jitter_shortens_a_wait_by_up_to_its_part() {
        let policy = policy(Growth::Fixed, 0.5);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| policy.wait(1, chance).as_millis()), [100, 75, 50]);
    }
}
