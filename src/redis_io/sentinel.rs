//! Queries one sentinel about the servers that it monitors.
//!
//! Sentinels speak the protocol of Redis, so they are asked over a [`Connection`] like any other. The resolution of
//! the `redis` crate would bring a TLS of its own beside ours, gives a silent sentinel no time limit, and keeps to
//! itself which sentinel said what.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::redis_io::connection::Connection;
use crate::redis_io::destination::DiscardReplies;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState, call};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{Endpoint, LinkOptions};
use crate::redis_io::resp::Value;
use crate::redis_io::tasks::Tasks;

/// Channel of announcements of a new primary.
pub const SWITCHED: &str = "+switch-master";

/// Flags of servers that a sentinel does not regard as healthy.
const UNWELL: [&str; 3] = ["s_down", "o_down", "disconnected"];

/// Query to a sentinel.
#[derive(Clone, Debug)]
pub struct SentinelQuery {
    /// Name of the primary and its replicas at the sentinels.
    pub name: String,
    /// Asks for the replicas.
    pub replicas: bool,
    /// Asks for other sentinels.
    pub sentinels: bool,
}

/// Answer of a sentinel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelAnswer {
    /// Address of the primary.
    pub primary: Endpoint,
    /// Replicas that the sentinel regards as healthy.
    pub replicas: Vec<Endpoint>,
    /// Other sentinels that it regards as healthy.
    pub sentinels: Vec<Endpoint>,
}

/// Asks `sentinel`, over a connection that is closed afterwards.
pub async fn ask(
    options: Arc<LinkOptions>,
    sentinel: Endpoint,
    question: SentinelQuery,
    tasks: Tasks,
) -> Result<SentinelAnswer, RedisError> {
    let policy = Arc::new(Once { endpoint: sentinel, failure: Mutex::default() });
    let connection = Connection::new(options, policy.clone(), Arc::new(DiscardReplies), tasks);
    let answer = converse(connection.as_ref(), &question).await;
    connection.close();
    answer.map_err(|error| policy.failure().unwrap_or(error))
}

async fn converse(link: &dyn Link, question: &SentinelQuery) -> Result<SentinelAnswer, RedisError> {
    let wanted = |subject, wanted: bool| async move {
        if wanted { about(link, subject, &question.name).await } else { Ok(Value::Nil) }
    };
    let (primary, replicas, sentinels) = tokio::join!(
        wanted("get-master-addr-by-name", true),
        wanted("replicas", question.replicas),
        wanted("sentinels", question.sentinels),
    );
    let Some(primary) = address(&primary?) else {
        let text = b"ERR No such master with that name";
        return Err(RedisError::reply(text, "SENTINEL", &link.node()));
    };
    // To know fewer sentinels is no reason to know nothing.
    let sentinels = sentinels.unwrap_or(Value::Nil);
    Ok(SentinelAnswer { primary, replicas: well(&replicas?), sentinels: well(&sentinels) })
}

async fn about(link: &dyn Link, subject: &str, name: &str) -> Result<Value, RedisError> {
    let pack = |commands: &mut crate::redis_io::command::Commands, to| {
        commands.begin("SENTINEL", 3).arg(subject.as_bytes()).arg(name.as_bytes()).end(to);
    };
    call(link, pack).await
}

/// Reads the new primary from a message on [`SWITCHED`]: `name old-host old-port new-host new-port`.
pub fn switched(message: &[u8], name: &str) -> Option<Endpoint> {
    let message = std::str::from_utf8(message).ok()?;
    let mut words = message.strip_prefix(name)?.strip_prefix(' ')?.split(' ').skip(2);
    let (host, port) = (words.next()?, words.next()?);
    Some(Endpoint::tcp(host, port.parse().ok()?))
}

/// A host and a port.
fn address(reply: &Value) -> Option<Endpoint> {
    let Value::Array(words) = reply else { return None };
    let [host, port] = words.as_slice() else { return None };
    Some(Endpoint::tcp(text(host)?, text(port)?.parse().ok()?))
}

/// Returns the healthy servers of a list.
fn well(reply: &Value) -> Vec<Endpoint> {
    let Value::Array(servers) = reply else { return Vec::new() };
    servers.iter().filter_map(server).collect()
}

/// Reads a server from fields and values in turn. Returns `None` if it is not healthy.
fn server(reply: &Value) -> Option<Endpoint> {
    let field = |name| reply.field(name).and_then(text);
    if field("flags")?.split(',').any(|flag| UNWELL.contains(&flag)) {
        return None;
    }
    Some(Endpoint::tcp(field("ip")?, field("port")?.parse().ok()?))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
        Value::Simple(text) => Some(text),
        _ => None,
    }
}

/// Connects once.
struct Once {
    endpoint: Endpoint,
    /// Error of the connection, which the query does not receive. A lock, since the policy is shared.
    failure: Mutex<Option<RedisError>>,
}

impl Once {
    fn failure(&self) -> Option<RedisError> {
        self.failure.locked().take()
    }
}

impl LinkPolicy for Once {
    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let endpoint = self.endpoint.clone();
        Some(Box::pin(async { Ok(endpoint) }))
    }

    fn retry_delay(&self, _attempt: u32) -> BoxFuture<Option<Duration>> {
        Box::pin(async { None })
    }

    fn state_changed(&self, _state: LinkState, error: Option<&RedisError>) {
        if let Some(error) = error {
            *self.failure.locked() = Some(error.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn fields(flags: &str, port: &str) -> Value {
        Value::Array(["ip", "10.0.0.1", "flags", flags, "port", port].map(bulk).to_vec())
    }

    #[test]
    fn an_announcement_is_of_one_name_only() {
        let new = Some(Endpoint::tcp("10.0.0.2", 6380));
        assert_eq!(switched(b"mymaster 10.0.0.1 6379 10.0.0.2 6380", "mymaster"), new);
        assert_eq!(switched(b"mymaster2 10.0.0.1 6379 10.0.0.2 6380", "mymaster"), None);
        assert_eq!(switched(b"mymaster 10.0.0.1", "mymaster"), None);
        assert_eq!(switched(b"\xff", "mymaster"), None);
    }

    #[test]
    fn servers_that_are_not_well_are_left_out() {
        let list = Value::Array(vec![
            fields("slave", "1"),
            fields("slave,s_down", "2"),
            fields("s_down,slave,disconnected", "3"),
            Value::Nil,
            fields("sentinel", "4"),
            fields("slave", "many"),
        ]);
        assert_eq!(well(&list), [Endpoint::tcp("10.0.0.1", 1), Endpoint::tcp("10.0.0.1", 4)]);
        assert!(well(&Value::Nil).is_empty());
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let reply = Value::Array(vec![bulk("::1"), bulk("6379")]);
        assert_eq!(address(&reply), Some(Endpoint::tcp("::1", 6379)));
        assert_eq!(address(&Value::Nil), None);
        assert_eq!(address(&Value::Array(vec![bulk("host")])), None);
    }
}
