use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hfxbus::redis_io::command::{Commands, Destination, ReplyTag};
use hfxbus::redis_io::error::RedisError;
use hfxbus::redis_io::link::{BoxFuture, ErrorAction, Link, LinkPolicy, LinkState, PushSink, ReplySink};
use hfxbus::redis_io::resp::{Reply, Value};

use super::{Engine, until};

/// The replies to tickets, in the order in which they came.
#[derive(Default)]
pub struct Replies {
    pub all: Mutex<Vec<(ReplyTag, Result<Value, RedisError>)>>,
    pub bursts: AtomicU32,
}

impl Replies {
    pub fn count(&self) -> usize {
        self.all.lock().unwrap().len()
    }
}

impl ReplySink for Replies {
    fn reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        self.all.lock().unwrap().push((ticket, outcome.map(Value::from)));
    }

    fn burst_end(&self) {
        self.bursts.fetch_add(1, Ordering::SeqCst);
    }
}

/// Published messages, and how often everything was subscribed again.
#[derive(Default)]
pub struct Pushes {
    pub messages: Mutex<Vec<(Option<String>, String, String)>>,
    pub resubscribed: AtomicU32,
    pub refused: Mutex<Vec<RedisError>>,
}

impl PushSink for Pushes {
    fn message(&self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.messages.lock().unwrap().push((pattern.map(text), text(channel), text(payload)));
    }

    fn resubscribed(&self) {
        self.resubscribed.fetch_add(1, Ordering::SeqCst);
    }

    fn resubscription_refused(&self, error: &RedisError) {
        self.refused.lock().unwrap().push(error.clone());
        self.resubscribed();
    }
}

/// A policy that tries again after `delay`, up to `most` times in a row, and remembers everything.
pub struct Retries {
    pub delay: Duration,
    pub most: u32,
    pub verdict: Option<ErrorAction>,
    pub attempts: Mutex<Vec<u32>>,
    pub steps: Mutex<Steps>,
}

/// Changes of state, each with its reason.
pub type Steps = Vec<(LinkState, Option<RedisError>)>;

impl Retries {
    /// Tries again after 5 ms for as long as it takes.
    pub fn always() -> Arc<Self> {
        Self::up_to(u32::MAX)
    }

    pub fn up_to(most: u32) -> Arc<Self> {
        Arc::new(Self::new(most, None))
    }

    /// Always tries again; decides so about every error reply.
    pub fn judging(verdict: ErrorAction) -> Arc<Self> {
        Arc::new(Self::new(u32::MAX, Some(verdict)))
    }

    fn new(most: u32, verdict: Option<ErrorAction>) -> Self {
        let (attempts, steps) = (Mutex::default(), Mutex::default());
        Self { delay: Duration::from_millis(5), most, verdict, attempts, steps }
    }

    pub fn attempts(&self) -> Vec<u32> {
        self.attempts.lock().unwrap().clone()
    }

    pub fn states(&self) -> Vec<LinkState> {
        self.steps.lock().unwrap().iter().map(|(state, _)| *state).collect()
    }

    /// Returns the number of changes into this state.
    pub fn times(&self, state: LinkState) -> usize {
        self.states().iter().filter(|of| **of == state).count()
    }

    /// Returns the reason of the last close.
    pub fn reason(&self) -> Option<RedisError> {
        self.steps.lock().unwrap().iter().rev().find_map(|(_, error)| error.clone())
    }

    #[track_caller]
    pub fn until(&self, state: LinkState, times: usize) {
        until(&format!("{state:?}, {times} times"), || self.times(state) >= times);
    }
}

impl LinkPolicy for Retries {
    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.attempts.lock().unwrap().push(attempt);
        let delay = (attempt <= self.most).then_some(self.delay);
        Box::pin(async move { delay })
    }

    fn inspects_errors(&self) -> bool {
        self.verdict.is_some()
    }

    fn on_error_reply(&self, _: &RedisError) -> Option<BoxFuture<ErrorAction>> {
        let verdict = self.verdict?;
        Some(Box::pin(async move { verdict }))
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        self.steps.lock().unwrap().push((state, error.cloned()));
    }
}

/// Sends a command and waits for its reply.
#[track_caller]
pub fn ask(engine: &Engine, link: &dyn Link, words: &[&str]) -> Result<Value, RedisError> {
    let reply = submit(link, words, true);
    engine.wait(async move { reply.await.expect("every command is answered") })
}

/// As [`ask`], for a command that must not be sent twice.
#[track_caller]
pub fn ask_once(engine: &Engine, link: &dyn Link, words: &[&str]) -> Result<Value, RedisError> {
    let reply = submit(link, words, false);
    engine.wait(async move { reply.await.expect("every command is answered") })
}

/// Sends a command.
pub fn submit(
    link: &dyn Link,
    words: &[&str],
    resend: bool,
) -> tokio::sync::oneshot::Receiver<Result<Value, RedisError>> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut commands = Commands::default();
    commands.begin_unnamed(words.len());
    for word in words {
        commands.arg(word.as_bytes());
    }
    match resend {
        true => commands.end(Destination::Task(sender)),
        false => commands.end_once(Destination::Task(sender)),
    }
    link.submit(&mut commands);
    receiver
}
