//! Writer of a connection: writes the bytes that submitters could not write.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::redis_io::connection::inner::DriverCommand;
use crate::redis_io::connection::socket::{Plain, SendHalf};
use crate::redis_io::connection::state::ConnectionState;
use crate::redis_io::error::RedisError;

/// Time for reading after a write failed. The server can have sent the reason before it closed the socket.
const READ_AFTER_WRITE_ERROR: Duration = Duration::from_millis(200);

/// Allows writes, by the submitting threads if the socket supports it, and by the writer.
pub(crate) fn start_writer(shared: &Arc<ConnectionState>, sending: SendHalf) -> JoinHandle<()> {
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
