//! The end of links: they leave nothing behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::error::RedisErrorKind;
use hfxbus::redis_io::link::{Link, LinkState};
use hfxbus::redis_io::options::LinkOptions;
use hfxbus::redis_io::resp::Value;

use crate::support::{DEADLINE, Engine, Proxy, Replies, Retries, Server, ask, options, submit, until};

fn connect(engine: &Engine, options: LinkOptions, policy: &Arc<Retries>) -> Arc<Connection> {
    Connection::new(options.into(), policy.clone(), Arc::new(Replies::default()), engine.handle())
}

fn clients(server: &Server) -> usize {
    server.command("CLIENT LIST").matches("id=").count() - 1
}

#[test]
fn quitting_waits_for_replies_and_asks_for_no_reconnection() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    let replies: Vec<_> = (0..100).map(|_| submit(link.as_ref(), &["INCR", "n"], true)).collect();
    let quit = link.quit(DEADLINE);
    let late = submit(link.as_ref(), &["INCR", "n"], true);
    engine.wait(quit);
    for (number, reply) in replies.into_iter().enumerate() {
        assert_eq!(engine.wait(reply).unwrap(), Ok(Value::Integer(number as i64 + 1)));
    }
    assert_eq!(engine.wait(late).unwrap().unwrap_err().kind, RedisErrorKind::Closed);
    until("the end", || link.state() == LinkState::End);
    assert!(policy.attempts().is_empty());
    assert_eq!(policy.times(LinkState::Close), 1);
    engine.until_idle();
    until("the socket is closed", || clients(&server) == 0);
}

#[test]
fn quitting_is_bounded() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    let read = submit(link.as_ref(), &["BLPOP", "list", "0"], false);
    until("the read blocks", || server.command("INFO clients").contains("blocked_clients:1"));
    let started = Instant::now();
    engine.wait(link.quit(Duration::from_millis(50)));
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(engine.wait(read).unwrap().unwrap_err().kind, RedisErrorKind::Closed);
    engine.until_idle();
}

#[test]
fn quitting_a_link_that_is_not_ready_closes_it_at_once() {
    let server = Server::prepare(&[]);
    let (engine, policy) = (Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    let waiting = submit(link.as_ref(), &["PING"], true);
    policy.until(LinkState::Reconnecting, 1);
    engine.wait(link.quit(DEADLINE));
    assert_eq!(engine.wait(waiting).unwrap().unwrap_err().kind, RedisErrorKind::Closed);
    engine.until_idle();
    assert_eq!(link.state(), LinkState::End);
}

#[test]
fn quitting_twice_and_closing_afterwards_are_allowed() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    let (first, second) = (link.quit(DEADLINE), link.quit(DEADLINE));
    engine.wait(first);
    engine.wait(second);
    link.close();
    link.close();
    engine.until_idle();
    assert_eq!(policy.times(LinkState::End), 1);
}

#[test]
fn closing_leaves_no_task_in_any_state() {
    let (server, engine) = (Server::start(), Engine::start());
    let proxy = Proxy::to(server.port);
    let options = LinkOptions { command_timeout: Some(DEADLINE * 10), ..options(proxy.port) };
    for state in [LinkState::Wait, LinkState::Connecting, LinkState::Connect, LinkState::Ready] {
        let policy = Retries::always();
        proxy.mute(state == LinkState::Connect);
        let link = connect(&engine, LinkOptions { lazy: true, ..options.clone() }, &policy);
        if state != LinkState::Wait {
            let waiting = submit(link.as_ref(), &["BLPOP", "list", "0"], true);
            until("the state", || policy.states().contains(&state));
            link.close();
            assert_eq!(engine.wait(waiting).unwrap().unwrap_err().kind, RedisErrorKind::Closed);
        }
        link.close();
        engine.until_idle();
        assert_eq!(link.state(), LinkState::End);
        assert_eq!(policy.times(LinkState::End), 1);
    }
    until("the sockets are closed", || clients(&server) == 0);
}

#[test]
fn dropping_a_link_closes_it() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    drop(link);
    engine.until_idle();
    until("the socket is closed", || clients(&server) == 0);
}

#[test]
fn a_reset_does_not_revert_a_close() {
    let server = Server::prepare(&[]);
    let (engine, policy) = (Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    policy.until(LinkState::Reconnecting, 1);
    link.close();
    link.reset();
    engine.until_idle();
}
