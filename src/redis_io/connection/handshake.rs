//! Handshake of a new connection: AUTH, SELECT, INFO, CLIENT INFO and the library's name in one write, INFO again while the server
//! loads its data, then the connection's name and READONLY.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::InfoDict;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::resend_check::ClientIdentity;
use crate::redis_io::connection::socket::Socket;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::options::LinkOptions;
use crate::redis_io::resp::{Reply, Scanner, Value};
use crate::redis_io::tls_error::TlsError;

/// A connection that commands cannot flow on.
#[derive(Debug)]
pub enum HandshakeError {
    /// No endpoint is known.
    Unlocated(RedisError),
    /// The connection failed. Queued commands wait for the next one.
    Lost(RedisError),
    /// Redis refuses this client. Queued commands fail with its error.
    Fatal(RedisError),
}

impl From<RedisError> for HandshakeError {
    fn from(error: RedisError) -> Self {
        if error.is_refusal() { Self::Fatal(error) } else { Self::Lost(error) }
    }
}

/// Facts about the server and this client.
#[derive(Debug, Default)]
pub struct Greeting {
    /// Reply to CLIENT INFO.
    pub(crate) client: Option<ClientIdentity>,
    /// Time of the server, in ms.
    pub(crate) time: Option<u64>,
    /// Id of the server's process. `None` without a reply to INFO.
    pub(crate) run_id: Option<String>,
}

/// Does the handshake, after which `db` is selected.
pub async fn shake_hands(
    socket: &mut Socket,
    options: &LinkOptions,
    db: u32,
    node: &Arc<str>,
) -> Result<Greeting, HandshakeError> {
    match socket {
        Socket::Tcp(stream) => Handshake::new(stream, node, options, db).run().await,
        #[cfg(unix)]
        Socket::Unix(stream) => Handshake::new(stream, node, options, db).run().await,
        Socket::Tls(stream) => Handshake::new(stream.as_mut(), node, options, db).run().await,
        #[cfg(feature = "simulation")]
        Socket::Pipe(pipe) => Handshake::new(pipe, node, options, db).run().await,
    }
}

/// Sends commands right after the handshake and returns their replies.
pub(crate) async fn ask(
    socket: &mut Socket,
    options: &LinkOptions,
    node: &Arc<str>,
    commands: &Commands,
) -> Result<Vec<Value>, HandshakeError> {
    match socket {
        Socket::Tcp(stream) => Handshake::new(stream, node, options, 0).ask(commands).await,
        #[cfg(unix)]
        Socket::Unix(stream) => Handshake::new(stream, node, options, 0).ask(commands).await,
        Socket::Tls(stream) => Handshake::new(stream.as_mut(), node, options, 0).ask(commands).await,
        #[cfg(feature = "simulation")]
        Socket::Pipe(pipe) => Handshake::new(pipe, node, options, 0).ask(commands).await,
    }
}

/// The shortest wait before INFO is asked again, whatever the options say.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// First bytes of a server that did not understand us: an alert of TLS version 3.
const TLS_ALERT: [u8; 2] = [21, 3];

/// Name and version of this library, for CLIENT LIST of Redis 7.2 and later.
const LIBRARY: [[&str; 4]; 2] = [
    ["CLIENT", "SETINFO", "LIB-NAME", "hfxbus"],
    ["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")],
];

/// Name of CLIENT INFO among the commands of a handshake.
const CLIENT_INFO: &str = "CLIENT INFO";

struct Handshake<'a, S> {
    stream: &'a mut S,
    node: &'a Arc<str>,
    options: &'a LinkOptions,
    db: u32,
    buffer: Vec<u8>,
    /// Position of the next reply in it.
    start: usize,
    /// True once the server has sent a byte.
    is_heard: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Handshake<'a, S> {
    fn new(stream: &'a mut S, node: &'a Arc<str>, options: &'a LinkOptions, db: u32) -> Self {
        Self { stream, node, options, db, buffer: Vec::new(), start: 0, is_heard: false }
    }

    async fn ask(mut self, commands: &Commands) -> Result<Vec<Value>, HandshakeError> {
        self.write(commands).await?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in 0..commands.len() {
            replies.push(self.reply().await?);
        }
        Ok(replies)
    }

    async fn run(mut self) -> Result<Greeting, HandshakeError> {
        let names = self.introduce().await?;
        let mut replies: Vec<(&'static str, Value)> = Vec::with_capacity(names.len());
        for name in names {
            match self.reply().await {
                Ok(reply) => replies.push((name, reply)),
                // A server that has no room for us says so once and hangs up; that does not refuse us for ever.
                Err(refusal) => return Err(self.last_word(replies.pop()).unwrap_or(refusal)),
            }
        }
        let (mut info, mut greeting) = (None, Greeting::default());
        for (name, reply) in replies {
            match name {
                "AUTH" => self.check_auth(reply)?,
                "SELECT" => self.check(reply, name)?,
                "ROLE" => self.check_role(reply)?,
                "INFO" => {
                    greeting.run_id = reply.bytes().and_then(run_id);
                    info = Some(reply);
                }
                CLIENT_INFO => greeting.client = identity(&reply),
                "TIME" => greeting.time = milliseconds(&reply),
                // An older server does not know CLIENT SETINFO, and a user can have no right to it.
                _ => {}
            }
        }
        while let Some(wait) = self.loading(info.take())? {
            tokio::time::sleep(wait).await;
            self.send(&[&["INFO"]]).await?;
            info = Some(self.reply().await?);
        }
        self.finish().await?;
        Ok(greeting)
    }

    /// Sends the first commands and returns their names, in order.
    async fn introduce(&mut self) -> Result<Vec<&'static str>, HandshakeError> {
        let options = self.options;
        let db = self.db.to_string();
        let mut names = Vec::new();
        let mut words: Vec<Vec<&str>> = Vec::new();
        match (&options.username, &options.password) {
            (Some(username), Some(password)) => words.push(vec!["AUTH", username, password]),
            (None, Some(password)) => words.push(vec!["AUTH", password]),
            _ => {}
        }
        names.extend(words.iter().map(|_| "AUTH"));
        if self.db != 0 {
            words.push(vec!["SELECT", &db]);
            names.push("SELECT");
        }
        if options.role.is_some() {
            words.push(vec!["ROLE"]);
            names.push("ROLE");
        }
        if options.ready_check {
            words.push(vec!["INFO"]);
            names.push("INFO");
        }
        if !words.is_empty() && options.checks_sends {
            words.extend([vec!["CLIENT", "INFO"], vec!["TIME"]]);
            names.extend([CLIENT_INFO, "TIME"]);
        }
        if !words.is_empty() {
            // The name of the library alone is not worth a round trip, and neither are facts for later.
            words.extend(LIBRARY.iter().map(|command| command.to_vec()));
            names.extend(["CLIENT"; LIBRARY.len()]);
        }
        let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
        self.send(&words).await?;
        Ok(names)
    }

    /// The name of the connection and READONLY; neither is worth losing the connection over.
    async fn finish(&mut self) -> Result<(), HandshakeError> {
        let options = self.options;
        let mut words: Vec<Vec<&str>> = Vec::new();
        if let Some(name) = &options.connection_name {
            words.push(vec!["CLIENT", "SETNAME", name]);
        }
        if options.read_only {
            words.push(vec!["READONLY"]);
        }
        let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
        self.send(&words).await?;
        for _ in words {
            self.reply().await?;
        }
        Ok(())
    }

    /// A server that wants no password takes commands all the same.
    fn check_auth(&self, reply: Value) -> Result<(), HandshakeError> {
        match &reply {
            Value::Error(text) if text.starts_with("ERR") => Ok(()),
            _ => self.check(reply, "AUTH"),
        }
    }

    /// A server in the wrong role is left to be found out about anew; one that does not say, to whoever named it.
    fn check_role(&self, reply: Value) -> Result<(), HandshakeError> {
        let (Some(wanted), Value::Array(words)) = (self.options.role, reply) else { return Ok(()) };
        match words.first() {
            Some(Value::Bulk(role)) if role != wanted.name().as_bytes() => {
                let found = String::from_utf8_lossy(role);
                Err(HandshakeError::Lost(RedisError::wrong_role(wanted.name(), &found, self.node)))
            }
            _ => Ok(()),
        }
    }

    /// An error refuses us, unless it is one that passes by itself.
    fn check(&self, reply: Value, name: &'static str) -> Result<(), HandshakeError> {
        let Value::Error(text) = reply else { return Ok(()) };
        let error = RedisError::reply(text.as_bytes(), name, self.node);
        Err(error.into())
    }

    /// Delay before the next INFO; `None` when the server is ready. A user without the right to INFO does not wait.
    /// A missing password is fatal. Any other error shows that the server cannot serve this client now, for example
    /// because it has too many clients. The next connection is tried then.
    fn loading(&self, info: Option<Value>) -> Result<Option<Duration>, HandshakeError> {
        let text = match info {
            Some(Value::Bulk(text)) => String::from_utf8_lossy(&text).into_owned(),
            Some(Value::Error(text)) => {
                let error = RedisError::reply(text.as_bytes(), "INFO", self.node);
                match error.reply_code() {
                    Some("NOPERM") => return Ok(None),
                    Some("LOADING") => "loading:1".to_owned(),
                    Some("NOAUTH") => return Err(HandshakeError::Fatal(error)),
                    _ => return Err(HandshakeError::Lost(error)),
                }
            }
            _ => return Ok(None),
        };
        Ok(loading_time(&text).map(|time| time.min(self.options.max_loading_retry_time).max(SHORTEST_WAIT)))
    }

    async fn send(&mut self, commands: &[&[&str]]) -> Result<(), HandshakeError> {
        let mut packed = Commands::default();
        for words in commands {
            packed.begin_unnamed(words.len());
            for word in *words {
                packed.arg(word.as_bytes());
            }
            packed.end(Destination::Nowhere);
        }
        self.write(&packed).await
    }

    async fn write(&mut self, packed: &Commands) -> Result<(), HandshakeError> {
        let written = self.stream.write_all(&packed.bytes).await;
        match written.and(self.stream.flush().await) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.why(error).await),
        }
    }

    /// Returns the reason of a failed write. A server that rejects the client's certificate sends its alert before it
    /// closes the connection.
    async fn why(&mut self, error: io::Error) -> HandshakeError {
        match self.stream.read_buf(&mut self.buffer).await {
            Err(reason) if TlsError::of(&reason).is_some() => self.lost(&reason),
            _ => self.lost(&error),
        }
    }

    /// The next reply, for which a server may take as long as for a connection: one that accepts but is silent
    /// would otherwise hold everything up for ever.
    async fn reply(&mut self) -> Result<Value, HandshakeError> {
        let Some(limit) = self.options.connect_timeout else { return self.read().await };
        match timeout(limit, self.read()).await {
            Ok(reply) => reply,
            Err(_) => Err(self.lost(&io::Error::new(io::ErrorKind::TimedOut, "connect ETIMEDOUT"))),
        }
    }

    async fn read(&mut self) -> Result<Value, HandshakeError> {
        let mut scanner = Scanner::default();
        loop {
            let unread = &self.buffer[self.start..];
            let found = scanner.scan(unread).map_err(|_| self.not_redis())?;
            if let Some(length) = found {
                let value = Reply::new(&unread[..length]).map(Value::from);
                self.start += length;
                return value.ok_or_else(|| self.not_redis());
            }
            // Once per read, not per reply, since a read can have many.
            self.buffer.drain(..std::mem::take(&mut self.start));
            let read = match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                read => read,
            };
            if let Err(error) = read {
                return Err(self.hung_up(&error));
            }
            self.is_heard = true;
        }
    }

    fn last_word(&self, reply: Option<(&'static str, Value)>) -> Option<HandshakeError> {
        let (name, Value::Error(text)) = reply? else { return None };
        Some(HandshakeError::Lost(RedisError::reply(text.as_bytes(), name, self.node)))
    }

    fn lost(&self, error: &io::Error) -> HandshakeError {
        RedisError::socket(error, "read", self.node).into()
    }

    /// The server hung up. One that does so without a word may have waited for TLS.
    fn hung_up(&self, error: &io::Error) -> HandshakeError {
        let mut failure = RedisError::socket(error, "read", self.node);
        if !self.is_heard && self.options.tls.is_none() && failure.code.as_deref() == Some("ECONNRESET") {
            failure.message =
                "read ECONNRESET: the server hung up without a word; does it want TLS on this port?".into();
        }
        failure.into()
    }

    fn not_redis(&self) -> HandshakeError {
        let message = match self.buffer[self.start..].starts_with(&TLS_ALERT) {
            true => "What answers there speaks TLS: the option tls is needed, or rediss:// in the URL.",
            false => "What answers there does not speak the protocol of Redis.",
        };
        HandshakeError::Lost(RedisError::local(RedisErrorKind::Protocol, message, self.node))
    }
}

/// Reads the reply to CLIENT INFO. `None` from a server that does not know it, or refuses it to the user.
fn identity(reply: &Value) -> Option<ClientIdentity> {
    ClientIdentity::read(std::str::from_utf8(reply.bytes()?).ok()?)
}

/// Reads the reply to TIME, in ms.
fn milliseconds(reply: &Value) -> Option<u64> {
    let Value::Array(parts) = reply else { return None };
    let number = |at: usize| std::str::from_utf8(parts.get(at)?.bytes()?).ok()?.parse::<u64>().ok();
    Some(number(0)? * 1_000 + number(1)? / 1_000)
}

/// Reads the id of the server's process in the reply to INFO.
fn run_id(info: &[u8]) -> Option<String> {
    let info = InfoDict::new(std::str::from_utf8(info).ok()?);
    info.get::<String>("run_id").map(|id| id.trim().to_owned())
}

/// Time in the text of INFO until the server has loaded its data. Returns `None` if the server loads no data. A server that
/// gives no estimate counts as one second.
fn loading_time(info: &str) -> Option<Duration> {
    let info = InfoDict::new(info);
    let field = |name: &str| info.get::<String>(name);
    if field("loading").is_none_or(|loading| loading.trim() == "0") {
        return None;
    }
    let eta = field("loading_eta_seconds").and_then(|eta| eta.trim().parse().ok()).unwrap_or(1);
    Some(Duration::from_secs(eta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_loads_says_for_how_long() {
        assert_eq!(loading_time("# Persistence\r\nloading:0\r\n"), None);
        assert_eq!(loading_time(""), None);
        assert_eq!(loading_time("loading:1\r\n"), Some(Duration::from_secs(1)));
        assert_eq!(
            loading_time("async_loading:0\r\nloading:1\r\nloading_eta_seconds:7\r\n"),
            Some(Duration::from_secs(7))
        );
    }
}
