//! Count of the partitions of a stream, which all processes agree on.
//!
//! A text in Redis has every count that a process has declared, with a space behind each. The largest is in force. Processes
//! only append, so a count never shrinks, without a script and whichever process is first. The process that raises it gives the new partitions all groups of the stream
//! first, each from the beginning, so that no group misses a job that is sent there.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::streams::commands::{pack_group_create, pack_groups};

use crate::engine::nodes::node::Node;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::partitions::partition_name::PartitionSpread;
use crate::engine::protocol::group_info::GroupInfo;

/// Maximum number of partitions of a stream.
pub const MAX_PARTITIONS: u32 = 4_096;

/// Number of partitions whose groups are created at the same time.
const PAGE_SIZE: usize = 64;

/// Returns the count of partitions in force, after it was raised to `least` if it was lower.
pub async fn declare(node_set: &NodeSet, stream: &str, least: u32) -> Result<u32, RedisError> {
    let node = node_set.node_of_completions(stream);
    let key = node.keys().partitions(stream);
    let known = read_counts(node, &key).await?;
    let count = known.iter().copied().max().unwrap_or_default();
    if count >= least {
        return Ok(count);
    }
    if count > 0 {
        copy_groups(node_set, stream, count..least).await?;
    }
    let text = format!("{least} ");
    node.shared()
        .call(|commands, to| commands.begin("APPEND", 3).key(key.as_bytes()).arg(text.as_bytes()).end(to))
        .await?;
    let counts = read_counts(node, &key).await?;
    // Another process can have declared less, or a group can have been created, meanwhile.
    if let Some(first) = counts.iter().copied().filter(|&other| other < least).max() {
        copy_groups(node_set, stream, first..least).await?;
    }
    Ok(counts.into_iter().max().unwrap_or(least))
}

/// Reads the declared counts.
async fn read_counts(node: &Node, key: &str) -> Result<Vec<u32>, RedisError> {
    let reply =
        node.shared().call(|commands, to| commands.begin("GET", 2).key(key.as_bytes()).end(to)).await?;
    let Some(text) = reply.bytes() else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(text);
    let counts: Option<Vec<u32>> = text.split_whitespace().map(|count| count.parse().ok()).collect();
    counts.filter(|counts| counts.iter().all(|count| (1..=MAX_PARTITIONS).contains(count))).ok_or_else(|| {
        let message = "The key of a stream's partitions has something else than their counts.";
        RedisError::local(RedisErrorKind::Protocol, message, &Arc::default()).of("GET")
    })
}

/// Creates the groups of the first partition on new partitions, each from the beginning.
async fn copy_groups(node_set: &NodeSet, stream: &str, new: std::ops::Range<u32>) -> Result<(), RedisError> {
    let spread = PartitionSpread::of(node_set);
    let (first, key) = place(node_set, &spread.name(stream, 0));
    let groups = match first.shared().call(|commands, to| pack_groups(commands, &key, to)).await {
        Ok(groups) => groups,
        // Nothing was sent yet, and no consumer has played.
        Err(error) if error.kind == RedisErrorKind::Reply && error.reply_code() == Some("ERR") => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let groups: Vec<&str> =
        GroupInfo::read_all(&groups).filter_map(|(name, _)| std::str::from_utf8(name).ok()).collect();
    let partitions: Vec<u32> = new.collect();
    for page in partitions.chunks(PAGE_SIZE) {
        let mut made = Vec::with_capacity(page.len() * groups.len());
        for &partition in page {
            let (node, key) = place(node_set, &spread.name(stream, partition));
            let mut commands = Commands::default();
            for group in &groups {
                let (sender, receiver) = oneshot::channel();
                pack_group_create(&mut commands, &key, group, "0", true, Destination::Task(sender));
                made.push(receiver);
            }
            node.shared().submit(&mut commands);
        }
        for reply in made {
            // Every command gets a reply or an error.
            match reply.await.unwrap_or_else(|_| Err(RedisError::closed())) {
                Err(error) if error.reply_code() != Some("BUSYGROUP") => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Returns the node and the key of the stream of a partition.
fn place<'a>(node_set: &'a NodeSet, name: &str) -> (&'a Node, String) {
    let node = &node_set.nodes()[node_set.route(name)];
    (node, node.keys().stream(name))
}
