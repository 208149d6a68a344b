//! The tasks of a connection: the driver, which connects, receives and connects again; the writer; and the watch
//! on `commandTimeout`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connection::{Order, Shared};
use super::error::{RedisError, RedisErrorKind};
use super::handshake::{Refusal, shake_hands};
use super::link::LinkState;
use super::receiver::Receiver;
use super::socket::{Receiving, Sending, Socket};

/// How a session ended.
enum Exit {
    /// The socket was closed or broke.
    Lost(RedisError),
    /// Redis does not let us in.
    Refused(RedisError),
    /// It was told to.
    Ordered(Order),
}

/// Runs a connection until it is closed or its policy gives it up.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut attempt: u32 = 0;
    loop {
        let exit = live(&shared, &mut attempt).await;
        if shared.lock().closing {
            break;
        }
        let error = match exit {
            Exit::Ordered(Order::Close) => break,
            Exit::Ordered(Order::Reset) => None,
            Exit::Lost(error) => Some(error),
            Exit::Refused(error) => {
                let pending = shared.lock().outbox.clear();
                shared.fail(pending, &error);
                Some(error)
            }
        };
        lose(&shared);
        shared.set_state(LinkState::Close, error.as_ref());
        attempt = attempt.saturating_add(1);
        if !wait_to_retry(&shared, attempt).await {
            break;
        }
    }
    shared.close();
    shared.set_state(LinkState::End, None);
}

/// One session, from opening the socket to losing it.
async fn live(shared: &Arc<Shared>, attempt: &mut u32) -> Exit {
    shared.set_state(LinkState::Connecting, None);
    let socket = tokio::select! {
        biased;
        order = ordered(shared) => return Exit::Ordered(order),
        socket = connect(shared) => match socket {
            Ok(socket) => socket,
            Err(Refusal::Lost(error)) => return Exit::Lost(error),
            Err(Refusal::Fatal(error)) => return Exit::Refused(error),
        },
    };
    *attempt = 0;
    let (receiving, sending) = socket.split();
    let writer = flow(shared, sending);
    shared.set_state(LinkState::Ready, None);
    let exit = receive(shared, receiving).await;
    writer.abort();
    exit
}

async fn connect(shared: &Arc<Shared>) -> Result<Socket, Refusal> {
    let lost = |error: io::Error| Refusal::Lost(RedisError::socket(&error, &shared.node));
    let mut socket = match shared.options.connect_timeout {
        Some(limit) => timeout(limit, Socket::open(&shared.options))
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "connect ETIMEDOUT")))
            .map_err(lost)?,
        None => Socket::open(&shared.options).await.map_err(lost)?,
    };
    shared.set_state(LinkState::Connect, None);
    shake_hands(&mut socket, &shared.options, &shared.node).await?;
    Ok(socket)
}

/// Lets commands flow: from the submitting threads where the socket allows it, and from the writer.
fn flow(shared: &Arc<Shared>, sending: Sending) -> JoinHandle<()> {
    {
        let mut inner = shared.lock();
        inner.flowing = !inner.closing;
        inner.direct = match &sending {
            Sending::Plain(plain) if inner.flowing => Some(plain.clone()),
            _ => None,
        };
    }
    shared.to_write.notify_one();
    shared.runtime.spawn(write(shared.clone(), sending))
}

/// Writes what submitters could not. Its errors are the receiver's to notice: the socket is the same.
async fn write(shared: Arc<Shared>, mut sending: Sending) {
    loop {
        shared.to_write.notified().await;
        let written = match &mut sending {
            Sending::Plain(plain) => write_plain(&shared, plain).await,
            Sending::Tls(stream) => loop {
                let bytes = {
                    let mut inner = shared.lock();
                    let bytes = inner.outbox.unwritten().to_vec();
                    inner.outbox.wrote(bytes.len());
                    bytes
                };
                if bytes.is_empty() {
                    break stream.flush().await;
                }
                if let Err(error) = stream.write_all(&bytes).await {
                    break Err(error);
                }
            },
        };
        if written.is_err() {
            shared.order(Order::Reset);
            return;
        }
    }
}

async fn write_plain(shared: &Shared, socket: &Arc<super::socket::Plain>) -> io::Result<()> {
    loop {
        let blocked = shared.lock().write_now(socket)?;
        if !blocked {
            return Ok(());
        }
        socket.writable().await?;
    }
}

async fn receive(shared: &Arc<Shared>, mut receiving: Receiving) -> Exit {
    let mut receiver = Receiver::new(shared.clone());
    loop {
        let filled = tokio::select! {
            biased;
            order = ordered(shared) => return Exit::Ordered(order),
            filled = receiving.fill(receiver.room()) => filled,
        };
        let error = match filled {
            Ok(0) => RedisError::local(RedisErrorKind::Connect, "The server closed the connection.", &shared.node),
            Ok(_) => match receiver.hand_out() {
                Ok(()) => continue,
                Err(error) => error,
            },
            Err(error) => RedisError::socket(&error, &shared.node),
        };
        return Exit::Lost(error);
    }
}

/// The session is gone: what may be sent again waits, the rest fails.
fn lose(shared: &Shared) {
    let lost = {
        let mut inner = shared.lock();
        inner.flowing = false;
        inner.direct = None;
        inner.outbox.rewind(!shared.options.resend)
    };
    shared.fail(lost, &RedisError::local(RedisErrorKind::Dropped, "Connection is closed.", &shared.node));
}

/// Waits as long as the policy says; `false` if that is for good.
async fn wait_to_retry(shared: &Arc<Shared>, attempt: u32) -> bool {
    let delay = tokio::select! {
        biased;
        () = closed(shared) => return false,
        delay = shared.policy.retry_delay(attempt) => delay,
    };
    let Some(delay) = delay else { return false };
    shared.set_state(LinkState::Reconnecting, None);
    if let Some(most) = shared.options.max_retries_per_request
        && attempt.is_multiple_of(most.saturating_add(1))
    {
        let pending = shared.lock().outbox.clear();
        let message = format!(
            "Reached the max retries per request limit (which is {most}). Refer to \"maxRetriesPerRequest\" option for details."
        );
        shared.fail(pending, &RedisError::local(RedisErrorKind::MaxRetries, &message, &shared.node));
    }
    tokio::select! {
        biased;
        () = closed(shared) => false,
        () = tokio::time::sleep(delay) => true,
    }
}

/// Resolves with the next order.
async fn ordered(shared: &Shared) -> Order {
    loop {
        if let Some(order) = shared.lock().order.take() {
            return order;
        }
        shared.told.notified().await;
    }
}

/// Resolves when the connection is to be closed; other orders mean nothing while there is no connection.
async fn closed(shared: &Shared) {
    while ordered(shared).await != Order::Close {}
}

/// Fails commands that have waited for longer than `commandTimeout`. Their replies, should they come, find nobody.
pub(super) async fn watch_deadlines(shared: Arc<Shared>) {
    loop {
        let next = {
            let inner = shared.lock();
            if inner.closing {
                return;
            }
            inner.outbox.next_deadline()
        };
        let Some(next) = next else {
            shared.to_time.notified().await;
            continue;
        };
        // At most so often; a command is never late by more.
        tokio::time::sleep_until(next.max(Instant::now() + Duration::from_millis(1)).into()).await;
        let late: Vec<_> = {
            let mut inner = shared.lock();
            let expired = inner.outbox.expired(Instant::now());
            expired
                .map(|pending| {
                    pending.deadline = None;
                    let destination = std::mem::replace(
                        &mut pending.mark.destination,
                        super::command::Destination::Nowhere,
                    );
                    (destination, pending.mark.name)
                })
                .collect()
        };
        for (destination, name) in late {
            let error = RedisError::local(RedisErrorKind::Timeout, "Command timed out", &shared.node).of(name);
            shared.deliver(destination, Err(error));
        }
        shared.burst_end();
    }
}
