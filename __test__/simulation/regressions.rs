//! Scripts that have found a fault, each with the fault. A change of the generator does not change them.
//!
//! `npm run simulate -- --seed N --save FILE` writes the reduced script of a seed.

use crate::scenario::Scenario;

/// Scripts of mended faults, with the faults.
pub const SCRIPTS: [(&str, &str); 59] = [
    (
        include_str!("scripts/171.json"),
        "a completion that only a replica had published was not sent again with its acknowledgement",
    ),
    (
        include_str!("scripts/194.json"),
        "a group that was destroyed before a consumer had read began behind the unread entries",
    ),
    (
        include_str!("scripts/340.json"),
        "an entry of a read whose reply came after its lease ran beside the consumer that had claimed it",
    ),
    (
        include_str!("scripts/362.json"),
        "a claim was sent again right after a reconnection, before the other consumers could renew their leases",
    ),
    (
        include_str!("scripts/431.json"),
        "after the readmission of an ejected node, the first consumer took over the jobs of the others",
    ),
    (
        include_str!("scripts/1016.json"),
        "a read of the history after a lost connection ran an exhausted entry again",
    ),
    (
        include_str!("scripts/1054.json"),
        "a consumer that played during a stop lost its name with the entries it had read",
    ),
    (
        include_str!("scripts/1661.json"),
        "a new primary delivered an entry again that its consumer was still running",
    ),
    (
        include_str!("scripts/1887.json"),
        "a stop handed back an entry that began before the end of the stop, as if it had not begun",
    ),
    (
        include_str!("scripts/2057.json"),
        "a read of the history ran an entry again while it moved to the dead letters",
    ),
    (
        include_str!("scripts/10610.json"),
        "an exhausted entry was reported again after its owner had read its history",
    ),
    (include_str!("scripts/2239.json"), "an exhausted entry ran again after the clock of Redis was set back"),
    (
        include_str!("scripts/21617.json"),
        "a completion that came before its refused acknowledgement was missed for good",
    ),
    (
        include_str!("scripts/22484.json"),
        "a completion was never published, since its connection broke behind the acknowledgement",
    ),
    (
        include_str!("scripts/1208.json"),
        "a lease renewal that waited for a Cluster took the entry back from the consumer that had claimed it",
    ),
    (
        include_str!("scripts/61055.json"),
        "after it was frozen, a consumer took entries from the consumers that had claimed them, again and again",
    ),
    (
        include_str!("scripts/200148.json"),
        "a consumer that had read nothing began the group of a new stream behind the entries of the old one",
    ),
    (
        include_str!("scripts/200377.json"),
        "an entry that a read got after a pause had given it up waited for claimDeadline",
    ),
    (
        include_str!("scripts/300047.json"),
        "an entry that a destroyed group had lost waited for ever, and kept the turn of its key",
    ),
    (
        include_str!("scripts/100643.json"),
        "an entry of an ordered partition that was trimmed while it waited kept the turn of its key for ever",
    ),
    (
        include_str!("scripts/100697.json"),
        "an entry that was trimmed while it waited for another one of its key kept the rest of its key waiting",
    ),
    (
        include_str!("scripts/103999.json"),
        "an entry that started while its renewal was under way lost the lease, and another consumer ran it too",
    ),
    (
        include_str!("scripts/104109.json"),
        "a new owner began the next job of a key before the dead letter of one that had ended with its consumer",
    ),
    (
        include_str!("scripts/104299.json"),
        "an entry that a group got again after its position was set back waited for its own end",
    ),
    (
        include_str!("scripts/104721.json"),
        "an entry that was read waited for a slot that the search for candidates kept while it moved dead letters",
    ),
    (
        include_str!("scripts/106394.json"),
        "an entry that was taken over and then read again, from a group that was set back, held itself up for ever",
    ),
    (
        include_str!("scripts/104811.json"),
        "retention forgot what it had removed once a failover had cut off a removal that removed nothing",
    ),
    (
        include_str!("scripts/101587.json"),
        "a job of a partition that was taken over began before Redis had its delivery, and ran once more than retryLimit",
    ),
    (
        include_str!("scripts/100668.json"),
        "a delay that was sent again took an entry from the consumer that had claimed it when it was due",
    ),
    (
        include_str!("scripts/106620.json"),
        "a consumer that played again read an entry from its history that it had claimed, beyond retryLimit",
    ),
    (
        include_str!("scripts/102503.json"),
        "after a lost read, an entry that was claimed and had failed ran again at once, also beside its new owner",
    ),
    (
        include_str!("scripts/101925.json"),
        "a late renewal took the entry of a running job for good, and its consumer ran the job a second time",
    ),
    (
        include_str!("scripts/1001450.json"),
        "the group of a new stream with ids on both sides of the last known one began behind unread entries",
    ),
    (
        include_str!("scripts/104934.json"),
        "after a failover, the mark of retention made a success of a job whose entry the new primary lacks",
    ),
    (
        include_str!("scripts/1001340.json"),
        "the first question for the groups of a stream was lost, and a group counted as later than the job",
    ),
    (
        include_str!("scripts/1900109.json"),
        "a producer whose first question came before a group was made did not know an outcome of a later send",
    ),
    (
        include_str!("scripts/1003333.json"),
        "a producer that found a group missing did not learn that it was made anew, and did not know an outcome",
    ),
    (
        include_str!("scripts/1009171.json"),
        "a position of a group from the old primary made a success of a job that the new one had not delivered",
    ),
    (
        include_str!("scripts/1006198.json"),
        "after FLUSHALL and a clock that was set back, a send whose reply was lost was not found and sent again",
    ),
    (
        include_str!("scripts/1012424.json"),
        "a group that was destroyed between its creation and its inspection began behind the unread entries",
    ),
    (
        include_str!("scripts/1013611.json"),
        "a group was created behind an entry of the old stream, since the query for the new one was lost",
    ),
    (
        include_str!("scripts/1013144.json"),
        "a pause took back the deliveries of a consumer that had run a waiting entry during a lapse of its lease",
    ),
    (
        include_str!("scripts/1005337.json"),
        "a pause took back the delivery of an entry that was exhausted during a lapse of its lease",
    ),
    (
        include_str!("scripts/1007634.json"),
        "a consumer that played again behind a stop ran an entry again whose last delivery the stop had ended",
    ),
    (
        include_str!("scripts/1012825.json"),
        "a claimed entry that waited began although the consumer before had acknowledged it",
    ),
    (
        include_str!("scripts/4000089.json"),
        "a failure whose completion was missed became a success, since its record expired with a clock set forward",
    ),
    (
        include_str!("scripts/4006995.json"),
        "a job that a stop started behind its hand-back never ran, also not when its consumer played again",
    ),
    (
        include_str!("scripts/4009772.json"),
        "an owner of partitions on several nodes lost all of its leases while one of the nodes did not answer",
    ),
    (
        include_str!("scripts/4009628.json"),
        "a consumer that had lost a waiting entry read its history again and ran the failed jobs behind that entry",
    ),
    (
        include_str!("scripts/4023278.json"),
        "the network delivered a delayed send after it was sent again and cancelled",
    ),
    (
        include_str!("scripts/6002268.json"),
        "an owner of a partition began an entry that the owner before had acknowledged late",
    ),
    (
        include_str!("scripts/6002324.json"),
        "a process that stood still during a search ran a job that another one had run at its retry limit meanwhile",
    ),
    (
        include_str!("scripts/10000477.json"),
        "a destroyed group was created again behind the entries of a new stream whose ids are smaller",
    ),
    (
        include_str!("scripts/10003455.json"),
        "a process that stood still behind the look-up of a missed renewal took the entry from its new owner",
    ),
    (
        include_str!("scripts/10032483.json"),
        "a job that failed at its retry limit while Redis was away was never reported as exhausted",
    ),
    (
        include_str!("scripts/10052790.json"),
        "a producer on a Cluster read the record of a failure before it was written, and the pending entries behind it",
    ),
    (
        include_str!("scripts/20002060.json"),
        "a cancellation left before a delayed send that was held back, and both were sent again in this order",
    ),
    (
        include_str!("scripts/172.json"),
        "a claim that the network delivered late ran a job that another consumer had run at its retry limit meanwhile",
    ),
    (
        include_str!("scripts/10048610.json"),
        "an owner that had lost its lease to a clock set forward undid the deliveries of the next owner by its hand-back",
    ),
];

/// Reads a script.
pub fn read(script: &str) -> Scenario {
    serde_json::from_str(script).unwrap()
}

/// Writes a script.
pub fn write(script: &Scenario) -> String {
    serde_json::to_string_pretty(script).unwrap()
}
