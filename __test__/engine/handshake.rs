//! Handshake: the commands before the first command of a user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::error::RedisErrorKind;
use hfxbus::redis_io::link::{Link, LinkState};
use hfxbus::redis_io::options::LinkOptions;
use hfxbus::redis_io::resp::Value;

use crate::support::{Engine, FakeServer, LIBRARY, Replies, Retries, Server, ask, options, submit, until};

fn connect(engine: &Engine, options: LinkOptions, policy: &Arc<Retries>) -> Arc<Connection> {
    Connection::new(options.into(), policy.clone(), Arc::new(Replies::default()), engine.handle())
}

fn pong() -> Result<Value, hfxbus::redis_io::error::RedisError> {
    Ok(Value::Simple("PONG".to_owned()))
}

fn with_password(port: u16, password: &str) -> LinkOptions {
    LinkOptions { password: Some(password.to_owned()), ..options(port) }
}

#[test]
fn the_right_password_is_accepted_and_a_wrong_one_fails_every_command() {
    let (server, engine, policy) =
        (Server::with(&["--requirepass", "sesame"]), Engine::start(), Retries::always());
    let link = connect(&engine, with_password(server.port, "sesame"), &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["PING"]), pong());
    for (options, code) in
        [(with_password(server.port, "s3cret"), "WRONGPASS"), (options(server.port), "NOAUTH")]
    {
        let policy = Retries::always();
        let link = connect(&engine, options, &policy);
        for _ in 0..2 {
            let error = ask(&engine, link.as_ref(), &["PING"]).unwrap_err();
            assert_eq!((error.kind, error.reply_code()), (RedisErrorKind::Reply, Some(code)));
            assert!(!format!("{error:?}").contains("s3cret"));
        }
        policy.until(LinkState::Reconnecting, 3);
        assert_eq!(policy.attempts()[..3], [1, 2, 3], "attempts go on counting, so that the waits grow");
    }
}

#[test]
fn a_password_is_ignored_by_a_server_without_one() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, with_password(server.port, "sesame"), &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["PING"]), pong());
}

#[test]
fn a_user_without_the_right_to_info_is_accepted() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    server.command("ACL SETUSER u on >p ~* +@all -info -client");
    let options = LinkOptions {
        username: Some("u".to_owned()),
        connection_name: Some("named".to_owned()),
        ..with_password(server.port, "p")
    };
    let link = connect(&engine, options, &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["PING"]), pong());
    let error = ask(&engine, link.as_ref(), &["INFO"]).unwrap_err();
    assert_eq!(error.reply_code(), Some("NOPERM"));
}

#[test]
fn the_database_is_selected_and_a_missing_one_is_an_error() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, LinkOptions { db: 3, ..options(server.port) }, &policy);
    assert!(ask(&engine, link.as_ref(), &["SET", "a", "b"]).is_ok());
    assert!(server.command("INFO keyspace").contains("db3:keys=1"));
    let nowhere = connect(&engine, LinkOptions { db: 99, ..options(server.port) }, &policy);
    let error = ask(&engine, nowhere.as_ref(), &["PING"]).unwrap_err();
    assert_eq!((error.kind, error.command), (RedisErrorKind::Reply, Some("SELECT")));
}

#[test]
fn the_connection_is_named() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let options =
        LinkOptions { connection_name: Some("c".to_owned()), read_only: true, ..options(server.port) };
    let link = connect(&engine, options, &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["CLIENT", "GETNAME"]), Ok(Value::Bulk(b"c".to_vec())));
}

#[test]
fn the_commands_are_those_of_ioredis_in_their_order_and_the_name_of_the_library() {
    let server = FakeServer::new(|command, _| {
        Some(if command == "INFO" { "$9\r\nloading:0\r\n".to_owned() } else { "+OK\r\n".to_owned() })
    });
    let (engine, policy) = (Engine::start(), Retries::always());
    let full = LinkOptions {
        username: Some("u".to_owned()),
        db: 3,
        connection_name: Some("c".to_owned()),
        read_only: true,
        ..with_password(server.port, "p")
    };
    let link = connect(&engine, full, &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    let [name, version] = LIBRARY;
    assert_eq!(
        server.heard(),
        ["AUTH u p", "SELECT 3", "INFO", name, version, "CLIENT SETNAME c", "READONLY", "PING"]
    );
    let bare = connect(&engine, LinkOptions { ready_check: false, ..options(server.port) }, &policy);
    assert!(ask(&engine, bare.as_ref(), &["PING"]).is_ok());
    assert_eq!(server.heard()[8..], ["PING"]);
}

#[test]
fn a_server_that_refuses_the_name_of_the_library_is_used_all_the_same() {
    for refusal in ["ERR unknown subcommand 'SETINFO'", "NOPERM no permissions", "LOADING Redis is loading"] {
        let server = FakeServer::new(move |command, _| {
            Some(match command {
                "INFO" => "$9\r\nloading:0\r\n".to_owned(),
                command if command.starts_with("CLIENT SETINFO") => format!("-{refusal}\r\n"),
                _ => "+PONG\r\n".to_owned(),
            })
        });
        let (engine, policy) = (Engine::start(), Retries::always());
        let link = connect(&engine, with_password(server.port, "p"), &policy);
        assert_eq!(ask(&engine, link.as_ref(), &["PING"]), pong());
        assert!(policy.attempts().is_empty() && policy.reason().is_none(), "{refusal}");
    }
}

#[test]
fn a_server_from_7_2_on_knows_the_library_of_a_connection_and_an_older_one_works_without() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["PING"]), pong());
    let rows = server.command("CLIENT LIST");
    let marked = concat!("lib-name=hfxbus lib-ver=", env!("CARGO_PKG_VERSION"));
    assert_eq!(rows.contains(marked), rows.contains("lib-name="), "{rows}");
}

#[test]
fn a_loading_server_is_polled_until_it_has_loaded() {
    let server = FakeServer::new(|command, before| {
        Some(match (command, before) {
            ("INFO", 0) => "$34\r\nloading:1\r\nloading_eta_seconds:500\r\n".to_owned(),
            ("INFO", 3) => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
            ("INFO", _) => "$9\r\nloading:0\r\n".to_owned(),
            _ => "+PONG\r\n".to_owned(),
        })
    });
    let (engine, policy) = (Engine::start(), Retries::always());
    let options = LinkOptions { max_loading_retry_time: Duration::from_millis(20), ..options(server.port) };
    let link = connect(&engine, options, &policy);
    assert_eq!(ask(&engine, link.as_ref(), &["PING"]), pong());
    let [name, version] = LIBRARY;
    assert_eq!(server.heard(), ["INFO", name, version, "INFO", "INFO", "PING"]);
    assert!(policy.attempts().is_empty());
}

#[test]
fn an_estimate_that_is_far_too_long_delays_no_command() {
    let server = FakeServer::new(|command, before| {
        Some(match (command, before) {
            ("INFO", 0) => "$34\r\nloading:1\r\nloading_eta_seconds:500\r\n".to_owned(),
            ("INFO", _) => "$9\r\nloading:0\r\n".to_owned(),
            _ => "+PONG\r\n".to_owned(),
        })
    });
    let (engine, policy) = (Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    let started = Instant::now();
    assert_eq!(ask(&engine, link.as_ref(), &["PING"]), pong());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_server_with_too_many_clients_is_tried_again() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    let first = connect(&engine, options(server.port), &policy);
    assert!(ask(&engine, first.as_ref(), &["CONFIG", "SET", "maxclients", "1"]).is_ok());
    for options in [options(server.port), with_password(server.port, "p")] {
        let policy = Retries::always();
        let link = connect(&engine, options, &policy);
        let waiting = submit(link.as_ref(), &["PING"], true);
        policy.until(LinkState::Reconnecting, 2);
        assert_eq!(
            policy.reason().map(|error| error.message),
            Some("ERR max number of clients reached".into())
        );
        assert!(ask(&engine, first.as_ref(), &["CONFIG", "SET", "maxclients", "2"]).is_ok());
        assert_eq!(engine.wait(waiting).unwrap(), pong());
        link.close();
        assert!(ask(&engine, first.as_ref(), &["CONFIG", "SET", "maxclients", "1"]).is_ok());
    }
}

#[test]
fn a_server_that_accepts_and_stays_silent_times_out() {
    let server = FakeServer::new(|_, _| Some(String::new()));
    let (engine, policy) = (Engine::start(), Retries::always());
    let options = LinkOptions {
        connect_timeout: Some(Duration::from_millis(50)),
        max_retries_per_request: Some(1),
        ..options(server.port)
    };
    let link = connect(&engine, options, &policy);
    let error = ask(&engine, link.as_ref(), &["PING"]).unwrap_err();
    assert_eq!(error.kind, RedisErrorKind::MaxRetries);
    assert_eq!(policy.reason().and_then(|error| error.code), Some("ETIMEDOUT".into()));
}

#[test]
fn a_server_of_another_protocol_is_rejected() {
    let server = FakeServer::new(|_, _| Some("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()));
    let (engine, policy) = (Engine::start(), Retries::always());
    let link = connect(&engine, options(server.port), &policy);
    until("attempts fail", || policy.attempts().len() > 2);
    assert_eq!(policy.reason().map(|error| error.kind), Some(RedisErrorKind::Protocol));
    link.close();
    engine.until_idle();
}
