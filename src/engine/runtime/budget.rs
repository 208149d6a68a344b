//! Budget of costs in one second. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Period of the budget.
const WINDOW: Duration = Duration::from_secs(1);

/// Costs of the current second.
#[derive(Debug, Default)]
pub struct Budget {
    since: Option<Instant>,
    spent: usize,
}

impl Budget {
    /// Spends on one cost after the other as long as the sum is within `most`. Returns the number of costs spent on.
    pub fn spend(&mut self, now: Instant, most: usize, costs: impl Iterator<Item = usize>) -> usize {
        if self.since.is_none_or(|since| now - since >= WINDOW) {
            *self = Self { since: Some(now), spent: 0 };
        }
        let mut count = 0;
        for cost in costs {
            if self.spent + cost > most {
                break;
            }
            self.spent += cost;
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_so_much_to_spend_in_each_second() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(budget.spend(at(0), 10, [4, 4, 4].into_iter()), 2);
        assert_eq!(budget.spend(at(500), 10, [3, 1].into_iter()), 0, "in the order in which they come");
        assert_eq!(budget.spend(at(999), 10, [2, 1].into_iter()), 1);
        assert_eq!(budget.spend(at(1_000), 10, [10, 1].into_iter()), 1);
    }
}
