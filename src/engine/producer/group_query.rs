//! Question for the groups of a stream, in front of a send to a group that is not known to exist.
//!
//! The question and the send leave on one connection, in this order, and the question is never sent again. So a group in its
//! reply existed before the entry. The reply counts for all sends that left behind the question.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::resp::Value;
use crate::redis_io::streams::commands::pack_groups;

use crate::engine::producer::Producer;
use crate::engine::producer::outcome_query::PendingReply;
use crate::engine::producer::sending::send_plan::QueuedSend;
use crate::engine::producer::state::ProducerState;
use crate::engine::protocol::group_info::GroupInfo;

impl Producer {
    /// Asks for the groups before a send with a wait for one that is not known. One question is under way for each place of a
    /// stream. A transaction asks nothing, since it can be as long as the queue allows.
    pub(crate) fn ask_unknown_groups(self: &Arc<Self>, state: &mut ProducerState, queued: &QueuedSend) {
        let Some(wait) = queued.wait else { return };
        let known = &mut state.known_groups;
        if known.unknown(&queued.plan).is_empty() || !known.is_outdated(&queued.plan.stream) {
            return;
        }
        let node = queued.node(&self.node_set);
        let key = queued.plan.key(node);
        if !known.join_question(node, key, wait) {
            return;
        }
        let groups = self.ask_groups(queued, false);
        let (producer, plan) = (self.this.clone(), queued.plan.clone());
        self.node_set.context().tasks.spawn(async move {
            let reply = groups.await;
            let Some(producer) = producer.upgrade() else { return };
            let mut state = producer.lock();
            let waits = state.known_groups.end_question(node, plan.key(node));
            let Ok(Ok(reply)) = reply else {
                // Without the right to ask, no group is ever known.
                let is_refused = matches!(&reply, Ok(Err(error)) if error.reply_code() == Some("NOPERM"));
                state.known_groups.set_outdated(&plan.stream, !is_refused);
                return;
            };
            let names = producer.group_names(&reply);
            state.known_groups.add(&plan.stream, names.iter().map(String::as_str));
            for (wait, group) in waits.iter().flat_map(|wait| names.iter().map(move |group| (*wait, group))) {
                state.completions.note_expected(wait, group);
            }
        });
    }

    /// Asks Redis for the groups of a job's stream. A question in front of a send is not repeated after a lost connection, since
    /// Redis can have executed the send by then.
    pub(crate) fn ask_groups(&self, queued: &QueuedSend, is_repeated: bool) -> PendingReply {
        let node = queued.node(&self.node_set);
        let (sender, groups) = oneshot::channel();
        let mut commands = Commands::default();
        pack_groups(&mut commands, queued.plan.key(node), Destination::Task(sender));
        if !is_repeated {
            commands.last_once();
        }
        self.node_set.nodes()[node].shared().submit(&mut commands);
        groups
    }

    /// Names of the groups of this bus in a reply of XINFO GROUPS, without prefix.
    pub(crate) fn group_names(&self, reply: &Value) -> Vec<String> {
        let prefix = self.node_set.keys().group("");
        let named = GroupInfo::read_all(reply).filter_map(|(name, _)| std::str::from_utf8(name).ok());
        named.filter_map(|name| name.strip_prefix(prefix.as_str())).map(str::to_owned).collect()
    }
}
