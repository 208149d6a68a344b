//! Diagnosis of a job that is not finished in time, by the state of each awaited group in Redis. Pure.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::protocol::group_info::GroupInfo;
use crate::engine::protocol::outcome_record::shortened;
use crate::engine::protocol::pending_entries::PendingEntry;

/// State of a job for one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupState {
    /// The group has completed it.
    Completed,
    /// Its processor failed.
    Failed,
    /// The stream has no such group.
    Absent,
    /// The entry was not delivered to the group.
    Waiting,
    /// The entry was delivered to the group and not acknowledged.
    Pending,
    /// The group's position is past the entry and the entry is not pending: it was acknowledged, or the group is
    /// younger.
    Passed,
    /// The entry is not in the stream.
    Gone,
}

/// A consumer in XINFO CONSUMERS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerDescription {
    /// Its name.
    pub name: String,
    /// Time since its last command, in ms.
    pub idle: u64,
}

/// Facts about an entry and a group.
#[derive(Debug, Default)]
pub struct GroupFindings<'a> {
    /// The group, if there is one.
    pub group: Option<&'a GroupInfo>,
    /// Its consumers, if Redis lists them.
    pub members: Option<&'a [ConsumerDescription]>,
    /// True if the entry is in the stream. `None` if that was not queried.
    pub is_there: Option<bool>,
    /// Its row in XPENDING.
    pub pending: Option<PendingEntry>,
    /// Error in the group's completion or record, if there is one of these.
    pub known_error: Option<Option<String>>,
}

/// Diagnosis of a job, for each group that it waits for.
#[derive(Debug, Serialize)]
pub struct Diagnosis<'a> {
    /// The stream, without prefix.
    pub stream: &'a str,
    /// Address of the server.
    pub node: &'a str,
    /// The entry.
    pub entry: String,
    /// True if the stream exists.
    pub exists: bool,
    /// All groups of the stream, without prefix.
    pub others: Vec<&'a str>,
    /// In the order of the awaited groups.
    pub groups: Vec<GroupDiagnosis<'a>>,
}

/// Diagnosis of one group. A fact that is unknown, or means nothing in its state, is `None`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupDiagnosis<'a> {
    group: &'a str,
    state: GroupState,
    consumers: Option<u64>,
    pending: Option<u64>,
    last_read: Option<u64>,
    lag: Option<u64>,
    /// True if the group was created after the entry was sent. `None` if Redis does not show it.
    is_later: Option<bool>,
    owner: Option<String>,
    owner_seen: Option<u64>,
    idle: Option<u64>,
    deliveries: Option<u64>,
    error: Option<Box<RawValue>>,
}

impl<'a> GroupDiagnosis<'a> {
    /// Diagnosis of a group that has completed the job without an error.
    pub fn completed(group: &'a str) -> Self {
        Self::new(group, GroupState::Completed)
    }

    /// Diagnosis of a group that has not completed the job. `None` if the facts do not suffice.
    pub fn found(group: &'a str, entry: EntryId, findings: GroupFindings<'_>) -> Option<Self> {
        let GroupFindings { group: known, members, is_there, pending, known_error } = findings;
        let last_read = members.and_then(|members| members.iter().map(|member| member.idle).min());
        let counts = known.map(|known| (Some(known.consumers), Some(known.pending), known.lag));
        let (consumers, in_flight, lag) = counts.unwrap_or_default();
        let described = |state| {
            let group = Self { consumers, pending: in_flight, last_read, lag, ..Self::new(group, state) };
            group.had_by(pending.as_ref(), members)
        };
        Some(match (known, known_error) {
            (_, Some(None)) => Self::completed(group),
            (_, Some(Some(error))) => {
                let error = RawValue::from_string(shortened(&error).into_owned()).ok();
                Self { error, ..described(GroupState::Failed) }
            }
            _ if pending.is_some() => described(GroupState::Pending),
            (None, None) if is_there != Some(false) => described(GroupState::Absent),
            _ if is_there == Some(false) => described(GroupState::Gone),
            (Some(known), None) if known.delivered < entry => described(GroupState::Waiting),
            (Some(_), None) if is_there.is_none() => return None,
            (Some(GroupInfo { read, delivered, .. }), None) => Self {
                is_later: read.map(|read| read.is_none() && *delivered == entry),
                ..described(GroupState::Passed)
            },
            (None, None) => described(GroupState::Absent),
        })
    }

    fn had_by(self, pending: Option<&PendingEntry>, members: Option<&[ConsumerDescription]>) -> Self {
        let Some(PendingEntry { owner, idle, deliveries, .. }) = pending else { return self };
        Self {
            owner: Some(owner.clone()),
            owner_seen: members.and_then(|members| seen(members, owner)),
            idle: u64::try_from(idle.as_millis()).ok(),
            deliveries: Some(*deliveries),
            ..self
        }
    }

    fn new(group: &'a str, state: GroupState) -> Self {
        let (consumers, pending, last_read, lag, is_later) = Default::default();
        let (owner, owner_seen, idle, deliveries, error) = Default::default();
        Self {
            group,
            state,
            consumers,
            pending,
            last_read,
            lag,
            is_later,
            owner,
            owner_seen,
            idle,
            deliveries,
            error,
        }
    }
}

fn seen(members: &[ConsumerDescription], owner: &str) -> Option<u64> {
    members.iter().find(|member| member.name == owner).map(|member| member.idle)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ENTRY: EntryId = EntryId { time: 5, sequence: 0 };

    fn group(delivered: u64, read: Option<Option<u64>>) -> GroupInfo {
        let delivered = EntryId { time: delivered, sequence: 0 };
        GroupInfo { consumers: 1, pending: 0, delivered, read, lag: None }
    }

    fn pending() -> PendingEntry {
        PendingEntry { id: ENTRY, owner: "me".to_owned(), idle: Duration::from_millis(70), deliveries: 3 }
    }

    fn state(findings: GroupFindings<'_>) -> Option<GroupState> {
        GroupDiagnosis::found("g", ENTRY, findings).map(|found| found.state)
    }

    #[test]
    fn the_state_of_a_job_follows_from_the_group_position() {
        let is_there = Some(true);
        let (before, at) = (group(4, None), group(5, None));
        let found = |group| state(GroupFindings { group, is_there, ..GroupFindings::default() });
        assert_eq!(found(None), Some(GroupState::Absent));
        assert_eq!(found(Some(&before)), Some(GroupState::Waiting));
        assert_eq!(found(Some(&at)), Some(GroupState::Passed));
        let has = GroupFindings {
            group: Some(&at),
            is_there,
            pending: Some(pending()),
            ..GroupFindings::default()
        };
        assert_eq!(state(has), Some(GroupState::Pending));
        for group in [None, Some(&before), Some(&at)] {
            let gone = GroupFindings { group, is_there: Some(false), ..GroupFindings::default() };
            assert_eq!(state(gone), Some(GroupState::Gone));
        }
        let held =
            GroupFindings { is_there: Some(false), pending: Some(pending()), ..GroupFindings::default() };
        assert_eq!(state(held), Some(GroupState::Pending), "it was trimmed while it is run");
    }

    #[test]
    fn without_a_look_at_the_entry_only_what_the_groups_show_is_said() {
        let (before, at) = (group(4, None), group(5, None));
        let found = |group| state(GroupFindings { group, ..GroupFindings::default() });
        assert_eq!(
            [found(None), found(Some(&before))],
            [Some(GroupState::Absent), Some(GroupState::Waiting)]
        );
        assert_eq!(found(Some(&at)), None);
    }

    #[test]
    fn a_group_that_has_read_nothing_and_ends_at_the_entry_was_made_after_it() {
        let is_later = |read| {
            let at = group(5, read);
            let findings =
                GroupFindings { group: Some(&at), is_there: Some(true), ..GroupFindings::default() };
            GroupDiagnosis::found("g", ENTRY, findings).and_then(|found| found.is_later)
        };
        assert_eq!(
            [is_later(None), is_later(Some(None)), is_later(Some(Some(9)))],
            [None, Some(true), Some(false)]
        );
    }

    #[test]
    fn a_failure_is_said_with_what_the_group_still_has_of_it() {
        let members = [
            ConsumerDescription { name: "me".to_owned(), idle: 50 },
            ConsumerDescription { name: "you".to_owned(), idle: 40 },
        ];
        let at = group(5, None);
        let known_error = Some(Some("{\"message\":\"no\"}".to_owned()));
        let findings = GroupFindings {
            group: Some(&at),
            members: Some(&members),
            is_there: Some(true),
            pending: Some(pending()),
            known_error,
        };
        let found = GroupDiagnosis::found("g", ENTRY, findings).unwrap();
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            r#"{"group":"g","state":"failed","consumers":1,"pending":0,"lastRead":40,"lag":null,"isLater":null,"owner":"me","ownerSeen":50,"idle":70,"deliveries":3,"error":{"message":"no"}}"#
        );
        let ended = GroupFindings { known_error: Some(None), ..GroupFindings::default() };
        assert_eq!(state(ended), Some(GroupState::Completed));
    }
}
