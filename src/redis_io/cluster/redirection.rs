//! Commands of a Cluster that were not served where they were sent: they follow their slot, or are tried again later.

use std::time::{Duration, Instant};

use crate::redis_io::cluster::pool::Target;
use crate::redis_io::cluster::redirect::{Detour, Redirect};
use crate::redis_io::cluster::{PATIENCE, Shared};
use crate::redis_io::command::{Commands, Destination, Mark};
use crate::redis_io::error::{QUEUE_FULL, RedisError, RedisErrorKind};

/// Lets the next command be served by a node that has its slot not for good yet.
const ASKING: &str = "ASKING";

/// The shortest time after which a command is tried again.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// A command that a node has not served.
pub(crate) struct Misplaced {
    redirect: Redirect,
    mark: Mark,
    bytes: Vec<u8>,
    error: RedisError,
}

impl Detour for Shared {
    fn calls_for(&self, error: &RedisError) -> bool {
        Redirect::read(error, &error.node).is_some()
    }

    fn take(&self, mark: Mark, bytes: Vec<u8>, error: RedisError) {
        match Redirect::read(&error, &error.node) {
            Some(redirect) => self.lock().detours.push(Misplaced { redirect, mark, bytes, error }),
            None => mark.destination.deliver(self.sink.as_ref(), Err(error)),
        }
    }

    fn strand(&self, commands: Commands, error: RedisError) {
        if !commands.is_empty() {
            self.topology.refresh();
            self.postpone(commands, self.topology.options().failover_delay, &error);
        }
    }

    fn burst_end(&self) {
        let misplaced = std::mem::take(&mut self.lock().detours);
        for one in misplaced {
            self.redirect(one);
        }
    }
}

impl Shared {
    /// Has commands tried again after a while; those that have waited for too long fail with `error`.
    pub(crate) fn postpone(&self, mut commands: Commands, delay: Duration, error: &RedisError) {
        let (delay, now) = (delay.max(SHORTEST_WAIT), Instant::now());
        let mut again = Commands::default();
        commands.take_each(|mut mark, bytes| {
            if mark.name == ASKING {
                // It is about the command behind it, on the node that both were sent to.
                return;
            }
            let since = *mark.detours.since.get_or_insert(now);
            if now + delay < since + PATIENCE {
                again.append(mark, bytes);
            } else {
                mark.destination.deliver(self.sink.as_ref(), Err(error.clone().of(mark.name)));
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

    /// Counts commands among those that wait to be tried again, and gives back what there is no room for.
    fn hold(&self, commands: &mut Commands) -> Commands {
        let limit = self.topology.options().link.queue;
        let held = &mut self.lock().held;
        let fitting = commands.take_fitting(limit - *held, usize::from(held.commands == 0));
        *held += fitting.extent();
        std::mem::replace(commands, fitting)
    }

    fn redirect(&self, misplaced: Misplaced) {
        let Misplaced { redirect, mut mark, bytes, error } = misplaced;
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
        if follows && mark.detours.redirections >= options.max_redirections {
            let message = format!("Too many Cluster redirections. Last error: {}", error.message);
            let error = RedisError { message: message.into(), ..error };
            mark.destination.deliver(self.sink.as_ref(), Err(error));
            return self.sink.burst_end();
        }
        mark.detours.redirections += u8::from(follows);
        commands.append(mark, &bytes);
        match target.filter(|_| delay.is_zero()) {
            Some(address) => self.send(vec![(Target::of(address), commands)]),
            None => self.postpone(commands, delay, &error),
        }
    }
}
