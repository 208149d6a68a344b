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
}
