//! Consumers that can own the partitions of a stream, and the choice among them.
//!
//! A sorted set has the time of the last announcement of each consumer of the group, by the clock of its server. A consumer
//! without an announcement within a lease has ended.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::pack_time;

use crate::engine::consumer::Consumer;
use crate::engine::partitions::key_partition::weight;

/// Number of leases after which the name of an ended consumer is removed.
const KEPT_LEASES: u64 = 100;

/// Consumers of a group that live.
pub(crate) struct Members {
    /// Their names.
    pub(crate) names: Vec<String>,
    /// Time of their server, in ms since 1970.
    pub(crate) now: u64,
}

impl Consumer {
    /// Announces this consumer, and returns those that live, itself included. A refused announcement is an error:
    /// the others cannot announce themselves either, and the list says nothing.
    pub(crate) async fn announce(&self, stream: &str, lease: Duration) -> Result<Members, RedisError> {
        let node = self.node_set.node_of_completions(stream);
        let key = node.keys().members(stream, &self.options.group);
        let time = node.shared().call(|commands, to| pack_time(commands, &key, to)).await?;
        if self.has_disconnected() {
            return Err(RedisError::closed());
        }
        let now = read_time(&time).unwrap_or_default();
        let lease = lease.as_millis() as u64;
        let (announced, is_announced) = oneshot::channel();
        let (sender, members) = oneshot::channel();
        let mut commands = Commands::default();
        commands.begin("ZADD", 4).key(key.as_bytes()).arg_number(now).arg(self.options.id.as_bytes());
        commands.end_once(Destination::Task(announced));
        // Without consumers the list lapses.
        let kept = lease.saturating_mul(KEPT_LEASES);
        commands.begin("PEXPIRE", 3).key(key.as_bytes()).arg_number(kept).end_once(Destination::Nowhere);
        commands.begin("ZREMRANGEBYSCORE", 4).key(key.as_bytes()).arg(b"-inf");
        commands.arg_number(now.saturating_sub(kept)).end_once(Destination::Nowhere);
        commands
            .begin("ZRANGEBYSCORE", 4)
            .key(key.as_bytes())
            .arg_number(now.saturating_sub(lease))
            .arg(b"+inf");
        commands.end_once(Destination::Task(sender));
        node.shared().submit(&mut commands);
        is_announced.await.unwrap_or_else(|_| Err(RedisError::closed()))?;
        let members = members.await.unwrap_or_else(|_| Err(RedisError::closed()))?;
        let Value::Array(members) = members else {
            return Ok(Members { names: vec![self.options.id.clone()], now });
        };
        let read = |name: &Value| Some(String::from_utf8_lossy(name.bytes()?).into_owned());
        let mut names: Vec<String> = members.iter().filter_map(read).collect();
        if !names.contains(&self.options.id) {
            names.push(self.options.id.clone());
        }
        Ok(Members { names, now })
    }

    /// Removes this consumer from the announced ones.
    pub(crate) async fn retire_member(&self, stream: &str) {
        let node = self.node_set.node_of_completions(stream);
        let key = node.keys().members(stream, &self.options.group);
        // Without a success the announcement lapses.
        let removed = node.shared().call(|commands, to| {
            commands.begin("ZREM", 3).key(key.as_bytes()).arg(self.options.id.as_bytes()).end_once(to);
        });
        drop(removed.await);
    }
}

/// Returns the member with the largest weight for a partition.
pub(crate) fn rendezvous<'a>(members: &'a [String], partition: &str) -> Option<&'a String> {
    members.iter().max_by_key(|member| (weight(member, partition), *member))
}

/// Reads the reply of TIME, in ms.
fn read_time(reply: &Value) -> Option<u64> {
    let Value::Array(parts) = reply else { return None };
    let number = |part: &Value| std::str::from_utf8(part.bytes()?).ok()?.parse::<u64>().ok();
    let [seconds, micros] = parts.as_slice() else { return None };
    Some(number(seconds)? * 1_000 + number(micros)? / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_leaves_moves_its_own_partitions_only() {
        let members: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let left = &members[..3];
        let mut counts = [0; 3];
        for partition in 0..300 {
            let name = format!("orders#{partition}");
            let (before, after) = (rendezvous(&members, &name), rendezvous(left, &name));
            assert!(before == after || before.is_some_and(|member| member == "d"));
            counts[left.iter().position(|member| Some(member) == after).expect("is a member")] += 1;
        }
        assert!(counts.iter().all(|&count| count > 70), "{counts:?}");
        assert_eq!(rendezvous(&[], "orders#0"), None);
    }
}
