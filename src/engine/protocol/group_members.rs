//! The consumers of a group, as one of them sees the others. Pure.

use std::time::Duration;

use crate::redis_io::resp::Reply;

use crate::engine::protocol::consumer_info::ConsumerInfo;

/// Maximum number of idle consumers that are read at a time.
const MOST_IDLE: usize = 100;

/// The consumers of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMembers {
    /// Number of consumers.
    pub count: usize,
    /// True if the consumer that asks is among them.
    pub has_own: bool,
    /// Other consumers that have nothing pending and have been idle for the limit.
    pub idle: Vec<String>,
    /// True if there are more idle consumers than `idle` names.
    pub has_more: bool,
}

impl GroupMembers {
    /// Reads a reply for the consumer `own`, with the consumers that have been idle for `limit`. Returns `None` for
    /// another reply.
    pub fn read(reply: &Reply<'_>, own: &str, limit: Option<Duration>) -> Option<Self> {
        let mut members = Self::default();
        ConsumerInfo::each(reply, |consumer| {
            members.count += 1;
            if consumer.name == own.as_bytes() {
                members.has_own = true;
            } else if let Some(name) = limit.and_then(|limit| idle_for(consumer, limit)) {
                members.add_idle(name);
            }
        })?;
        Some(members)
    }

    /// Returns true if the consumer that asks is the only one.
    pub fn has_only_own(&self) -> bool {
        self.has_own && self.count == 1
    }

    fn add_idle(&mut self, name: &str) {
        if self.idle.len() < MOST_IDLE {
            self.idle.push(name.to_owned());
        } else {
            self.has_more = true;
        }
    }
}

/// Name of a consumer that has nothing pending and has been idle for `limit`. Names that are not UTF-8 belong to no
/// bus.
fn idle_for(consumer: ConsumerInfo<'_>, limit: Duration) -> Option<&str> {
    let ConsumerInfo { name, pending, idle } = consumer;
    let is_idle = pending == Some(0) && idle.is_some_and(|ms| Duration::from_millis(ms) >= limit);
    std::str::from_utf8(name).ok().filter(|_| is_idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Option<Duration> = Some(Duration::from_millis(100));

    fn consumer(name: &str, pending: u64, idle: i64) -> String {
        let length = name.len();
        format!(
            "*8\r\n$4\r\nname\r\n${length}\r\n{name}\r\n$7\r\npending\r\n:{pending}\r\n\
            $4\r\nidle\r\n:{idle}\r\n$8\r\ninactive\r\n:-1\r\n"
        )
    }

    fn read(consumers: &[String], limit: Option<Duration>) -> Option<GroupMembers> {
        let bytes = format!("*{}\r\n{}", consumers.len(), consumers.concat());
        GroupMembers::read(&Reply::new(bytes.as_bytes()).expect("complete"), "me", limit)
    }

    #[test]
    fn others_that_have_nothing_pending_and_were_idle_for_long_are_found() {
        let others = [
            consumer("me", 0, 999),
            consumer("young", 0, 99),
            consumer("old", 0, 100),
            consumer("busy", 1, 999),
            consumer("ahead of the clock", 0, -5),
        ];
        let members = read(&others, LIMIT).expect("consumers");
        assert_eq!((members.count, members.has_own, members.has_more), (5, true, false));
        assert_eq!(members.idle, ["old"]);
        assert_eq!(read(&others, None).expect("consumers").idle, Vec::<String>::new());
    }

    #[test]
    fn no_more_are_taken_note_of_than_fit_in_one_transaction() {
        let crowd: Vec<String> = (0..101).map(|number| consumer(&number.to_string(), 0, 100)).collect();
        let members = read(&crowd, LIMIT).expect("consumers");
        assert_eq!((members.idle.len(), members.has_more, members.has_own), (100, true, false));
    }

    #[test]
    fn a_consumer_has_its_group_to_itself_if_there_is_no_other_name() {
        let only = |names: &[&str]| {
            let consumers: Vec<String> = names.iter().map(|name| consumer(name, 0, 1)).collect();
            read(&consumers, None).expect("consumers").has_only_own()
        };
        assert!(only(&["me"]));
        assert!(!only(&["you"]) && !only(&["me", "me"]) && !only(&[]));
    }

    #[test]
    fn another_reply_tells_nothing() {
        for bytes in [b"$-1\r\n".as_slice(), b"*1\r\n:1\r\n", b":7\r\n"] {
            assert_eq!(GroupMembers::read(&Reply::new(bytes).expect("complete"), "me", LIMIT), None);
        }
    }
}
