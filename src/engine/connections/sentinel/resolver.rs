//! Finds out from sentinels which server serves a node, for all connections to it at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::options::{Endpoint, ReplicationRole};
use crate::redis_io::sentinel::{SentinelAnswer, SentinelQuery, ask};
use crate::redis_io::tasks::Tasks;

use crate::engine::connections::sentinel::addresses::Sentinels;
use crate::engine::connections::sentinel::failover_listener::FailoverWatch;
use crate::engine::connections::sentinel::failover_policy::Follower;
use crate::engine::options::SentinelOptions;

/// A sentinel that is silent for so long does not keep the next one from being asked as well.
const PATIENCE: Duration = Duration::from_millis(500);

type Found = Result<Endpoint, RedisError>;

/// Resolves the name of a node.
pub struct Resolver {
    this: Weak<Resolver>,
    options: SentinelOptions,
    tasks: Tasks,
    /// Whether the bus is closing, so that nothing is opened any more.
    closing: Arc<AtomicBool>,
    /// A lock, since followers come on the host's thread too; never held across an await.
    state: Mutex<State>,
}

struct State {
    sentinels: Sentinels,
    /// The question under way, which everybody who asks meanwhile waits for.
    asking: Option<Arc<OnceCell<Found>>>,
    /// Counts announcements: what was asked before one may be out of date.
    announcements: u64,
    /// Who answered last, and where that led.
    said: Option<(Endpoint, Endpoint)>,
    followers: Vec<Weak<Follower>>,
    watch: Option<FailoverWatch>,
}

impl Resolver {
    /// Asks nobody yet.
    pub fn new(options: SentinelOptions, tasks: Tasks, closing: Arc<AtomicBool>) -> Arc<Self> {
        let state = State {
            sentinels: Sentinels::new(options.sentinels.clone()),
            asking: None,
            announcements: 0,
            said: None,
            followers: Vec::new(),
            watch: None,
        };
        Arc::new_cyclic(|this| Self { this: this.clone(), options, tasks, closing, state: Mutex::new(state) })
    }

    /// How sentinels are asked.
    pub fn options(&self) -> &SentinelOptions {
        &self.options
    }

    /// Where to connect to; from here on failovers are listened for.
    pub async fn locate(&self) -> Found {
        let found = self.resolve().await;
        if found.is_ok() {
            self.watch();
        }
        found
    }

    async fn resolve(&self) -> Found {
        loop {
            let (asking, announcements) = {
                let mut state = self.lock();
                (state.asking.get_or_insert_default().clone(), state.announcements)
            };
            let found = asking.get_or_init(|| self.ask_all()).await.clone();
            let mut state = self.lock();
            state.asking.take_if(|current| Arc::ptr_eq(current, &asking));
            if found.is_err() || state.announcements == announcements {
                return found;
            }
        }
    }

    /// Asks the sentinels in turn, the next one when one refuses or is silent; the first answer counts.
    async fn ask_all(&self) -> Found {
        let mut sentinels = self.lock().sentinels.in_order().into_iter();
        let mut asked = JoinSet::new();
        let mut failure = None;
        loop {
            if let Some(sentinel) = sentinels.next() {
                asked.spawn_on(self.tasks.counted(self.ask(sentinel)), self.tasks.runtime());
            } else if asked.is_empty() {
                return Err(failure.unwrap_or_else(nobody));
            }
            let answered = tokio::select! {
                answered = asked.join_next() => answered,
                () = tokio::time::sleep(PATIENCE), if sentinels.len() > 0 => continue,
            };
            // The tasks neither panic nor are they aborted while this waits for them.
            let Some(Ok((sentinel, answer))) = answered else { continue };
            match answer.and_then(|answer| self.choose(&sentinel, answer)) {
                Ok(endpoint) => {
                    self.lock().said = Some((sentinel, endpoint.clone()));
                    return Ok(endpoint);
                }
                Err(error) => {
                    self.lock().sentinels.failed(&sentinel);
                    failure = Some(worse(failure, error));
                }
            }
        }
    }

    fn ask(
        &self,
        sentinel: Endpoint,
    ) -> impl Future<Output = (Endpoint, Result<SentinelAnswer, RedisError>)> + Send + 'static {
        let question = SentinelQuery {
            name: self.options.name.clone(),
            replicas: self.options.role == ReplicationRole::Replica,
            sentinels: self.options.learns,
        };
        let (link, tasks) = (self.options.link.clone(), self.tasks.clone());
        async move {
            let answer = ask(link, sentinel.clone(), question, tasks).await;
            (sentinel, answer)
        }
    }

    /// Learns from an answer, and takes a server from it.
    fn choose(&self, sentinel: &Endpoint, answer: SentinelAnswer) -> Found {
        let reachable = |endpoint| self.options.reachable(endpoint);
        let primary = reachable(answer.primary);
        {
            let mut state = self.lock();
            state.sentinels.answered(sentinel);
            state.sentinels.learn(answer.sentinels.into_iter().map(reachable).collect());
        }
        self.promoted(&primary);
        match self.options.role {
            ReplicationRole::Primary => Ok(primary),
            ReplicationRole::Replica => self
                .options
                .prefer(answer.replicas)
                .map(reachable)
                .ok_or_else(|| no_replica(&self.options.name, sentinel)),
        }
    }

    /// A connection to `endpoint` did not come about: another sentinel may know better than who named it.
    pub(crate) fn misled(&self, endpoint: &Endpoint) {
        let mut state = self.lock();
        if let Some((sentinel, _)) = state.said.take_if(|(_, named)| named == endpoint) {
            state.sentinels.failed(&sentinel);
        }
    }

    /// A sentinel announces a new primary.
    pub(crate) fn switched(&self, primary: Endpoint) {
        {
            let mut state = self.lock();
            state.announcements += 1;
            state.asking = None;
        }
        self.promoted(&self.options.reachable(primary));
    }

    /// Announcements may have been missed.
    pub(crate) fn check(&self) {
        let Some(resolver) = self.this.upgrade() else { return };
        self.tasks.spawn(async move {
            // Whoever is led elsewhere by the answer has been told; if there is none, nobody can be.
            let _ = resolver.resolve().await;
        });
    }

    /// Connections to a server that has another role by now are made anew.
    fn promoted(&self, primary: &Endpoint) {
        let followers: Vec<_> = self.lock().followers.iter().filter_map(Weak::upgrade).collect();
        for follower in followers {
            follower.promoted(primary);
        }
    }

    /// Tells `follower` of changes for as long as it lives.
    pub(crate) fn add(&self, follower: &Arc<Follower>) {
        let mut state = self.lock();
        state.followers.retain(|follower| follower.strong_count() > 0);
        state.followers.push(Arc::downgrade(follower));
    }

    /// The sentinel at `turn`, counted round and round.
    pub(crate) fn sentinel(&self, turn: usize) -> Option<Endpoint> {
        self.lock().sentinels.at(turn)
    }

    /// Listens for announcements, unless that is done already.
    fn watch(&self) {
        let mut state = self.lock();
        let watched = state.watch.as_ref().is_some_and(FailoverWatch::is_open);
        if self.options.watches && !watched && !self.closing.load(Ordering::Acquire) {
            state.watch = Some(FailoverWatch::new(self.this.clone(), &self.options, &self.tasks));
        }
    }

    /// Listens no more, until somebody asks again.
    pub(crate) fn close(&self) {
        let watch = self.lock().watch.take();
        drop(watch);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The more telling of two failures: that a sentinel refuses us, before that one could not be reached.
fn worse(known: Option<RedisError>, new: RedisError) -> RedisError {
    match known {
        Some(known) if known.is_refusal() && !new.is_refusal() => known,
        _ => new,
    }
}

fn nobody() -> RedisError {
    RedisError::local(RedisErrorKind::Connect, "There is no sentinel to ask.", &Arc::from(""))
}

fn no_replica(name: &str, sentinel: &Endpoint) -> RedisError {
    let message = format!("No replica of {name} is well.");
    RedisError::local(RedisErrorKind::Connect, &message, &sentinel.to_string().into())
}
