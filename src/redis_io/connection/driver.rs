//! Tasks of a connection: the driver, which connects, receives and reconnects, the writer, and the checks of
//! `commandTimeout` and liveness.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::redis_io::command::Destination;
use crate::redis_io::connection::handshake::{HandshakeError, shake_hands};
use crate::redis_io::connection::liveness_watch;
use crate::redis_io::connection::reply_reader::Receiver;
use crate::redis_io::connection::socket::{Plain, ReceiveHalf, SendHalf, Socket};
use crate::redis_io::connection::state::{ConnectionState, DriverCommand};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::LinkState;
use crate::redis_io::options::LinkOptions;

/// Minimum time between two checks of the deadlines.
const SHORTEST_WATCH: Duration = Duration::from_millis(1);
/// Time for reading after a write failed. The server can have sent the reason before it closed the socket.
const READ_AFTER_WRITE_ERROR: Duration = Duration::from_millis(200);

/// Reason for the end of a session.
enum Exit {
    /// The policy knows no endpoint.
    Unlocated(RedisError),
    /// The socket was closed or broke.
    Lost(RedisError),
    /// Redis refuses the connection.
    Refused(RedisError),
    /// A command to the driver.
    Commanded(DriverCommand),
}

impl From<HandshakeError> for Exit {
    fn from(refusal: HandshakeError) -> Self {
        match refusal {
            HandshakeError::Unlocated(error) => Self::Unlocated(error),
            HandshakeError::Lost(error) => Self::Lost(error),
            HandshakeError::Fatal(error) => Self::Refused(error),
        }
    }
}

/// Failed attempts in a row, and the time since commands wait.
struct Failures {
    /// True after the first session.
    had_session: bool,
    /// Failed searches for an endpoint in a row.
    rounds: u32,
    /// Start of those failures, or of the time since queued commands failed.
    unlocated: Option<Instant>,
    /// Other failures in a row.
    attempts: u32,
    /// Earliest start of the wait of a queued command.
    since: Instant,
    /// Time that the first commands waited before they failed.
    patience: Option<Duration>,
}

/// Next step after a failure, with its number in the row.
#[derive(Clone, Copy)]
enum Next {
    /// A search for an endpoint.
    Round(u32),
    /// A connection attempt.
    Attempt(u32),
}

impl Failures {
    fn new(now: Instant) -> Self {
        Self { had_session: false, rounds: 0, unlocated: None, attempts: 0, since: now, patience: None }
    }

    /// Returns true if queued commands must fail, since no endpoint was known for `patience`.
    fn outlast(&mut self, patience: Option<Duration>, now: Instant) -> bool {
        let since = *self.unlocated.get_or_insert(now);
        let outlasts = patience.is_some_and(|patience| now - since >= patience);
        if outlasts {
            self.unlocated = Some(now);
        }
        outlasts
    }

    /// Returns true if queued commands must fail after this attempt. They fail after each `most` + 1 attempts. Before the
    /// first session, none waits longer than the first commands did, even if the attempts are far apart by then.
    fn exceed(&mut self, most: u32, attempt: u32, delay: Duration, now: Instant) -> bool {
        let next = now + delay - self.since;
        let is_late = !self.had_session && self.patience.is_some_and(|patience| next > patience);
        let exceeds = is_late || attempt.is_multiple_of(most.saturating_add(1));
        if exceeds {
            self.patience.get_or_insert(now - self.since);
            self.since = now;
        }
        exceeds
    }

    /// Counts a failure and returns the next step.
    fn next(&mut self, exit: &Exit) -> Next {
        if let Exit::Unlocated(_) = exit {
            self.rounds = self.rounds.saturating_add(1);
            Next::Round(self.rounds)
        } else {
            self.attempts = self.attempts.saturating_add(1);
            Next::Attempt(self.attempts)
        }
    }
}

/// Runs a connection until it is closed or its policy ends it.
pub(crate) async fn run(shared: Arc<ConnectionState>) {
    let mut failures = Failures::new(Instant::now());
    loop {
        let exit = live(&shared, &mut failures).await;
        if shared.lock().is_over() {
            shared.set_state(LinkState::Close, None);
            break;
        }
        let next = failures.next(&exit);
        let error = match exit {
            Exit::Commanded(DriverCommand::Close) => break,
            Exit::Commanded(DriverCommand::Reset) => None,
            Exit::Lost(error) | Exit::Commanded(DriverCommand::Lost(error)) => Some(error),
            Exit::Unlocated(error)
                if !error.is_refusal() && !failures.outlast(shared.policy.patience(), Instant::now()) =>
            {
                Some(error)
            }
            Exit::Unlocated(error) | Exit::Refused(error) => {
                let pending = shared.lock().queue.clear();
                shared.fail(pending, &error);
                Some(error)
            }
        };
        lose(&shared, error.clone());
        shared.lock().cause.clone_from(&error);
        shared.set_state(LinkState::Close, error.as_ref());
        if !wait_to_retry(&shared, next, &mut failures).await {
            break;
        }
    }
    shared.close();
    shared.set_state(LinkState::End, None);
}

/// One session, from opening the socket to losing it.
async fn live(shared: &Arc<ConnectionState>, failures: &mut Failures) -> Exit {
    shared.set_state(LinkState::Connecting, None);
    let socket = tokio::select! {
        biased;
        command = next_command(shared) => return Exit::Commanded(command),
        socket = connect(shared, failures) => match socket {
            Ok(socket) => socket,
            Err(refusal) => return refusal.into(),
        },
    };
    failures.attempts = 0;
    let (receiving, sending) = socket.split();
    let writer = flow(shared, sending);
    if std::mem::replace(&mut failures.had_session, true) {
        shared.traffic.reconnect();
    }
    shared.set_state(LinkState::Ready, None);
    let watch =
        shared.options.silence.map(|limit| shared.tasks.spawn(liveness_watch::watch(shared.clone(), limit)));
    let exit = receive(shared, receiving).await;
    writer.abort();
    if let Some(watch) = watch {
        watch.abort();
    }
    exit
}

async fn connect(shared: &Arc<ConnectionState>, failures: &mut Failures) -> Result<Socket, HandshakeError> {
    let options = &shared.options;
    let lost = |error: &io::Error| RedisError::connecting(error, &shared.node());
    let located = match shared.policy.locate() {
        Some(answer) => {
            let located = in_time(options, answer).await.unwrap_or_else(|late| Err(lost(&late)));
            Some(located.map_err(HandshakeError::Unlocated)?)
        }
        None => None,
    };
    (failures.rounds, failures.unlocated) = (0, None);
    if let Some(endpoint) = &located {
        shared.move_to(endpoint);
        shared.policy.located(endpoint);
    }
    let opening = Socket::open(located.as_ref().unwrap_or(&options.endpoint), options);
    let mut socket = opening.await.map_err(|error| lost(&error))?;
    shared.set_state(LinkState::Connect, None);
    shake_hands(&mut socket, options, shared.db(), &shared.node()).await?;
    Ok(socket)
}

/// Waits for at most `connectTimeout`.
async fn in_time<T>(options: &LinkOptions, step: impl Future<Output = T>) -> io::Result<T> {
    match options.connect_timeout {
        Some(limit) => timeout(limit, step)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connect ETIMEDOUT")),
        None => Ok(step.await),
    }
}

/// Allows writes, by the submitting threads if the socket supports it, and by the writer.
fn flow(shared: &Arc<ConnectionState>, sending: SendHalf) -> JoinHandle<()> {
    let direct = match &sending {
        SendHalf::Plain(plain) => Some(plain.clone()),
        SendHalf::Tls(_) => None,
    };
    shared.lock().start_flow(direct);
    shared.to_write.notify_one();
    shared.tasks.spawn(write(shared.clone(), sending))
}

/// Writes what submitters could not.
async fn write(shared: Arc<ConnectionState>, mut sending: SendHalf) {
    loop {
        shared.to_write.notified().await;
        let written = match &mut sending {
            SendHalf::Plain(plain) => write_plain(&shared, plain).await,
            SendHalf::Tls(stream) => write_tls(&shared, stream).await,
        };
        if let Err(error) = written {
            // The receiver finds the end as well, after the bytes that are left, and then ends this task.
            tokio::time::sleep(READ_AFTER_WRITE_ERROR).await;
            shared.send_command(DriverCommand::Lost(RedisError::socket(&error, "write", &shared.node())));
            return;
        }
    }
}

async fn write_plain(shared: &ConnectionState, socket: &Plain) -> io::Result<()> {
    loop {
        let blocked = shared.lock().write_now(socket)?;
        if !blocked {
            return Ok(());
        }
        socket.writable().await?;
    }
}

/// Writes to TLS. Bytes count as written before the write, since a failure does not say which bytes left.
async fn write_tls(shared: &ConnectionState, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    loop {
        let bytes = {
            let mut inner = shared.lock();
            let bytes = if inner.is_flowing() { inner.queue.unwritten().to_vec() } else { Vec::new() };
            if !bytes.is_empty() {
                inner.mark_written(bytes.len());
            }
            bytes
        };
        if bytes.is_empty() {
            return stream.flush().await;
        }
        stream.write_all(&bytes).await?;
    }
}

async fn receive(shared: &Arc<ConnectionState>, mut receiving: ReceiveHalf) -> Exit {
    let mut receiver = Receiver::new(shared.clone());
    loop {
        let filled = tokio::select! {
            biased;
            command = next_command(shared) => return Exit::Commanded(command),
            filled = receiving.fill(receiver.room()) => filled,
        };
        let error = match filled {
            Ok(0) => RedisError::local(
                RedisErrorKind::Connect,
                "The server closed the connection.",
                &shared.node(),
            ),
            Ok(count) => {
                shared.traffic.receive(count);
                match receiver.hand_out() {
                    Ok(()) => continue,
                    Err(error) => error,
                }
            }
            Err(error) => RedisError::socket(&error, "read", &shared.node()),
        };
        return HandshakeError::from(error).into();
    }
}

/// Ends a session. Commands that can be sent again wait, and the others fail.
fn lose(shared: &ConnectionState, cause: Option<RedisError>) {
    let lost = {
        let mut inner = shared.lock();
        inner.stop_flow();
        inner.queue.prepare_resend(!shared.options.resend)
    };
    shared.fail(lost, &shared.dropped(cause));
}

/// Waits for the delay of the policy. Returns false if the link must end.
async fn wait_to_retry(shared: &Arc<ConnectionState>, next: Next, failures: &mut Failures) -> bool {
    let asked = match next {
        Next::Round(round) => shared.policy.relocate_delay(round),
        Next::Attempt(attempt) => shared.policy.retry_delay(attempt),
    };
    let delay = tokio::select! {
        biased;
        () = closed(shared) => return false,
        delay = asked => delay,
    };
    let Some(delay) = delay else {
        shared.end();
        return false;
    };
    shared.set_state(LinkState::Reconnecting, None);
    if let (Some(most), Next::Attempt(attempt)) = (shared.options.max_retries_per_request, next)
        && failures.exceed(most, attempt, delay, Instant::now())
    {
        let (pending, cause) = {
            let mut inner = shared.lock();
            (inner.queue.clear(), inner.cause.clone())
        };
        shared.fail(pending, &RedisError::max_retries(most, cause, &shared.node()));
    }
    tokio::select! {
        biased;
        () = closed(shared) => false,
        () = tokio::time::sleep(delay) => true,
    }
}

/// Returns the next command to the driver.
async fn next_command(shared: &ConnectionState) -> DriverCommand {
    loop {
        if let Some(command) = shared.lock().command.take() {
            return command;
        }
        shared.commanded.notified().await;
    }
}

/// Resolves when the driver must close. Other commands have no effect without a connection.
async fn closed(shared: &ConnectionState) {
    while next_command(shared).await != DriverCommand::Close {}
}

/// Fails commands that have waited longer than `commandTimeout`. Later replies to them are dropped.
pub(crate) async fn watch_deadlines(shared: Arc<ConnectionState>) {
    loop {
        let next = shared.lock().queue.next_deadline();
        let due = async {
            match next {
                // A command is late by this minimum at most.
                Some(next) => {
                    tokio::time::sleep_until(next.max(Instant::now() + SHORTEST_WATCH).into()).await;
                }
                None => shared.to_time.notified().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.gone() => return,
            () = due => fail_late(&shared),
        }
    }
}

fn fail_late(shared: &ConnectionState) {
    let (late, cause): (Vec<_>, _) = {
        let mut inner = shared.lock();
        let cause = inner.cause.clone().filter(|_| !inner.is_flowing());
        let expired = inner.queue.expired(Instant::now()).map(|pending| {
            pending.deadline = None;
            let destination = std::mem::replace(&mut pending.meta.destination, Destination::Nowhere);
            (destination, pending.meta.name)
        });
        (expired.collect(), cause)
    };
    if late.is_empty() {
        return;
    }
    let error = RedisError::local(RedisErrorKind::Timeout, "Command timed out", &shared.node()).after(cause);
    for (destination, name) in late {
        shared.deliver(destination, Err(error.clone().of(name)));
    }
    shared.burst_end();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the attempts after which queued commands fail. The delay between attempts grows by 50 ms each time.
    fn failing(mut failures: Failures, most: u32, attempts: u32) -> Vec<u32> {
        let mut now = failures.since;
        let mut found = Vec::new();
        for attempt in 1..=attempts {
            let delay = Duration::from_millis(u64::from(attempt) * 50).min(Duration::from_secs(2));
            if failures.exceed(most, attempt, delay, now) {
                found.push(attempt);
            }
            now += delay;
        }
        found
    }

    #[test]
    fn what_waits_to_be_led_somewhere_fails_after_each_time_of_patience_if_there_is_one() {
        let start = Instant::now();
        let mut failures = Failures::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        let patience = Some(Duration::from_secs(20));
        let outlasted: Vec<u64> =
            (0..70_u64).filter(|&second| failures.outlast(patience, at(second))).collect();
        assert_eq!(outlasted, [20, 40, 60]);
        assert!(!failures.outlast(None, at(1_000)));
    }

    #[test]
    fn commands_of_a_session_that_was_lost_wait_for_so_many_attempts() {
        let failures = Failures { had_session: true, ..Failures::new(Instant::now()) };
        assert_eq!(failing(failures, 20, 90), [21, 42, 63, 84]);
    }

    #[test]
    fn where_there_was_no_session_none_waits_for_longer_than_the_first() {
        assert_eq!(failing(Failures::new(Instant::now()), 20, 50), [21, 29, 35, 40, 42, 47]);
        assert_eq!(failing(Failures::new(Instant::now()), 0, 3), [1, 2, 3]);
    }
}
