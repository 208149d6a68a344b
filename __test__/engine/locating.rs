//! Connections with a policy that names the address before each attempt.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::error::{RedisError, RedisErrorKind};
use hfxbus::redis_io::link::{BoxFuture, Link, LinkPolicy};
use hfxbus::redis_io::options::{Endpoint, LinkOptions};
use hfxbus::redis_io::pubsub::subscriber::Subscriber;
use hfxbus::redis_io::resp::Value;

use crate::support::{Engine, Replies, Server, ask, options, submit, until};

const NOBODY_KNOWS: u16 = 0;

/// Leads to ports in turn, and to the last of them for ever.
#[derive(Default)]
struct Guide {
    ports: Mutex<VecDeque<u16>>,
    rounds: Mutex<Vec<u32>>,
    attempts: Mutex<Vec<u32>>,
}

impl Guide {
    fn to(ports: &[u16]) -> Arc<Self> {
        Arc::new(Self { ports: Mutex::new(ports.iter().copied().collect()), ..Self::default() })
    }
}

impl LinkPolicy for Guide {
    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let mut ports = self.ports.lock().unwrap();
        let port = if ports.len() > 1 { ports.pop_front() } else { ports.front().copied() }.unwrap();
        Some(Box::pin(async move {
            match port {
                NOBODY_KNOWS => {
                    Err(RedisError::local(RedisErrorKind::Connect, "nobody knows", &Arc::from("guide")))
                }
                port => Ok(Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, family: 4 }),
            }
        }))
    }

    fn relocate_delay(&self, round: u32) -> BoxFuture<Option<Duration>> {
        self.rounds.lock().unwrap().push(round);
        Box::pin(async { Some(Duration::from_millis(2)) })
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.attempts.lock().unwrap().push(attempt);
        Box::pin(async { Some(Duration::from_millis(2)) })
    }
}

fn connect(engine: &Engine, options: LinkOptions, policy: &Arc<Guide>) -> Arc<Connection> {
    Connection::new(options.into(), policy.clone(), Arc::new(Replies::default()), engine.handle())
}

fn node(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[test]
fn each_attempt_uses_the_address_of_the_policy() {
    let (mut first, second, engine) = (Server::start(), Server::start(), Engine::start());
    let guide = Guide::to(&[first.port, second.port]);
    let link = connect(&engine, options(1), &guide);
    assert!(ask(&engine, link.as_ref(), &["SET", "on", "first"]).is_ok());
    assert_eq!(*link.node(), node(first.port));
    first.kill();
    assert_eq!(ask(&engine, link.as_ref(), &["GET", "on"]), Ok(Value::Nil));
    assert_eq!(*link.node(), node(second.port));
    let refused = ask(&engine, link.as_ref(), &["LPUSH", "on"]).unwrap_err();
    assert_eq!(*refused.node, node(second.port));
}

#[test]
fn a_missing_address_is_requested_again_and_is_not_an_attempt() {
    let (server, engine) = (Server::start(), Engine::start());
    let guide = Guide::to(&[NOBODY_KNOWS, NOBODY_KNOWS, NOBODY_KNOWS, server.port]);
    let options = LinkOptions { max_retries_per_request: Some(0), ..options(1) };
    let link = connect(&engine, options, &guide);
    assert_eq!(ask(&engine, link.as_ref(), &["PING"]), Ok(Value::Simple("PONG".to_owned())));
    assert_eq!(*guide.rounds.lock().unwrap(), [1, 2, 3]);
    assert!(guide.attempts.lock().unwrap().is_empty());
}

#[test]
fn a_link_without_an_address_can_be_closed() {
    let engine = Engine::start();
    let guide = Guide::to(&[NOBODY_KNOWS]);
    let link = connect(&engine, options(1), &guide);
    let waiting = submit(link.as_ref(), &["PING"], true);
    until("it was asked again", || guide.rounds.lock().unwrap().len() > 2);
    link.close();
    assert_eq!(engine.wait(waiting).unwrap().unwrap_err().kind, RedisErrorKind::Closed);
}

#[test]
fn a_subscriber_uses_the_address_of_the_policy_too() {
    let (mut first, second, engine) = (Server::start(), Server::start(), Engine::start());
    let guide = Guide::to(&[first.port, NOBODY_KNOWS, second.port]);
    let subscriber = Subscriber::new(options(1).into(), guide.clone(), Arc::new(Silence), engine.handle());
    engine.wait(subscriber.subscribe(vec![b"news".to_vec()])).unwrap();
    first.kill();
    until("it is subscribed on the second", || second.command("PUBLISH news x") == ":1\r\n");
    assert_eq!(*subscriber.node(), node(second.port));
    assert_eq!(*guide.rounds.lock().unwrap(), [1]);
}

struct Silence;

impl hfxbus::redis_io::link::PushSink for Silence {
    fn message(&self, _: Option<&[u8]>, _: &[u8], _: &[u8]) {}
}
