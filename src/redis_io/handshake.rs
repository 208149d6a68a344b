//! What is said on a new connection before commands flow: AUTH, SELECT and INFO in one write, INFO again while
//! the server loads its data, then the connection's name and READONLY.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::codec::{Reply, Scanner, Value};
use super::command::{Commands, Destination};
use super::error::{RedisError, RedisErrorKind};
use super::options::LinkOptions;
use super::socket::Socket;

/// A connection that commands cannot flow on.
#[derive(Debug)]
pub enum Refusal {
    /// The connection failed; what is queued waits for the next one.
    Lost(RedisError),
    /// Redis does not let us in: what is queued fails with its word.
    Fatal(RedisError),
}

/// Does the handshake.
pub async fn shake_hands(socket: &mut Socket, options: &LinkOptions, node: &Arc<str>) -> Result<(), Refusal> {
    match socket {
        Socket::Tcp(stream) => Handshake { stream, node, buffer: Vec::new() }.run(options).await,
        #[cfg(unix)]
        Socket::Unix(stream) => Handshake { stream, node, buffer: Vec::new() }.run(options).await,
        Socket::Tls(stream) => Handshake { stream: stream.as_mut(), node, buffer: Vec::new() }.run(options).await,
    }
}

struct Handshake<'a, S> {
    stream: &'a mut S,
    node: &'a Arc<str>,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<'_, S> {
    async fn run(mut self, options: &LinkOptions) -> Result<(), Refusal> {
        let names = self.introduce(options).await?;
        let mut info = None;
        for name in names {
            let reply = self.reply().await?;
            match name {
                "AUTH" => self.check_auth(reply)?,
                "SELECT" => self.check(reply, name)?,
                _ => info = Some(reply),
            }
        }
        while let Some(wait) = self.loading(info.take(), options.max_loading_retry_time)? {
            tokio::time::sleep(wait).await;
            self.send(&[&["INFO"]]).await?;
            info = Some(self.reply().await?);
        }
        self.finish(options).await
    }

    /// Sends the first commands and returns their names, in order.
    async fn introduce(&mut self, options: &LinkOptions) -> Result<Vec<&'static str>, Refusal> {
        let db = options.db.to_string();
        let mut names = Vec::new();
        let mut words: Vec<Vec<&str>> = Vec::new();
        match (&options.username, &options.password) {
            (Some(username), Some(password)) => words.push(vec!["AUTH", username, password]),
            (None, Some(password)) => words.push(vec!["AUTH", password]),
            _ => {}
        }
        names.extend(words.iter().map(|_| "AUTH"));
        if options.db != 0 {
            words.push(vec!["SELECT", &db]);
            names.push("SELECT");
        }
        if options.ready_check {
            words.push(vec!["INFO"]);
            names.push("INFO");
        }
        let words: Vec<&[&str]> = words.iter().map(Vec::as_slice).collect();
        self.send(&words).await?;
        Ok(names)
    }

    /// The name of the connection and READONLY; neither is worth losing the connection over.
    async fn finish(&mut self, options: &LinkOptions) -> Result<(), Refusal> {
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
    fn check_auth(&self, reply: Value) -> Result<(), Refusal> {
        match &reply {
            Value::Error(text) if text.starts_with("ERR") => Ok(()),
            _ => self.check(reply, "AUTH"),
        }
    }

    fn check(&self, reply: Value, name: &'static str) -> Result<(), Refusal> {
        match reply {
            Value::Error(text) => Err(Refusal::Fatal(RedisError::reply(text.as_bytes(), name, self.node))),
            _ => Ok(()),
        }
    }

    /// How long to wait before INFO is asked again; `None` when the server is ready. A user who may not ask for
    /// INFO is not kept waiting.
    fn loading(&self, info: Option<Value>, longest: Duration) -> Result<Option<Duration>, Refusal> {
        let text = match info {
            Some(Value::Bulk(text)) => String::from_utf8_lossy(&text).into_owned(),
            Some(Value::Error(text)) if text.starts_with("NOPERM") => return Ok(None),
            Some(Value::Error(text)) if text.starts_with("LOADING") => "loading:1".to_owned(),
            Some(error @ Value::Error(_)) => return self.check(error, "INFO").map(|()| None),
            _ => return Ok(None),
        };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        if field("loading").is_none_or(|loading| loading.trim() == "0") {
            return Ok(None);
        }
        let eta = field("loading_eta_seconds").and_then(|eta| eta.trim().parse().ok()).unwrap_or(1).max(1);
        Ok(Some(Duration::from_secs(eta).min(longest)))
    }

    async fn send(&mut self, commands: &[&[&str]]) -> Result<(), Refusal> {
        let mut packed = Commands::default();
        for words in commands {
            packed.begin_unnamed(words.len());
            for word in *words {
                packed.arg(word.as_bytes());
            }
            packed.end(Destination::Nowhere);
        }
        self.stream.write_all(&packed.bytes).await.map_err(|error| self.lost(&error))?;
        self.stream.flush().await.map_err(|error| self.lost(&error))
    }

    async fn reply(&mut self) -> Result<Value, Refusal> {
        let mut scanner = Scanner::default();
        loop {
            let found = scanner.scan(&self.buffer).map_err(|_| self.not_redis())?;
            if let Some(length) = found {
                let value = Reply::new(&self.buffer[..length]).map(Value::from);
                self.buffer.drain(..length);
                return value.ok_or_else(|| self.not_redis());
            }
            let read = self.stream.read_buf(&mut self.buffer).await.map_err(|error| self.lost(&error))?;
            if read == 0 {
                return Err(self.lost(&io::Error::from(io::ErrorKind::ConnectionReset)));
            }
        }
    }

    fn lost(&self, error: &io::Error) -> Refusal {
        Refusal::Lost(RedisError::socket(error, self.node))
    }

    fn not_redis(&self) -> Refusal {
        let message = "What answers there does not speak the protocol of Redis.";
        Refusal::Lost(RedisError::local(RedisErrorKind::Protocol, message, self.node))
    }
}
