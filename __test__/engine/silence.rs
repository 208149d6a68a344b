//! Servers and networks that go silent without closing anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hfxbus::engine::options::bus::{BusOptions, NodeOptions};
use hfxbus::engine::options::consumer::ConsumerOptions;
use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::error::RedisErrorKind;
use hfxbus::redis_io::link::LinkState;
use hfxbus::redis_io::options::LinkOptions;
use hfxbus::redis_io::pubsub::subscriber::Subscriber;
use hfxbus::redis_io::resp::Value;

use crate::support::{
    Engine, Proxy, Pushes, Replies, Retries, Server, TestBus, ask, consumer_options, options, settle, submit,
    until,
};

const LIMIT: Duration = Duration::from_millis(400);
/// For a machine that does other things too.
const LATE: Duration = Duration::from_secs(3);

fn watched(port: u16) -> LinkOptions {
    LinkOptions { silence: Some(LIMIT), ..options(port) }
}

fn connect(engine: &Engine, options: LinkOptions, policy: &Arc<Retries>) -> Arc<Connection> {
    Connection::new(options.into(), policy.clone(), Arc::new(Replies::default()), engine.handle())
}

#[test]
fn a_command_without_a_reply_is_sent_again_on_a_new_connection() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let proxy = Proxy::to(server.port);
    let link = connect(&engine, watched(proxy.port), &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    proxy.mute_present();
    let asked = Instant::now();
    assert_eq!(ask(&engine, link.as_ref(), &["GET", "n"]), Ok(Value::Nil));
    assert!(asked.elapsed() >= LIMIT && asked.elapsed() < LIMIT + LATE, "{:?}", asked.elapsed());
    let reason = policy.reason().expect("there was one");
    assert_eq!((reason.kind, reason.code.as_deref()), (RedisErrorKind::Connect, Some("ETIMEDOUT")));
    assert_eq!(reason.node.as_ref(), format!("127.0.0.1:{}", proxy.port));
}

#[test]
fn an_idle_connection_is_not_closed() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, watched(server.port), &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    std::thread::sleep(LIMIT * 3);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    assert_eq!(policy.attempts(), [] as [u32; 0]);
}

#[test]
fn slow_bytes_count_as_liveness() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, watched(server.port), &policy);
    // Each is answered well within the limit, all of them together are not.
    let waits: Vec<_> = (0..8)
        .map(|number| submit(link.as_ref(), &["BLPOP", &format!("list-{number}"), "0.2"], false))
        .collect();
    for wait in waits {
        assert_eq!(engine.wait(wait).unwrap(), Ok(Value::Nil));
    }
    assert_eq!(policy.attempts(), [] as [u32; 0]);
}

#[test]
fn an_idle_subscriber_sends_pings_and_stays_while_they_are_answered() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let (proxy, pushes) = (Proxy::to(server.port), Arc::new(Pushes::default()));
    let subscriber =
        Subscriber::new(watched(proxy.port).into(), policy.clone(), pushes.clone(), engine.handle());
    assert_eq!(engine.wait(subscriber.subscribe(vec![b"a".to_vec()])), Ok(()));
    let pings = || {
        let line = server.command("INFO commandstats");
        let of_ping = line.split("cmdstat_ping:calls=").nth(1).and_then(|rest| rest.split(',').next());
        of_ping.map_or(0, |calls| calls.parse::<u32>().expect("a count"))
    };
    let before = pings();
    until("it has asked three times", || pings() >= before + 3);
    assert_eq!(policy.attempts(), [] as [u32; 0]);
    proxy.mute_present();
    let muted = Instant::now();
    policy.until(LinkState::Ready, 2);
    assert!(muted.elapsed() < LIMIT + LATE, "{:?}", muted.elapsed());
    until("it is subscribed again", || server.command("PUBLISH a m").trim() == ":1");
    until("it hears again", || !pushes.messages.lock().unwrap().is_empty());
}

#[test]
fn a_read_on_a_dead_connection_ends_and_its_entries_run() {
    let (server, engine) = (Server::start(), Engine::start());
    let proxy = Proxy::to(server.port);
    // A connection that is just being made when the network goes silent is given up as soon as the others.
    let link = LinkOptions { connect_timeout: Some(LIMIT), ..options(proxy.port) };
    let node = NodeOptions { link, socket_timeout: Some(LIMIT), ..NodeOptions::default() };
    let bus = TestBus::with(
        &engine,
        BusOptions { key_prefix: "hfxbus".to_owned(), nodes: vec![node], eject: None, retention: None },
    );
    let block_timeout = Some(Duration::from_millis(300));
    let consumer = bus.play(&engine, &["s"], ConsumerOptions { block_timeout, ..consumer_options(1) });
    until("the read blocks", || server.command("INFO clients").contains("blocked_clients:1"));
    proxy.mute_present();
    // Into the blocked read, and its reply is lost.
    server.command("XADD hfxbus:str:s * prd P job J");
    let muted = Instant::now();
    let (token, job) = bus.host.one_job();
    assert_eq!(job, "J");
    assert!(muted.elapsed() < Duration::from_millis(300) + LIMIT + LATE, "{:?}", muted.elapsed());
    settle(&consumer, token, None);
    until("the acknowledgement", || server.command("XPENDING hfxbus:str:s hfxbus:csr:g").contains(":0"));
}
