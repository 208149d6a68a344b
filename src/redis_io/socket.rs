//! Opens sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf};
#[cfg(unix)]
use tokio::net::unix;
use tokio::net::{TcpStream, lookup_host, tcp};
use tokio_rustls::client::TlsStream;

use super::options::{Endpoint, LinkOptions};
use super::tls;

/// An open socket.
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// The sending side of a socket that both threads may write to.
pub enum Plain {
    /// Of TCP.
    Tcp(tcp::OwnedWriteHalf),
    /// Of a unix socket.
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

impl Socket {
    /// Opens a socket to `endpoint`.
    pub async fn open(endpoint: &Endpoint, options: &LinkOptions) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp { host, port, family } => {
                let stream = connect(host, *port, *family).await?;
                stream.set_nodelay(options.no_delay)?;
                keep_alive(&stream, options.keep_alive)?;
                match &options.tls {
                    Some(tls) => Ok(Self::Tls(Box::new(tls::connect(stream, host, tls).await?))),
                    None => Ok(Self::Tcp(stream)),
                }
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => Ok(Self::Unix(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    /// The two sides of the socket.
    pub fn split(self) -> (Receiving, Sending) {
        match self {
            Self::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (Receiving::Tcp(read), Sending::Plain(Arc::new(Plain::Tcp(write))))
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (Receiving::Unix(read), Sending::Plain(Arc::new(Plain::Unix(write))))
            }
            Self::Tls(stream) => {
                let (read, write) = tokio::io::split(*stream);
                (Receiving::Tls(read), Sending::Tls(write))
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
        }
    }

    /// Resolves when the socket takes bytes again.
    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.writable().await,
        }
    }
}

/// The side of a socket that receives.
pub enum Receiving {
    /// Of TCP.
    Tcp(tcp::OwnedReadHalf),
    /// Of a unix socket.
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    /// Of TLS.
    Tls(ReadHalf<TlsStream<TcpStream>>),
}

/// The side of a socket that sends.
pub enum Sending {
    /// Of a plain socket.
    Plain(Arc<Plain>),
    /// Of TLS.
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

impl Receiving {
    /// Waits for bytes and appends what is there, up to the buffer's capacity; after a short read it is not asked
    /// again whether there is more. 0 is the end. Nothing is lost if the future is dropped.
    pub async fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read_buf(buffer).await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }
}

fn keep_alive(stream: &TcpStream, idle: Option<Duration>) -> io::Result<()> {
    match idle {
        None => Ok(()),
        // The system counts in seconds and refuses none.
        Some(idle) => {
            let idle = idle.max(Duration::from_secs(1));
            SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))
        }
    }
}

async fn connect(host: &str, port: u16, family: u8) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, format!("getaddrinfo ENOTFOUND {host}"));
    for address in resolve(host, port, family).await? {
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
        // RFC 6761: always the loopback, so the resolver's threads are not needed.
        let both = [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
        return Ok(both.into_iter().filter(fits).collect());
    }
    let found = lookup_host((host, port)).await;
    let found = found
        .map_err(|_| io::Error::new(io::ErrorKind::NotFound, format!("getaddrinfo ENOTFOUND {host}")))?;
    Ok(found.filter(fits).collect())
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
    async fn a_socket_delays_nothing_unless_it_may() {
        assert!(opened(None, true).await.nodelay().unwrap());
        assert!(!opened(None, false).await.nodelay().unwrap());
    }
}
