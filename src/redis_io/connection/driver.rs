//! Driver of a connection: the task that connects, receives and reconnects.

use std::io;
use std::sync::Arc;

use tokio::time::{Instant, timeout};

use crate::redis_io::connection::failures::{Failures, RetryStep};
use crate::redis_io::connection::handshake::{Greeting, HandshakeError, shake_hands};
use crate::redis_io::connection::inner::DriverCommand;
use crate::redis_io::connection::liveness_watch;
use crate::redis_io::connection::reply_reader::Receiver;
use crate::redis_io::connection::resend;
use crate::redis_io::connection::socket::{ReceiveHalf, Socket};
use crate::redis_io::connection::state::ConnectionState;
use crate::redis_io::connection::writer::start_writer;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::LinkState;
use crate::redis_io::options::LinkOptions;

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

/// Runs a connection until it is closed or its policy ends it.
pub(crate) async fn run(shared: Arc<ConnectionState>) {
    let mut failures = Failures::new(Instant::now());
    loop {
        let exit = live(&shared, &mut failures).await;
        if shared.lock().is_over() {
            shared.set_state(LinkState::Close, None);
            break;
        }
        let next = failures.next(matches!(exit, Exit::Unlocated(_)));
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
    let (socket, greeting) = tokio::select! {
        biased;
        command = next_command(shared) => return Exit::Commanded(command),
        connected = connect(shared, failures) => match connected {
            Ok(connected) => connected,
            Err(refusal) => return refusal.into(),
        },
    };
    failures.attempts = 0;
    shared.policy.greeted(&shared.node(), greeting.run_id.as_deref());
    resend::begin(shared, greeting);
    let (receiving, sending) = socket.split();
    let writer = start_writer(shared, sending);
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

async fn connect(
    shared: &Arc<ConnectionState>,
    failures: &mut Failures,
) -> Result<(Socket, Greeting), HandshakeError> {
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
    let greeting = shake_hands(&mut socket, options, shared.db(), &shared.node()).await?;
    resend::note_time(shared, &greeting);
    resend::resolve_sent(shared, &mut socket).await?;
    Ok((socket, greeting))
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
async fn wait_to_retry(shared: &Arc<ConnectionState>, next: RetryStep, failures: &mut Failures) -> bool {
    let asked = match next {
        RetryStep::Round(round) => shared.policy.relocate_delay(round),
        RetryStep::Attempt(attempt) => shared.policy.retry_delay(attempt),
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
    if let (Some(most), RetryStep::Attempt(attempt)) = (shared.options.max_retries_per_request, next)
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
