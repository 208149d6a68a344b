//! Permits of rate limits: requests to Redis, and the start of the entries that they permit.
//!
//! A request is `SET key 0 PX interval NX`, `INCRBY key count` and `PTTL key` in one write. The key expires with the window.
//! Redis has counted the permits before a job starts, so a lost reply, a killed consumer and a late start lose permits of the
//! window and never exceed it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::LinkState;
use crate::redis_io::resp::Value;
use crate::redis_io::world::fault::planted;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::limits::PermitRequest;
use crate::engine::consumer::state::limits::budget::{AnsweredRequest, Window};
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::consumer::turn::hand_back::PendingReply;
use crate::engine::host::Failure;
use crate::engine::options::consumer::RateLimitOptions;
use crate::engine::runtime::backoff::jitter;

/// Maximum wait for the reply to a request. Its slots are free for other streams again then.
const PATIENCE: Duration = Duration::from_secs(1);
/// Part of a window over which the consumers of a fleet spread their next requests.
const SPREAD_PART: u32 = 50;
/// Maximum time of that part.
const MAX_SPREAD: Duration = Duration::from_millis(20);

/// Count of the window and the time until its end, if it has one, or the error of a command.
type WindowReply = Result<(u64, Option<Duration>), RedisError>;

/// A request under way.
struct SentRequest {
    request: PermitRequest,
    sent: Instant,
    replies: [PendingReply; 3],
}

impl Consumer {
    /// Starts limited entries that have permits, and requests permits for others.
    pub(crate) fn advance_limited(&self, state: &mut ConsumerState) {
        if !state.limits.is_due {
            return;
        }
        let (now, lease, concurrency) = (Instant::now(), self.trusted_lease(), self.options.concurrency);
        let mut permitted = state.take_with_spare(now, lease, concurrency).into_iter();
        self.start_each(state, now, |_| permitted.next());
        if state.phase != Phase::Playing {
            return;
        }
        for request in state.survey_limits(now, lease, concurrency) {
            self.request_permits(state, request, now);
        }
        self.start_limit_timer(state);
    }

    /// Returns the node of a limit's budgets, which is the same for all consumers of the group.
    fn limit_node(&self, options: &RateLimitOptions) -> usize {
        self.node_set.route(&options.stream)
    }

    fn request_permits(&self, state: &mut ConsumerState, request: PermitRequest, sent: Instant) {
        let options = &state.limits.limit(request.limit).options;
        let node = &self.node_set.nodes()[self.limit_node(options)];
        let key = self.budget_name(options, &request.key);
        let mut commands = Commands::default();
        let replies = [(); 3].map(|()| oneshot::channel());
        let [set, count, left] = replies;
        commands.begin("SET", 6).key(key.as_bytes()).arg(b"0").arg(b"PX").arg_number(window_ms(options));
        commands.arg(b"NX").end_once(Destination::Task(set.0));
        commands.begin("INCRBY", 3).key(key.as_bytes()).arg_number(request.count as u64);
        commands.end_once(Destination::Task(count.0));
        commands.begin("PTTL", 2).key(key.as_bytes()).end_once(Destination::Task(left.0));
        // A first request opens the connection. One that was lost must not hold slots while it is made again.
        let is_ready = node.shared().current().is_none_or(|link| link.state() == LinkState::Ready);
        if is_ready {
            node.shared().submit(&mut commands);
        }
        let sent = SentRequest { request, sent, replies: [set.1, count.1, left.1] };
        self.node_set.context().tasks.spawn(await_permits(self.this.clone(), sent));
    }

    /// Returns the key of a budget in Redis.
    fn budget_name(&self, options: &RateLimitOptions, key: &str) -> String {
        let keys = self.node_set.nodes()[self.limit_node(options)].keys();
        match options.by_key {
            true => keys.key_limit(&options.stream, &self.options.group, key),
            false => keys.limit(&options.stream, &self.options.group),
        }
    }

    /// Gives a counter that has no expiry one. Its key expired between the commands of a request.
    fn repair_window(&self, options: &RateLimitOptions, key: &str, count: u64) {
        let node = &self.node_set.nodes()[self.limit_node(options)];
        let key = self.budget_name(options, key);
        let mut commands = Commands::default();
        commands.begin("SET", 5).key(key.as_bytes()).arg_number(count).arg(b"PX");
        commands.arg_number(window_ms(options)).end_once(Destination::Nowhere);
        node.shared().submit(&mut commands);
    }

    /// Handles the reply to a request, or its failure: frees its slots and starts the entries that it permits.
    fn on_permits(&self, request: &PermitRequest, sent: Instant, reply: Option<WindowReply>) {
        let now = Instant::now();
        let (reads, error) = {
            let mut state = self.lock();
            state.reserved -= request.count;
            let error = match reply.unwrap_or_else(|| Err(self.unanswered(&mut state, request))) {
                Ok((count, left)) => {
                    let limit = state.limits.limit(request.limit);
                    limit.recover(&request.key);
                    let options = limit.options.clone();
                    if left.is_none() {
                        self.repair_window(&options, &request.key, count);
                    }
                    let left = left.unwrap_or(options.interval).min(options.interval);
                    self.use_permits(&mut state, request, &options, Window { count, left }, (sent, now));
                    None
                }
                Err(error) => self.permits_failed(&mut state, request, error, now),
            };
            (self.advance(&mut state, &[]), error)
        };
        self.submit_reads(reads);
        for error in error.iter() {
            self.report_error(Failure::Consume, error);
        }
        self.node_set.context().host.wake();
    }

    /// Returns the error of a request without a reply.
    fn unanswered(&self, state: &mut ConsumerState, request: &PermitRequest) -> RedisError {
        let node = self.limit_node(&state.limits.limit(request.limit).options);
        let link = self.node_set.nodes()[node].shared().current();
        let node = link.map(|link| link.node()).unwrap_or_default();
        let message =
            "No permits of the rate limit: Redis did not answer within 1000 ms, or is not connected.";
        RedisError::local(RedisErrorKind::Timeout, message, &node).of("INCRBY")
    }

    fn use_permits(
        &self,
        state: &mut ConsumerState,
        request: &PermitRequest,
        options: &RateLimitOptions,
        window: Window,
        (sent, now): (Instant, Instant),
    ) {
        let part = (options.interval / SPREAD_PART).min(MAX_SPREAD);
        // Entries that wait here come before those that are unread.
        let has_waiting = !state.buffered.limited().is_empty();
        let spread = part.mul_f64(jitter() + f64::from(u8::from(!has_waiting)));
        let answered = AnsweredRequest { asked: request.count as u64, sent, now, spread };
        // Without a budget the limit has changed meanwhile.
        let Some(budget) = state.limits.budget(request.limit, &request.key) else { return };
        let granted = budget.grant(answered, options.max, window);
        let opens = budget.opens();
        let (permitted, has_more) =
            state.take_permitted(request, granted as usize, now, self.trusted_lease());
        let rest = granted - permitted.len() as u64;
        if let Some(budget) = state.limits.budget(request.limit, &request.key).filter(|_| !options.by_key) {
            budget.keep(rest, answered, window);
        }
        state.end_request(request);
        state.limits.is_due |= has_more || !options.by_key || state.has_closed_streams();
        let mut permitted = permitted.into_iter();
        self.start_each(state, now, |_| permitted.next());
        if opens.is_some() {
            self.start_limit_timer(state);
        }
    }

    /// Closes a budget for a while, and returns the error if it must be reported.
    fn permits_failed(
        &self,
        state: &mut ConsumerState,
        request: &PermitRequest,
        error: RedisError,
        now: Instant,
    ) -> Option<RedisError> {
        let node = self.limit_node(&state.limits.limit(request.limit).options);
        let is_read = self.lanes().iter().any(|lane| lane.node == node);
        let limit = state.limits.limit(request.limit);
        // The reads report these errors of their nodes.
        let is_lost = matches!(
            error.kind,
            RedisErrorKind::Closed | RedisErrorKind::Dropped | RedisErrorKind::MaxRetries
        );
        let is_reported = is_read && is_lost;
        let is_news = !is_reported && !std::mem::replace(&mut limit.is_failing, true);
        state.limits.budget(request.limit, &request.key).into_iter().for_each(|budget| budget.fail(now));
        state.end_request(request);
        state.limits.is_due = true;
        (is_news && state.phase == Phase::Playing).then_some(error)
    }

    /// Starts the task that waits for the next window, or tells it about an earlier one.
    fn start_limit_timer(&self, state: &mut ConsumerState) {
        let next = state.limits.next_opening().filter(|_| !planted("next window is not awaited"));
        let Some(next) = next else { return };
        match state.limits.timer.replace(next) {
            None => {
                let waiting = await_windows(self.this.clone(), self.limit_wakeup.clone());
                self.node_set.context().tasks.spawn(waiting);
            }
            Some(target) if next < target => self.limit_wakeup.notify_one(),
            // It looks for the next time after that one.
            Some(target) => state.limits.timer = Some(target),
        }
    }
}

impl ConsumerState {
    fn has_closed_streams(&self) -> bool {
        self.streams.iter().any(|stream| stream.is_closed || stream.is_full)
    }
}

/// Time of a window in ms.
fn window_ms(options: &RateLimitOptions) -> u64 {
    options.interval.as_millis().max(1) as u64
}

/// Waits for the reply to a request, at most for its patience.
async fn await_permits(consumer: Weak<Consumer>, sent: SentRequest) {
    let SentRequest { request, sent, replies } = sent;
    let outcome = timeout_at(sent + PATIENCE, read_window(replies)).await;
    let Some(consumer) = consumer.upgrade() else { return };
    let outcome = outcome.ok().flatten();
    consumer.on_permits(&request, sent, outcome);
}

/// Reads the replies to a request: the count of the window, and the time until its end if it has one. `None` if the request
/// was not sent.
async fn read_window(replies: [PendingReply; 3]) -> Option<WindowReply> {
    let mut values = Vec::with_capacity(replies.len());
    for reply in replies {
        match reply.await.ok()? {
            Ok(value) => values.push(value),
            Err(error) => return Some(Err(error)),
        }
    }
    let [_, Value::Integer(count), Value::Integer(left)] = values[..] else { return None };
    let left = u64::try_from(left).ok().map(Duration::from_millis);
    Some(Ok((u64::try_from(count).unwrap_or(u64::MAX), left)))
}

/// Advances a consumer at the end of each window that it waits for. The task holds the consumer for a turn only, and ends
/// with the last such window, at a pause and at a disconnect.
async fn await_windows(consumer: Weak<Consumer>, changed: Arc<Notify>) {
    loop {
        let next = {
            let Some(consumer) = consumer.upgrade() else { return };
            let mut state = consumer.lock();
            let next = state.limits.next_opening().filter(|_| state.phase == Phase::Playing);
            state.limits.timer = next;
            next
        };
        let Some(next) = next else { return };
        tokio::select! {
            biased;
            () = changed.notified() => continue,
            () = tokio::time::sleep_until(next) => {}
        }
        let Some(consumer) = consumer.upgrade() else { return };
        consumer.lock().limits.is_due = true;
        consumer.step();
    }
}
