//! `reconnectOnError`.

use std::sync::Arc;

use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::error::RedisErrorKind;
use hfxbus::redis_io::link::{ErrorAction, Link, LinkState};
use hfxbus::redis_io::pubsub::subscriber::Subscriber;
use hfxbus::redis_io::resp::Value;

use crate::support::{
    DEADLINE, Engine, FakeServer, LIBRARY, Pushes, Replies, Retries, Server, ask, options, submit, until,
};

/// Refuses the first ECHO, as a master that has become a replica would.
fn failing_over() -> FakeServer {
    let refused = std::sync::atomic::AtomicBool::new(false);
    FakeServer::new(move |command, _| {
        Some(match command {
            "INFO" => "$9\r\nloading:0\r\n".to_owned(),
            "ECHO" if !refused.swap(true, std::sync::atomic::Ordering::SeqCst) => {
                "-READONLY no\r\n".to_owned()
            }
            _ => "+OK\r\n".to_owned(),
        })
    })
}

fn connect(engine: &Engine, port: u16, policy: &Arc<Retries>) -> Arc<Connection> {
    Connection::new(options(port).into(), policy.clone(), Arc::new(Replies::default()), engine.handle())
}

#[test]
fn an_error_can_have_the_command_sent_again_on_a_new_connection() {
    let (server, engine) = (failing_over(), Engine::start());
    let policy = Retries::judging(ErrorAction::ReconnectAndResend);
    let link = connect(&engine, server.port, &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["ECHO"]), Ok(Value::Simple("OK".to_owned())));
    assert_eq!(policy.times(LinkState::Ready), 2);
    let [name, version] = LIBRARY;
    let session = ["INFO", name, version, "ECHO"];
    assert_eq!(server.heard(), [session, session].concat(), "not again on the old connection");
}

#[test]
fn an_error_can_be_delivered_with_or_without_a_new_connection() {
    for (verdict, sessions) in [(ErrorAction::Deliver, 1), (ErrorAction::Reconnect, 2)] {
        let (server, engine, policy) = (failing_over(), Engine::start(), Retries::judging(verdict));
        let link = connect(&engine, server.port, &policy);
        let error = ask(&engine, link.as_ref(), &["ECHO"]).unwrap_err();
        assert_eq!(error.reply_code(), Some("READONLY"));
        assert!(ask(&engine, link.as_ref(), &["ECHO"]).is_ok());
        until("the sessions", || policy.times(LinkState::Ready) == sessions);
    }
}

#[test]
fn closing_does_not_wait_for_the_decision_about_an_error() {
    let (server, engine) = (Server::start(), Engine::start());
    let link = Connection::new(
        options(server.port).into(),
        Arc::new(Undecided),
        Arc::new(Replies::default()),
        engine.handle(),
    );
    let refused = submit(link.as_ref(), &["NONSENSE"], true);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    link.close();
    assert_eq!(engine.wait(refused).unwrap().unwrap_err().kind, RedisErrorKind::Closed);
    engine.until_idle();
}

#[test]
fn a_refused_subscription_can_be_sent_again() {
    let (server, engine) = (Server::start(), Engine::start());
    server.command("ACL SETUSER default resetchannels");
    let policy = Retries::judging(ErrorAction::ReconnectAndResend);
    let subscriber = Subscriber::new(
        options(server.port).into(),
        policy.clone(),
        Arc::new(Pushes::default()),
        engine.handle(),
    );
    let subscribed = subscriber.subscribe(vec![b"c".to_vec()]);
    policy.until(LinkState::Ready, 2);
    server.command("ACL SETUSER default allchannels");
    assert_eq!(engine.wait(subscribed), Ok(()));
    engine.wait(subscriber.quit(DEADLINE));
    engine.until_idle();
}

/// Never says what to do about an error.
struct Undecided;

impl hfxbus::redis_io::link::LinkPolicy for Undecided {
    fn retry_delay(&self, _: u32) -> hfxbus::redis_io::link::BoxFuture<Option<std::time::Duration>> {
        Box::pin(async { None })
    }

    fn inspects_errors(&self) -> bool {
        true
    }

    fn on_error_reply(
        &self,
        _: &hfxbus::redis_io::error::RedisError,
    ) -> Option<hfxbus::redis_io::link::BoxFuture<ErrorAction>> {
        Some(Box::pin(std::future::pending()))
    }
}
