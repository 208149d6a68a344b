//! Outcome of a job for a group whose completion can have been missed, by the facts in Redis. Pure.

use crate::engine::host::AnswerValue;
use crate::engine::protocol::job_error::JobError;
use crate::engine::protocol::outcome_record::RecordedEnd;
use crate::redis_io::world::fault::planted;

/// Code of the error of a job without a known outcome.
pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";

/// Facts in Redis. `delivered` was read first and the record last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryObservation {
    /// True if the group's position is at or past the entry. `None` if there is no such group.
    pub delivered: Option<bool>,
    /// True if the group can have been created after the job was sent.
    pub can_be_later: bool,
    /// True if the entry is in the stream.
    pub is_there: bool,
    /// True if retention has removed the entry, after every group had acknowledged it.
    pub is_retired: bool,
    /// True if the entry is pending for the group.
    pub is_pending: bool,
    /// The record, if there is one.
    pub record: Option<RecordedEnd>,
    /// Error of the last failure that no connection received, if it is recent.
    pub unreceived_failure: Option<String>,
}

/// Outcome of a job for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// Unknown yet: the job has not run, or runs, or failed without a record.
    Open,
    /// The job ended.
    Ended(JobEnd),
    /// The entry is gone: the job can have run, or the entry was removed before.
    Lost,
    /// The group was created after the job was sent: its position can have begun behind the entry.
    Skipped,
}

/// End of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    /// The error as JSON; `None` for success.
    pub error: Option<String>,
    /// Values that the completion returned, by payload key. `None` if only a record could say them.
    pub answer: Option<Vec<AnswerValue>>,
}

impl JobEnd {
    /// An end without a record. A failure has no answer.
    fn unrecorded(error: Option<String>) -> Self {
        let answer = error.is_some().then(Vec::new);
        Self { error, answer }
    }
}

impl EntryObservation {
    /// Returns the outcome that follows.
    ///
    /// An entry that was delivered and is not pending was acknowledged, so its job succeeded. That holds only while
    /// the entry is in the stream, or if retention has removed it. A trimmed entry is acknowledged as well, whatever its
    /// outcome. It does not hold for a
    /// group that was created after the job was sent.
    pub fn outcome(self) -> JobOutcome {
        match self {
            Self { record: Some(RecordedEnd { error, answer }), .. } => {
                JobOutcome::Ended(JobEnd { error, answer: Some(answer) })
            }
            // An entry that is not pending any more has a later outcome.
            Self { is_pending: true, unreceived_failure: Some(error), .. } => {
                JobOutcome::Ended(JobEnd::unrecorded(Some(error)))
            }
            Self { is_pending: true, .. } => JobOutcome::Open,
            Self { is_there: false, is_retired: false, .. } => JobOutcome::Lost,
            // The group was created after the removal, before the entry.
            Self { is_there: false, delivered: None | Some(false), .. } => JobOutcome::Lost,
            Self { delivered: Some(false), .. } if planted("undelivered entry counts as done") => {
                JobOutcome::Ended(JobEnd::unrecorded(None))
            }
            Self { delivered: Some(true), can_be_later: true, .. } => JobOutcome::Skipped,
            Self { delivered: Some(true), .. } => JobOutcome::Ended(JobEnd::unrecorded(None)),
            _ => JobOutcome::Open,
        }
    }
}

/// Error of a job without a known outcome.
pub fn unknown_outcome(stream: &str) -> String {
    let message = format!("The job's entry is gone from stream {stream}, and nothing says how the job ended");
    JobError::new(OUTCOME_UNKNOWN, &message).to_json()
}

/// Error of a job that a group does not get, since the group was created later.
pub fn skipped_outcome(stream: &str, group: &str) -> String {
    let message = format!(
        "Group {group} was created on stream {stream} after the job was sent, and is behind its entry, so it does not get the \
         job: play() comes before send(), or process() takes fromId: '0'. Nothing says that it has run the job"
    );
    JobError::new(OUTCOME_UNKNOWN, &message).to_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(
        delivered: Option<bool>,
        is_there: bool,
        is_pending: bool,
        record: Option<Option<&str>>,
    ) -> JobOutcome {
        let record = record.map(recorded);
        EntryObservation { delivered, is_there, is_pending, record, ..present() }.outcome()
    }

    /// An entry that is in the stream, of which nothing else is known.
    fn present() -> EntryObservation {
        EntryObservation {
            delivered: None,
            can_be_later: false,
            is_there: true,
            is_retired: false,
            is_pending: false,
            record: None,
            unreceived_failure: None,
        }
    }

    fn recorded(error: Option<&str>) -> RecordedEnd {
        RecordedEnd { error: error.map(str::to_owned), answer: Vec::new() }
    }

    fn by_record(error: Option<&str>) -> JobOutcome {
        JobOutcome::Ended(JobEnd { error: error.map(str::to_owned), answer: Some(Vec::new()) })
    }

    fn unrecorded(error: Option<&str>) -> JobOutcome {
        JobOutcome::Ended(JobEnd::unrecorded(error.map(str::to_owned)))
    }

    #[test]
    fn an_entry_that_was_delivered_and_is_not_pending_has_succeeded() {
        assert_eq!(judge(Some(true), true, false, None), unrecorded(None));
        assert_eq!(judge(Some(true), true, true, None), JobOutcome::Open);
        assert_eq!(judge(Some(false), true, false, None), JobOutcome::Open);
        assert_eq!(judge(None, true, false, None), JobOutcome::Open, "a group that is to be made yet");
    }

    #[test]
    fn a_later_group_behind_the_entry_does_not_get_it_unless_a_record_or_its_pending_entry_shows_it() {
        let judge = |delivered, is_pending, record: Option<Option<&str>>| {
            let record = record.map(recorded);
            EntryObservation { delivered, can_be_later: true, is_pending, record, ..present() }.outcome()
        };
        assert_eq!(judge(Some(true), false, None), JobOutcome::Skipped);
        assert_eq!(judge(Some(true), false, Some(None)), by_record(None));
        assert_eq!(judge(Some(true), true, None), JobOutcome::Open);
        assert_eq!(judge(Some(false), false, None), JobOutcome::Open);
    }

    #[test]
    fn a_record_decides_the_outcome() {
        assert_eq!(judge(Some(true), true, true, Some(Some("1"))), by_record(Some("1")));
        assert_eq!(judge(Some(true), false, false, Some(None)), by_record(None));
    }

    #[test]
    fn an_unreceived_failure_counts_while_the_entry_is_pending() {
        let evidence = |is_pending, record| EntryObservation {
            delivered: Some(true),
            is_pending,
            record,
            unreceived_failure: Some("1".to_owned()),
            ..present()
        };
        assert_eq!(evidence(true, None).outcome(), unrecorded(Some("1")));
        assert_eq!(evidence(false, None).outcome(), unrecorded(None), "it was run again, and succeeded");
        assert_eq!(evidence(false, Some(recorded(Some("2")))).outcome(), by_record(Some("2")));
    }

    #[test]
    fn the_outcome_of_a_gone_entry_is_unknown_unless_it_is_pending() {
        assert_eq!(judge(Some(true), false, false, None), JobOutcome::Lost);
        assert_eq!(judge(Some(false), false, false, None), JobOutcome::Lost);
        assert_eq!(judge(None, false, false, None), JobOutcome::Lost);
        assert_eq!(judge(Some(true), false, true, None), JobOutcome::Open);
    }

    #[test]
    fn an_entry_that_retention_removed_counts_as_if_it_were_there_for_a_group_that_has_passed_it() {
        let judge = |delivered, can_be_later, is_pending, record: Option<Option<&str>>| {
            let (record, is_there, is_retired) = (record.map(recorded), false, true);
            EntryObservation {
                delivered,
                can_be_later,
                is_there,
                is_retired,
                is_pending,
                record,
                ..present()
            }
            .outcome()
        };
        assert_eq!(judge(Some(true), false, false, None), unrecorded(None));
        assert_eq!(judge(Some(true), false, false, Some(Some("1"))), by_record(Some("1")));
        assert_eq!(judge(Some(true), true, false, None), JobOutcome::Skipped);
        assert_eq!(judge(Some(true), false, true, None), JobOutcome::Open);
        for delivered in [None, Some(false)] {
            assert_eq!(
                judge(delivered, false, false, None),
                JobOutcome::Lost,
                "a group of after the removal"
            );
        }
    }

    #[test]
    fn the_error_of_an_unknown_outcome_is_json_for_any_name() {
        for error in [unknown_outcome("a\"b"), skipped_outcome("a\"b", "c\"d")] {
            assert!(serde_json::from_str::<serde_json::Value>(&error).is_ok());
        }
    }
}
