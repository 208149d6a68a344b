//! Groups that exist as far as a producer knows. Pure.
//!
//! An entry behind the position of a group that is not pending was acknowledged, if the group existed when the job was sent.
//! A group that was created later can begin behind the entry, and never gets it.

use crate::redis_io::world::map::{HashMap, HashSet};

use crate::engine::producer::sending::send_plan::SendPlan;

/// Groups by stream, without prefixes.
#[derive(Debug, Default)]
pub(crate) struct KnownGroups {
    streams: HashMap<String, HashSet<String>>,
    /// Number of groups that were removed, so that plans notice it.
    removals: u64,
    /// Streams whose groups can have been created since the producer asked for them last.
    outdated: HashSet<String>,
    /// Questions for groups that are under way, by node and key, with the waits whose sends left behind them.
    questions: HashMap<(usize, String), Vec<u32>>,
}

impl KnownGroups {
    /// Adds groups that exist now.
    pub(crate) fn add<'a>(&mut self, stream: &str, groups: impl IntoIterator<Item = &'a str>) {
        let known = match self.streams.get_mut(stream) {
            Some(known) => known,
            None => self.streams.entry(stream.to_owned()).or_default(),
        };
        for group in groups {
            if !known.contains(group) {
                known.insert(group.to_owned());
            }
        }
    }

    /// Removes a group that does not exist any more.
    pub(crate) fn remove(&mut self, stream: &str, group: &str) {
        let is_known = self.streams.get_mut(stream).is_some_and(|known| known.remove(group));
        self.removals += u64::from(is_known);
    }

    /// Records whether a send to an unknown group of this stream asks for its groups again.
    pub(crate) fn set_outdated(&mut self, stream: &str, is_outdated: bool) {
        match is_outdated {
            true => drop(self.outdated.insert(stream.to_owned())),
            false => drop(self.outdated.remove(stream)),
        }
    }

    /// Returns true if a group of this stream that is not known can exist by now.
    pub(crate) fn is_outdated(&self, stream: &str) -> bool {
        self.outdated.contains(stream)
    }

    /// Returns the groups of a plan that are not known to exist.
    pub(crate) fn unknown(&self, plan: &SendPlan) -> Vec<String> {
        if plan.has_known_groups(self.removals) {
            return Vec::new();
        }
        let known = self.streams.get(&plan.stream);
        let is_unknown = |group: &&String| known.is_none_or(|known| !known.contains(*group));
        let unknown: Vec<String> = plan.groups.iter().filter(is_unknown).cloned().collect();
        if unknown.is_empty() {
            plan.note_known_groups(self.removals);
        }
        unknown
    }

    /// Adds the wait of a send to the question that is under way. Returns true if there was none, so that it begins.
    pub(crate) fn join_question(&mut self, node: usize, key: &str, wait: u32) -> bool {
        let waits = self.questions.entry((node, key.to_owned())).or_default();
        waits.push(wait);
        waits.len() == 1
    }

    /// Ends a question. Returns the waits whose sends left behind it.
    pub(crate) fn end_question(&mut self, node: usize, key: &str) -> Vec<u32> {
        self.questions.remove(&(node, key.to_owned())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_knows_its_groups_until_one_is_removed() {
        let mut known = KnownGroups::default();
        let plan = SendPlan::awaiting("s", &["a".to_owned(), "b".to_owned()]);
        known.add("other", ["a", "b"]);
        assert_eq!(known.unknown(&plan), ["a", "b"]);
        known.add("s", ["a", "c"]);
        assert_eq!(known.unknown(&plan), ["b"]);
        known.add("s", ["b"]);
        assert!(known.unknown(&plan).is_empty() && plan.has_known_groups(0));
        known.remove("s", "c");
        assert!(known.unknown(&plan).is_empty());
        known.remove("s", "a");
        known.remove("s", "a");
        assert_eq!(known.unknown(&plan), ["a"]);
    }

    #[test]
    fn one_question_serves_all_sends_behind_it() {
        let mut known = KnownGroups::default();
        assert!(known.join_question(0, "s", 1));
        assert!(!known.join_question(0, "s", 2));
        assert!(known.join_question(1, "s", 3), "another node");
        assert_eq!(known.end_question(0, "s"), [1, 2]);
        assert!(known.join_question(0, "s", 4));
    }
}
