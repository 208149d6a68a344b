//! Deliberate faults, for tests of programs that must survive them.

use std::time::Duration;

use crate::embedded::random::Random;

/// Odds of each fault, from 0 (never) to 1 (always).
#[derive(Clone, Copy, Debug, Default)]
pub struct ChaosOptions {
    /// The same seed makes the same things go wrong, each counted for itself: the third publication, the tenth
    /// command.
    pub seed: u64,
    /// Maximum delay of a request, in ms.
    pub delay: u64,
    /// Odds of a closed connection after a command was executed, without its reply.
    pub drop_connection: f64,
    /// Odds of a second delivery of an entry, to the next reader of the group.
    pub duplicate_delivery: f64,
    /// Odds of the loss of a published message.
    pub lose_completion: f64,
}

/// Decides what goes wrong. Each kind has a sequence of its own, so that one does not change the others.
#[derive(Debug)]
pub struct Chaos {
    options: ChaosOptions,
    delays: Random,
    drops: Random,
    duplicates: Random,
    losses: Random,
}

impl Chaos {
    /// The decisions that the options make.
    pub fn new(options: ChaosOptions) -> Self {
        let mut seeds = Random::new(options.seed);
        let mut sequence = || Random::new(seeds.next());
        let (delays, drops, duplicates, losses) = (sequence(), sequence(), sequence(), sequence());
        Self { options, delays, drops, duplicates, losses }
    }

    /// Returns the delay of the next request.
    pub fn delay(&mut self) -> Option<Duration> {
        if self.options.delay == 0 {
            return None;
        }
        Some(Duration::from_millis((self.delays.fraction() * (self.options.delay as f64 + 1.0)) as u64))
    }

    /// Returns true if the connection must close now.
    pub fn drops(&mut self) -> bool {
        happens(self.options.drop_connection, &mut self.drops)
    }

    /// Returns true if an entry must be delivered once more.
    pub fn duplicates(&mut self) -> bool {
        happens(self.options.duplicate_delivery, &mut self.duplicates)
    }

    /// Returns true if the published message is lost.
    pub fn loses(&mut self) -> bool {
        happens(self.options.lose_completion, &mut self.losses)
    }
}

/// Draws a fault. Odds of 0 draw no random number and cost nothing.
fn happens(odds: f64, random: &mut Random) -> bool {
    odds > 0.0 && random.fraction() < odds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drops(options: ChaosOptions) -> Vec<bool> {
        let mut chaos = Chaos::new(options);
        (0..200)
            .map(|_| {
                chaos.loses();
                chaos.drops()
            })
            .collect()
    }

    #[test]
    fn a_seed_decides_and_one_kind_does_not_change_another() {
        let options = ChaosOptions { seed: 7, drop_connection: 0.3, ..ChaosOptions::default() };
        let first = drops(options);
        assert_eq!(first, drops(ChaosOptions { lose_completion: 0.5, ..options }));
        assert_ne!(first, drops(ChaosOptions { seed: 8, ..options }));
        let dropped = first.iter().filter(|&&dropped| dropped).count();
        assert!((30..90).contains(&dropped), "{dropped}");
        assert!(!drops(ChaosOptions::default()).contains(&true));
    }
}
