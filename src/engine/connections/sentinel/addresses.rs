//! The sentinels of a node, in the order of the next query. Pure.

use crate::redis_io::options::Endpoint;

/// Maximum number of sentinels. Addresses beyond it are ignored.
const MAX_SENTINELS: usize = 64;

/// Sentinels in the order of the next query.
#[derive(Debug)]
pub struct SentinelAddresses(Vec<Endpoint>);

impl SentinelAddresses {
    /// The sentinels in the options.
    pub fn new(named: Vec<Endpoint>) -> Self {
        Self(named)
    }

    /// All sentinels, in order.
    pub fn in_order(&self) -> Vec<Endpoint> {
        self.0.clone()
    }

    /// The sentinel at `turn`, counted round and round.
    pub fn at(&self, turn: usize) -> Option<Endpoint> {
        self.0.get(turn.checked_rem(self.0.len())?).cloned()
    }

    /// Moves a sentinel to the front, since it answered.
    pub fn answered(&mut self, sentinel: &Endpoint) {
        if let Some(at) = self.position(sentinel) {
            let sentinel = self.0.remove(at);
            self.0.insert(0, sentinel);
        }
    }

    /// Moves a sentinel to the end, since it did not answer or its answer led nowhere.
    pub fn failed(&mut self, sentinel: &Endpoint) {
        if let Some(at) = self.position(sentinel) {
            let sentinel = self.0.remove(at);
            self.0.push(sentinel);
        }
    }

    /// Adds unknown sentinels. No sentinel is ever removed, since it can come back.
    pub fn learn(&mut self, found: Vec<Endpoint>) {
        for sentinel in found {
            if self.0.len() < MAX_SENTINELS && self.position(&sentinel).is_none() {
                self.0.push(sentinel);
            }
        }
    }

    /// Compares by name, without the address family.
    fn position(&self, sentinel: &Endpoint) -> Option<usize> {
        let name = sentinel.to_string();
        self.0.iter().position(|known| known.to_string() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sentinels: &SentinelAddresses) -> Vec<String> {
        sentinels.in_order().iter().map(Endpoint::to_string).collect()
    }

    #[test]
    fn a_sentinel_that_answers_comes_first_and_one_that_fails_last() {
        let [a, b, c] = ["a", "b", "c"].map(|host| Endpoint::tcp(host, 1));
        let mut sentinels = SentinelAddresses::new(vec![a.clone(), b.clone(), c]);
        sentinels.failed(&a);
        assert_eq!(names(&sentinels), ["b:1", "c:1", "a:1"]);
        sentinels.answered(&a);
        assert_eq!(names(&sentinels), ["a:1", "b:1", "c:1"]);
        sentinels.failed(&Endpoint::tcp("nobody", 1));
        assert_eq!(names(&sentinels).len(), 3);
        assert_eq!(sentinels.at(4), Some(b));
        assert_eq!(SentinelAddresses::new(Vec::new()).at(0), None);
    }

    #[test]
    fn new_ones_are_added_once_and_not_without_end() {
        let mut sentinels =
            SentinelAddresses::new(vec![Endpoint::Tcp { host: "a".to_owned(), port: 1, family: 4 }]);
        sentinels.learn(vec![Endpoint::tcp("a", 1), Endpoint::tcp("b", 1), Endpoint::tcp("b", 1)]);
        assert_eq!(names(&sentinels), ["a:1", "b:1"]);
        sentinels.learn((0..1_000).map(|port| Endpoint::tcp("c", port)).collect());
        assert_eq!(names(&sentinels).len(), MAX_SENTINELS);
    }
}
