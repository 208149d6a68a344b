//! Opens sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf};
#[cfg(unix)]
use tokio::net::unix;
use tokio::net::{TcpStream, tcp};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::redis_io::connection::host_lookup::look_up;
use crate::redis_io::connection::tls;
use crate::redis_io::options::{Endpoint, LinkOptions};
#[cfg(feature = "simulation")]
use crate::redis_io::world::{pipe::PipeEnd, simulation};

/// Reason in the error of an attempt that no name server has answered.
const SILENT_NAME_SERVER: &str = ": no name server has answered";
const SILENT_TLS: &str = ": the server has not answered the TLS handshake; is this a port for TLS?";
/// Longest keep-alive time that Linux and other systems allow.
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(32_767);

/// An open socket.
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// Of a simulation.
    #[cfg(feature = "simulation")]
    Pipe(PipeEnd),
}

/// Sending side of a socket. Both threads can write to it.
pub enum Plain {
    /// Of TCP.
    Tcp(tcp::OwnedWriteHalf),
    /// Of a unix socket.
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
    /// Of a simulation.
    #[cfg(feature = "simulation")]
    Pipe(PipeEnd),
}

impl Socket {
    /// Opens a socket to `endpoint` within `connectTimeout`.
    pub async fn open(endpoint: &Endpoint, options: &LinkOptions) -> io::Result<Self> {
        let limit = Limit::begin(options);
        match endpoint {
            Endpoint::Tcp { host, port, family } => {
                #[cfg(feature = "simulation")]
                if let Some(opening) = simulation::connect(host, *port) {
                    return Ok(Self::Pipe(limit.apply(opening, "").await?));
                }
                let addresses = limit.apply(resolve(host, *port, *family), SILENT_NAME_SERVER).await?;
                let stream = limit.apply(connect(host, addresses), "").await?;
                stream.set_nodelay(options.no_delay)?;
                keep_alive(&stream, options.keep_alive)?;
                match &options.tls {
                    Some(tls) => {
                        let stream = limit.apply(tls::connect(stream, host, tls), SILENT_TLS).await?;
                        Ok(Self::Tls(Box::new(stream)))
                    }
                    None => Ok(Self::Tcp(stream)),
                }
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let stream = limit.apply(tokio::net::UnixStream::connect(path), "").await?;
                Ok(Self::Unix(stream))
            }
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    /// The two sides of the socket.
    pub fn split(self) -> (ReceiveHalf, SendHalf) {
        match self {
            Self::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReceiveHalf::Tcp(read), SendHalf::Plain(Arc::new(Plain::Tcp(write))))
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReceiveHalf::Unix(read), SendHalf::Plain(Arc::new(Plain::Unix(write))))
            }
            Self::Tls(stream) => {
                let (read, write) = tokio::io::split(*stream);
                (ReceiveHalf::Tls(read), SendHalf::Tls(write))
            }
            #[cfg(feature = "simulation")]
            Self::Pipe(pipe) => {
                (ReceiveHalf::Pipe(pipe.clone()), SendHalf::Plain(Arc::new(Plain::Pipe(pipe))))
            }
        }
    }
}

impl Plain {
    /// Writes what the socket takes at once, from any thread.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
            #[cfg(feature = "simulation")]
            Self::Pipe(pipe) => pipe.0.try_write(bytes),
        }
    }

    /// Resolves when the socket takes bytes again.
    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.writable().await,
            #[cfg(feature = "simulation")]
            Self::Pipe(pipe) => {
                pipe.ready(tokio::io::Interest::WRITABLE).await;
                Ok(())
            }
        }
    }
}

/// Receiving side of a socket.
pub enum ReceiveHalf {
    /// Of TCP.
    Tcp(tcp::OwnedReadHalf),
    /// Of a unix socket.
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    /// Of TLS.
    Tls(ReadHalf<TlsStream<TcpStream>>),
    /// Of a simulation.
    #[cfg(feature = "simulation")]
    Pipe(PipeEnd),
}

/// Sending side of a socket.
pub enum SendHalf {
    /// Of a plain socket.
    Plain(Arc<Plain>),
    /// Of TLS.
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

impl ReceiveHalf {
    /// Waits for bytes and appends them, up to the buffer's capacity. A short read is not followed by another. Returns 0
    /// at the end. The future can be dropped without loss.
    pub async fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read_buf(buffer).await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
            #[cfg(feature = "simulation")]
            Self::Pipe(pipe) => pipe.fill(buffer).await,
        }
    }
}

fn keep_alive(stream: &TcpStream, idle: Option<Duration>) -> io::Result<()> {
    match idle {
        None => Ok(()),
        // The system counts in seconds; it refuses none, and Linux more than this.
        Some(idle) => {
            let idle = idle.clamp(Duration::from_secs(1), LONGEST_KEEP_ALIVE);
            SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))
        }
    }
}

/// Deadline of an attempt to connect, if it has one.
struct Limit(Option<Instant>);

impl Limit {
    fn begin(options: &LinkOptions) -> Self {
        Self(options.connect_timeout.map(|limit| Instant::now() + limit))
    }

    /// Waits for one step of the attempt. `reason` names the step in the error of a late one.
    async fn apply<T>(&self, step: impl Future<Output = io::Result<T>>, reason: &str) -> io::Result<T> {
        let Some(until) = self.0 else { return step.await };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("connect ETIMEDOUT{reason}"));
        timeout_at(until, step).await.map_err(late)?
    }
}

async fn connect(host: &str, addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, format!("getaddrinfo ENOTFOUND {host}"));
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn resolve(host: &str, port: u16, family: u8) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        // Nothing to resolve, so the family does not come into it.
        return Ok(vec![(address, port).into()]);
    }
    let fits = |address: &SocketAddr| match family {
        4 => address.is_ipv4(),
        6 => address.is_ipv6(),
        _ => true,
    };
    if host.eq_ignore_ascii_case("localhost") {
        // RFC 6761: always the loopback, so no lookup is needed.
        let both = [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
        return Ok(both.into_iter().filter(fits).collect());
    }
    let mut found = look_up(host).await?;
    found.retain(fits);
    found.iter_mut().for_each(|address| address.set_port(port));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(keep_alive: Option<Duration>, no_delay: bool) -> TcpStream {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = LinkOptions { keep_alive, no_delay, ..LinkOptions::default() };
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, family: 4 };
        match Socket::open(&endpoint, &options).await.unwrap() {
            Socket::Tcp(stream) => stream,
            _ => panic!("another kind of socket"),
        }
    }

    #[tokio::test]
    async fn a_socket_is_probed_when_it_was_idle_for_as_long_as_told() {
        let probed = opened(Some(Duration::from_secs(30)), true).await;
        let probed = SockRef::from(&probed);
        assert!(probed.keepalive().unwrap());
        assert_eq!(probed.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        let other = opened(None, true).await;
        assert!(!SockRef::from(&other).keepalive().unwrap());
    }

    #[tokio::test]
    async fn a_socket_that_may_be_idle_for_longer_than_the_system_counts_is_opened() {
        for seconds in [32_767, 32_768, 1 << 31, 1 << 53] {
            let probed = opened(Some(Duration::from_secs(seconds)), true).await;
            assert_eq!(SockRef::from(&probed).tcp_keepalive_time().unwrap(), LONGEST_KEEP_ALIVE);
        }
    }

    #[tokio::test]
    async fn a_socket_delays_nothing_unless_it_may() {
        assert!(opened(None, true).await.nodelay().unwrap());
        assert!(!opened(None, false).await.nodelay().unwrap());
    }
}
