//! Handles commands that a node did not serve: they follow their slot, or get another attempt later.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::cluster::pool::Target;
use crate::redis_io::cluster::redirect::{Redirect, RedirectedCommand};
use crate::redis_io::cluster::state::{ClusterState, PATIENCE};
use crate::redis_io::command::{CommandMeta, Commands, Destination};
use crate::redis_io::connection::lost_session::LostSession;
use crate::redis_io::connection::redirector::Redirector;
use crate::redis_io::error::{QUEUE_FULL, RedisError, RedisErrorKind};

/// Command that lets a node serve the next command while it imports the slot.
const ASKING: &str = "ASKING";

/// Error of a command that must not wait.
const NOT_SERVED: &str = "No node of the Cluster serves the command now.";

/// Minimum delay of another attempt.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

impl Redirector for ClusterState {
    fn should_redirect(&self, error: &RedisError) -> bool {
        Redirect::read(error, &error.node).is_some()
    }

    fn redirect(&self, meta: CommandMeta, bytes: Vec<u8>, error: RedisError) {
        match Redirect::read(&error, &error.node) {
            Some(redirect) => self.lock().redirected.push(RedirectedCommand { redirect, meta, bytes, error }),
            None => meta.destination.deliver(self.sink.as_ref(), Err(error)),
        }
    }

    fn requeue_lost(&self, lost: LostSession, node: &str, error: RedisError) {
        self.search_and_requeue(lost, node, error);
    }

    fn requeue_all(&self, commands: Commands, error: RedisError) {
        if !commands.is_empty() {
            self.topology.refresh();
            self.postpone(commands, self.topology.options().failover_delay, &error);
        }
    }

    fn burst_end(&self) {
        let redirected = std::mem::take(&mut self.lock().redirected);
        for one in redirected {
            self.follow(one);
        }
    }
}

impl ClusterState {
    /// Submits commands again after a delay. Commands that have waited too long, or must not wait, fail with `error`.
    pub(crate) fn postpone(&self, mut commands: Commands, delay: Duration, error: &RedisError) {
        let (delay, now) = (delay.max(SHORTEST_WAIT), Instant::now());
        let mut again = Commands::default();
        commands.take_each(|mut meta, bytes| {
            if meta.name == ASKING {
                // It is about the command behind it, on the node that both were sent to.
                return;
            }
            if meta.expires {
                let dropped = RedisError::local(RedisErrorKind::Dropped, NOT_SERVED, &error.node);
                let error = dropped.because(Some(error.clone())).of(meta.name);
                meta.destination.deliver(self.sink.as_ref(), Err(error));
                return;
            }
            let since = *meta.redirects.since.get_or_insert(now);
            if now + delay < since + PATIENCE {
                again.append(meta, bytes);
            } else {
                meta.destination.deliver(self.sink.as_ref(), Err(error.clone().of(meta.name)));
            }
        });
        self.hold(&mut again).refuse(self.sink.as_ref(), &self.error(RedisErrorKind::QueueFull, QUEUE_FULL));
        if again.is_empty() {
            return;
        }
        let Some(shared) = self.this.upgrade() else { return };
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = shared.is_gone() => {}
                () = tokio::time::sleep(delay) => {}
            }
            shared.lock().held -= again.extent();
            shared.submit_again(again);
        });
    }

    /// Counts commands as held, and returns those beyond the limit.
    fn hold(&self, commands: &mut Commands) -> Commands {
        let limit = self.topology.options().link.queue;
        let held = &mut self.lock().held;
        let fitting = commands.take_fitting(limit - *held, usize::from(held.commands == 0));
        *held += fitting.extent();
        std::mem::replace(commands, fitting)
    }

    fn follow(&self, command: RedirectedCommand) {
        let RedirectedCommand { redirect, mut meta, bytes, error } = command;
        let options = self.topology.options().clone();
        let (target, delay, asking) = match redirect {
            Redirect::Moved(slot, to) => {
                let to = self.topology.reachable(to);
                self.topology.moved(slot, &to);
                (Some(to), options.moved_delay, false)
            }
            Redirect::Ask(_, to) => (Some(self.topology.reachable(to)), Duration::ZERO, true),
            Redirect::TryAgain => (None, options.try_again_delay, false),
            Redirect::Down => {
                self.topology.refresh();
                (None, options.cluster_down_delay, false)
            }
        };
        let mut commands = Commands::default();
        if asking {
            commands.begin(ASKING, 1).end(Destination::Nowhere);
        }
        let follows = target.is_some();
        if follows && meta.redirects.redirections >= options.max_redirections {
            let message = format!("Too many Cluster redirections. Last error: {}", error.message);
            let error = RedisError { message: message.into(), ..error };
            meta.destination.deliver(self.sink.as_ref(), Err(error));
            return self.sink.burst_end();
        }
        meta.redirects.redirections += u8::from(follows);
        commands.append(meta, &bytes);
        match target.filter(|_| delay.is_zero()) {
            Some(address) => self.send(vec![(Target::of(address), commands)]),
            None => self.postpone(commands, delay, &error),
        }
    }
}
