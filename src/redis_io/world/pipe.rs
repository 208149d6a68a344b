//! Simulated socket, as both of its ends see it.

use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// Size of one read in bytes.
const READ_SIZE: usize = 64 * 1024;

/// One end of a simulated socket. Its drop closes it.
pub trait Pipe: Debug + Send + Sync {
    /// Appends the bytes that have arrived, `most` at most. 0 is the end.
    fn try_read(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize>;

    /// Takes the bytes that fit. Returns their number.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Resolves when one of the operations in `interest` would not block.
    fn poll_ready(&self, context: &mut Context<'_>, interest: Interest) -> Poll<()>;
}

/// A shared end, with the calls of a socket of tokio.
#[derive(Clone, Debug)]
pub struct PipeEnd(pub Arc<dyn Pipe>);

impl PipeEnd {
    /// Resolves when one of the operations in `interest` would not block.
    pub async fn ready(&self, interest: Interest) {
        std::future::poll_fn(|context| self.0.poll_ready(context, interest)).await;
    }

    /// Waits for bytes and appends them, up to the buffer's capacity.
    pub async fn fill(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let room = buffer.capacity() - buffer.len();
            match self.0.try_read(buffer, if room == 0 { READ_SIZE } else { room }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready(Interest::READABLE).await;
                }
                outcome => return outcome,
            }
        }
    }
}

impl AsyncRead for PipeEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = Vec::new();
        match self.0.try_read(&mut bytes, buffer.remaining()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.0.poll_ready(context, Interest::READABLE).is_ready() {
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            }
            outcome => {
                buffer.put_slice(&bytes);
                Poll::Ready(outcome.map(drop))
            }
        }
    }
}

impl AsyncWrite for PipeEnd {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.0.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.0.poll_ready(context, Interest::WRITABLE).is_ready() {
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            }
            outcome => Poll::Ready(outcome),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
