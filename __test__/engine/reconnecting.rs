//! Connections that break or cannot be made.

use std::sync::Arc;
use std::time::Duration;

use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::error::{RedisError, RedisErrorKind};
use hfxbus::redis_io::link::{Link, LinkState};
use hfxbus::redis_io::options::LinkOptions;
use hfxbus::redis_io::resp::Value;

use crate::support::{Engine, Proxy, Replies, Retries, Server, ask, ask_once, options, submit, until};

fn connect(engine: &Engine, options: LinkOptions, policy: &Arc<Retries>) -> Arc<Connection> {
    Connection::new(options.into(), policy.clone(), Arc::new(Replies::default()), engine.handle())
}

fn kind(outcome: Result<Value, RedisError>) -> RedisErrorKind {
    outcome.expect_err("a failure").kind
}

#[test]
fn commands_without_a_reply_are_sent_again_after_a_lost_connection() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let proxy = Proxy::to(server.port);
    let link = connect(&engine, options(proxy.port), &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["INCR", "n"]), Ok(Value::Integer(1)));
    proxy.mute_present();
    let second = submit(link.as_ref(), &["INCR", "n"], true);
    let third = submit(link.as_ref(), &["INCR", "n"], true);
    until("the server has done both", || server.command("GET n") == "$1\r\n3\r\n");
    proxy.cut();
    assert_eq!(engine.wait(second).unwrap(), Ok(Value::Integer(4)));
    assert_eq!(engine.wait(third).unwrap(), Ok(Value::Integer(5)));
    assert_eq!(policy.attempts(), [1]);
}

#[test]
fn a_blocking_read_is_not_sent_again() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let proxy = Proxy::to(server.port);
    let link = connect(&engine, options(proxy.port), &policy);
    let read = submit(link.as_ref(), &["BLPOP", "list", "0"], false);
    let after = submit(link.as_ref(), &["PING"], true);
    until("the read blocks", || server.command("INFO clients").contains("blocked_clients:1"));
    proxy.cut();
    assert_eq!(kind(engine.wait(read).unwrap()), RedisErrorKind::Dropped);
    assert_eq!(engine.wait(after).unwrap(), Ok(Value::Simple("PONG".to_owned())));
}

#[test]
fn a_read_that_was_never_written_waits_for_the_connection() {
    let mut server = Server::prepare(&[]);
    let (engine, policy) = (Engine::start(), Retries::always());
    let link =
        connect(&engine, LinkOptions { max_retries_per_request: None, ..options(server.port) }, &policy);
    let read = submit(link.as_ref(), &["BLPOP", "list", "1"], false);
    policy.until(LinkState::Reconnecting, 3);
    server.run();
    assert_eq!(engine.wait(read).unwrap(), Ok(Value::Nil));
}

#[test]
fn without_resending_all_written_commands_fail() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let proxy = Proxy::to(server.port);
    let link = connect(&engine, LinkOptions { resend: false, ..options(proxy.port) }, &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    proxy.mute_present();
    let lost = submit(link.as_ref(), &["INCR", "n"], true);
    until("the server has done it", || server.command("GET n") == "$1\r\n1\r\n");
    proxy.cut();
    let error = engine.wait(lost).unwrap().unwrap_err();
    assert_eq!((error.kind, error.message.as_ref()), (RedisErrorKind::Dropped, "Connection is closed."));
    assert_eq!(ask(&engine, link.as_ref(), &["GET", "n"]), Ok(Value::Bulk(b"1".to_vec())));
}

#[test]
fn connections_cut_at_every_byte_lose_nothing() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let proxy = Proxy::to(server.port);
    server.command("SET text 0123456789");
    let without_check = LinkOptions { ready_check: false, ..options(proxy.port) };
    for cut in 1..40 {
        proxy.cut_at(cut);
        let link = connect(&engine, without_check.clone(), &policy);
        let sent: Vec<_> =
            (0..4).map(|number| submit(link.as_ref(), &["ECHO", &number.to_string()], true)).collect();
        let text = submit(link.as_ref(), &["GET", "text"], true);
        until("the connection was cut", || proxy.accepted() > 0 && !policy.attempts().is_empty());
        proxy.cut_at(0);
        for (number, reply) in sent.into_iter().enumerate() {
            let number = number.to_string().into_bytes();
            assert_eq!(engine.wait(reply).unwrap(), Ok(Value::Bulk(number)), "cut at {cut}");
        }
        assert_eq!(engine.wait(text).unwrap(), Ok(Value::Bulk(b"0123456789".to_vec())), "cut at {cut}");
        link.close();
        policy.attempts.lock().unwrap().clear();
    }
}

#[test]
fn a_restarted_server_is_found_again() {
    let (mut server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    // A server can need longer to start than the default number of attempts takes.
    let patient = LinkOptions { max_retries_per_request: None, ..options(server.port) };
    let link = connect(&engine, patient, &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    for round in 1..=3 {
        server.kill();
        let waiting: Vec<_> = (0..10).map(|_| submit(link.as_ref(), &["INCR", "n"], true)).collect();
        policy.until(LinkState::Close, round);
        server.run();
        for (number, reply) in waiting.into_iter().enumerate() {
            assert_eq!(engine.wait(reply).unwrap(), Ok(Value::Integer(number as i64 + 1)));
        }
        // Each series of attempts begins at one.
        assert_eq!(policy.attempts().iter().filter(|attempt| **attempt == 1).count(), round);
    }
}

#[test]
fn a_reset_opens_a_new_connection() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    let first = ask(&engine, link.as_ref(), &["CLIENT", "ID"]).unwrap();
    link.reset();
    let second = ask(&engine, link.as_ref(), &["CLIENT", "ID"]).unwrap();
    assert_ne!(first, second);
    assert_eq!(
        policy.states(),
        [
            LinkState::Connecting,
            LinkState::Connect,
            LinkState::Ready,
            LinkState::Close,
            LinkState::Reconnecting,
            LinkState::Connecting,
            LinkState::Connect,
            LinkState::Ready
        ]
    );
}

#[test]
fn queued_commands_fail_after_the_allowed_number_of_attempts() {
    let server = Server::prepare(&[]);
    let (engine, policy) = (Engine::start(), Retries::always());
    let options = LinkOptions { max_retries_per_request: Some(2), ..options(server.port) };
    let link = connect(&engine, options, &policy);
    let error = ask(&engine, link.as_ref(), &["PING"]).unwrap_err();
    assert_eq!(error.kind, RedisErrorKind::MaxRetries);
    let said = format!(
        "Reached the max retries per request limit (which is 2). Refer to \"maxRetriesPerRequest\" option for details. Last error: connect ECONNREFUSED 127.0.0.1:{}",
        server.port
    );
    assert_eq!(error.message.as_ref(), said);
    assert_eq!(error.cause.and_then(|cause| cause.code.clone()).as_deref(), Some("ECONNREFUSED"));
    assert_eq!(policy.attempts()[..3], [1, 2, 3]);
    // The link goes on trying, and so does the next command.
    assert_eq!(kind(ask(&engine, link.as_ref(), &["PING"])), RedisErrorKind::MaxRetries);
}

#[test]
fn without_a_limit_commands_wait_for_any_number_of_attempts() {
    let mut server = Server::prepare(&[]);
    let (engine, policy) = (Engine::start(), Retries::always());
    let link =
        connect(&engine, LinkOptions { max_retries_per_request: None, ..options(server.port) }, &policy);
    let waiting = submit(link.as_ref(), &["PING"], true);
    until("many attempts", || policy.attempts().len() > 30);
    server.run();
    assert_eq!(engine.wait(waiting).unwrap(), Ok(Value::Simple("PONG".to_owned())));
}

#[test]
fn a_policy_that_gives_up_ends_the_link() {
    let server = Server::prepare(&[]);
    let (engine, policy) = (Engine::start(), Retries::up_to(2));
    let link = connect(&engine, options(server.port), &policy);
    let error = ask(&engine, link.as_ref(), &["PING"]).unwrap_err();
    assert_eq!((error.kind, error.message.as_ref()), (RedisErrorKind::Closed, "Connection is closed."));
    assert_eq!(error.cause.and_then(|cause| cause.code.clone()).as_deref(), Some("ECONNREFUSED"));
    until("the end", || link.state() == LinkState::End);
    assert_eq!(policy.attempts(), [1, 2, 3]);
    assert_eq!(kind(ask_once(&engine, link.as_ref(), &["PING"])), RedisErrorKind::Closed);
    engine.until_idle();
}

#[test]
fn without_the_offline_queue_commands_are_refused_until_the_link_is_ready() {
    let mut server = Server::prepare(&[]);
    let (engine, policy) = (Engine::start(), Retries::always());
    let link = connect(&engine, LinkOptions { offline_queue: false, ..options(server.port) }, &policy);
    let error = ask(&engine, link.as_ref(), &["PING"]).unwrap_err();
    assert_eq!(error.kind, RedisErrorKind::NotReady);
    assert_eq!(error.message.as_ref(), "Stream isn't writeable and enableOfflineQueue options is false");
    server.run();
    policy.until(LinkState::Ready, 1);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
}

#[test]
fn a_lazy_link_does_nothing_until_the_first_command() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, LinkOptions { lazy: true, ..options(server.port) }, &policy);
    assert_eq!((link.state(), engine.tasks()), (LinkState::Wait, 0));
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    let refusing = LinkOptions { lazy: true, offline_queue: false, ..options(server.port) };
    let other = connect(&engine, refusing, &policy);
    assert_eq!(kind(ask(&engine, other.as_ref(), &["PING"])), RedisErrorKind::NotReady);
    until("it opened all the same", || other.state() == LinkState::Ready);
}

#[test]
fn a_command_without_a_reply_times_out_and_its_late_reply_is_dropped() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let options = LinkOptions { command_timeout: Some(Duration::from_millis(50)), ..options(server.port) };
    let link = connect(&engine, options, &policy);
    let read = submit(link.as_ref(), &["BLPOP", "list", "1"], false);
    let behind = submit(link.as_ref(), &["ECHO", "late"], true);
    let error = engine.wait(behind).unwrap().unwrap_err();
    assert_eq!((error.kind, error.message.as_ref()), (RedisErrorKind::Timeout, "Command timed out"));
    assert_eq!(engine.wait(read).unwrap(), Ok(Value::Nil), "a blocking read has no such limit");
    assert_eq!(ask(&engine, link.as_ref(), &["ECHO", "next"]), Ok(Value::Bulk(b"next".to_vec())));
}

#[test]
fn a_connection_that_was_just_made_is_connecting() {
    let (server, engine) = (Server::start(), Engine::start());
    for _ in 0..50 {
        let options = options(server.port);
        let link =
            Connection::new(options.into(), Retries::always(), Arc::new(Replies::default()), engine.handle());
        assert_ne!(link.state(), LinkState::Wait);
        link.close();
    }
}
