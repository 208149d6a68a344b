//! Resolution of a node's address by sentinels.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{Endpoint, ReplicationRole};
use crate::redis_io::sentinel::{SentinelAnswer, SentinelQuery, ask};
use crate::redis_io::tasks::Tasks;

use crate::engine::connections::sentinel::addresses::SentinelAddresses;
use crate::engine::connections::sentinel::server_location::ServerLocation;
use crate::engine::options::sentinel::SentinelOptions;

/// Time after which a silent sentinel does not hold up the next one.
const QUERY_STAGGER: Duration = Duration::from_millis(500);

type Found = Result<Endpoint, RedisError>;

/// Resolver of the name of a node.
pub struct Resolver {
    this: Weak<Resolver>,
    options: SentinelOptions,
    tasks: Tasks,
    /// A lock, since locations are added on the host's thread too. Never held across an await.
    state: Mutex<State>,
}

struct State {
    sentinels: SentinelAddresses,
    /// Query under way. All callers meanwhile wait for it.
    asking: Option<Arc<OnceCell<Found>>>,
    /// Number of announcements. An answer to an earlier query can be out of date.
    announcements: u64,
    /// Sentinel that answered last, and the address in its answer.
    last_answer: Option<(Endpoint, Endpoint)>,
    locations: Vec<Weak<ServerLocation>>,
}

impl Resolver {
    /// A resolver without any query yet.
    pub fn new(options: SentinelOptions, tasks: Tasks) -> Arc<Self> {
        let state = State {
            sentinels: SentinelAddresses::new(options.sentinels.clone()),
            asking: None,
            announcements: 0,
            last_answer: None,
            locations: Vec::new(),
        };
        Arc::new_cyclic(|this| Self { this: this.clone(), options, tasks, state: Mutex::new(state) })
    }

    /// Options of the queries.
    pub fn options(&self) -> &SentinelOptions {
        &self.options
    }

    /// Returns the address of the server. Callers at one time share a query.
    pub(crate) async fn resolve(&self) -> Found {
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

    /// Queries the sentinels in turn, and the next one when one refuses or is silent. The first answer counts.
    async fn ask_all(&self) -> Found {
        let mut sentinels = self.lock().sentinels.in_order().into_iter();
        let mut asked = JoinSet::new();
        let mut failure = None;
        loop {
            if let Some(sentinel) = sentinels.next() {
                asked.spawn_on(self.tasks.counted(self.ask(sentinel)), self.tasks.runtime());
            } else if asked.is_empty() {
                return Err(failure.unwrap_or_else(no_sentinel));
            }
            let answered = tokio::select! {
                biased;
                answered = asked.join_next() => answered,
                () = tokio::time::sleep(QUERY_STAGGER), if sentinels.len() > 0 => continue,
            };
            // The tasks neither panic nor are they aborted here.
            let Some(Ok((sentinel, answer))) = answered else { continue };
            match answer.and_then(|answer| self.choose(&sentinel, answer)) {
                Ok(endpoint) => {
                    self.lock().last_answer = Some((sentinel, endpoint.clone()));
                    return Ok(endpoint);
                }
                Err(error) => {
                    self.lock().sentinels.failed(&sentinel);
                    failure = Some(prefer_refusal(failure, error));
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

    /// Takes a server from an answer, and the sentinels that the answer names.
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

    /// Moves the sentinel that named `endpoint` to the end, since no connection to it came about.
    pub(crate) fn report_unreachable(&self, endpoint: &Endpoint) {
        let mut state = self.lock();
        if let Some((sentinel, _)) = state.last_answer.take_if(|(_, named)| named == endpoint) {
            state.sentinels.failed(&sentinel);
        }
    }

    /// Reacts to an announcement of a new primary.
    pub(crate) fn switched(&self, primary: Endpoint) {
        {
            let mut state = self.lock();
            state.announcements += 1;
            state.asking = None;
        }
        self.promoted(&self.options.reachable(primary));
    }

    /// Resolves again, since announcements can have been missed.
    pub(crate) fn check(&self) {
        let Some(resolver) = self.this.upgrade() else { return };
        self.tasks.spawn(async move {
            // `resolve` itself reconnects the connections that must move.
            let _ = resolver.resolve().await;
        });
    }

    /// Notifies all locations of the primary.
    fn promoted(&self, primary: &Endpoint) {
        let locations: Vec<_> = self.lock().locations.iter().filter_map(Weak::upgrade).collect();
        for location in locations {
            location.promoted(primary);
        }
    }

    /// Adds a location that follows changes for as long as it lives.
    pub(crate) fn add(&self, location: &Arc<ServerLocation>) {
        let mut state = self.lock();
        state.locations.retain(|location| location.strong_count() > 0);
        state.locations.push(Arc::downgrade(location));
    }

    /// The sentinel at `turn`, counted round and round.
    pub(crate) fn sentinel(&self, turn: usize) -> Option<Endpoint> {
        self.lock().sentinels.at(turn)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

/// Prefers a refusal of a sentinel over a failed connection to one.
fn prefer_refusal(known: Option<RedisError>, new: RedisError) -> RedisError {
    match known {
        Some(known) if known.is_refusal() && !new.is_refusal() => known,
        _ => new,
    }
}

fn no_sentinel() -> RedisError {
    RedisError::local(RedisErrorKind::Connect, "There is no sentinel to ask.", &Arc::from(""))
}

fn no_replica(name: &str, sentinel: &Endpoint) -> RedisError {
    let message = format!("No replica of {name} is well.");
    RedisError::local(RedisErrorKind::Connect, &message, &sentinel.to_string().into())
}
