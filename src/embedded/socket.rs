//! Sockets of the server: its listener, and the connections that it accepts.

use std::io;
use std::net::SocketAddr;

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

#[cfg(feature = "simulation")]
use crate::redis_io::world::pipe::PipeEnd;

/// Accepts connections.
#[derive(Debug)]
pub enum Listener {
    /// On a port of TCP.
    Tcp(TcpListener),
    /// Of a simulation.
    #[cfg(feature = "simulation")]
    Pipes(tokio::sync::mpsc::UnboundedReceiver<PipeEnd>),
}

/// A connection.
#[derive(Debug)]
pub enum ServerSocket {
    /// Of TCP.
    Tcp(TcpStream),
    /// Of a simulation.
    #[cfg(feature = "simulation")]
    Pipe(PipeEnd),
}

impl Listener {
    /// Waits for the next connection.
    pub async fn accept(&mut self) -> io::Result<ServerSocket> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| ServerSocket::Tcp(stream)),
            #[cfg(feature = "simulation")]
            Self::Pipes(incoming) => match incoming.recv().await {
                Some(pipe) => Ok(ServerSocket::Pipe(pipe)),
                None => std::future::pending().await,
            },
        }
    }
}

impl ServerSocket {
    /// Sends without delay, and returns the addresses of the client and of the server.
    pub fn begin(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                Ok((stream.peer_addr()?, stream.local_addr()?))
            }
            #[cfg(feature = "simulation")]
            Self::Pipe(_) => Ok((([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into())),
        }
    }

    /// Resolves when an operation in `interest` would not block. Returns true if it can read.
    pub async fn ready(&self, interest: Interest) -> io::Result<bool> {
        match self {
            Self::Tcp(stream) => stream.ready(interest).await.map(|ready| ready.is_readable()),
            #[cfg(feature = "simulation")]
            Self::Pipe(pipe) => {
                pipe.ready(interest).await;
                Ok(interest.is_readable())
            }
        }
    }

    /// Appends what has arrived. 0 is the end.
    pub fn try_read_buf(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buffer),
            #[cfg(feature = "simulation")]
            Self::Pipe(pipe) => pipe.0.try_read(buffer, buffer.capacity() - buffer.len()),
        }
    }

    /// Writes what the socket takes at once.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(feature = "simulation")]
            Self::Pipe(pipe) => pipe.0.try_write(bytes),
        }
    }
}
