//! Many commands at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use hfxbus::redis_io::command::{Commands, Destination, ReplyTag};
use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::link::Link;
use hfxbus::redis_io::resp::Value;

use crate::support::{Engine, Proxy, Replies, Retries, Server, ask, options, until};

const EACH: u64 = 20_000;

/// Appends 0 to `EACH` to a list, in bursts of several sizes.
fn append_all(link: &dyn Link, list: &str, thread: u8) {
    let mut commands = Commands::default();
    for number in 0..EACH {
        commands.begin("RPUSH", 3).arg(list.as_bytes()).arg_number(number);
        commands.end(Destination::Sink(ReplyTag { kind: thread, index: 0, id: number }));
        if number.is_multiple_of(1 + number % 7) {
            link.submit(&mut commands);
        }
    }
    link.submit(&mut commands);
}

#[test]
fn commands_of_two_threads_keep_the_order_of_each() {
    let (server, engine, replies) = (Server::start(), Engine::start(), Arc::new(Replies::default()));
    let link =
        Connection::new(options(server.port).into(), Retries::always(), replies.clone(), engine.handle());
    thread::scope(|scope| {
        for thread in 0..2u8 {
            let link = &link;
            scope.spawn(move || append_all(link.as_ref(), &format!("list{thread}"), thread));
        }
    });
    until("all replies", || replies.count() == 2 * EACH as usize);
    let all = replies.all.lock().unwrap();
    for thread in 0..2u8 {
        let mut of_thread = all.iter().filter(|(ticket, _)| ticket.kind == thread);
        for number in 0..EACH {
            let (ticket, outcome) = of_thread.next().expect("one for each");
            // RPUSH answers with the new length, so that the server saw them in this order too.
            assert_eq!((ticket.id, outcome), (number, &Ok(Value::Integer(number as i64 + 1))));
        }
    }
    assert!((replies.bursts.load(Ordering::SeqCst) as u64) < 2 * EACH, "replies come in bursts");
}

#[test]
fn replies_that_arrive_byte_by_byte_are_parsed_whole() {
    let (server, engine) = (Server::start(), Engine::start());
    let proxy = Proxy::to(server.port);
    proxy.in_pieces(1);
    let link = Connection::new(
        options(proxy.port).into(),
        Retries::always(),
        Arc::new(Replies::default()),
        engine.handle(),
    );
    for number in 0..20 {
        let added = ask(
            &engine,
            link.as_ref(),
            &["XADD", "s", &format!("{}-1", number + 1), "prd", "P\r\n", "job", ""],
        );
        assert_eq!(added, Ok(Value::Bulk(format!("{}-1", number + 1).into_bytes())));
    }
    let Ok(Value::Array(entries)) = ask(&engine, link.as_ref(), &["XRANGE", "s", "-", "+"]) else {
        panic!("entries")
    };
    let text = |text: &str| Value::Bulk(text.as_bytes().to_vec());
    assert_eq!(entries.len(), 20);
    assert_eq!(
        entries[19],
        Value::Array(vec![
            text("20-1"),
            Value::Array(vec![text("prd"), text("P\r\n"), text("job"), text("")])
        ])
    );
    assert_eq!(ask(&engine, link.as_ref(), &["GET", "nothing"]), Ok(Value::Nil));
}

#[test]
fn large_values_are_written_and_read_whole() {
    let (server, engine) = (Server::start(), Engine::start());
    let link = Connection::new(
        options(server.port).into(),
        Retries::always(),
        Arc::new(Replies::default()),
        engine.handle(),
    );
    let large: String = (0..2_000_000).map(|number: u32| number.to_string()).collect();
    assert_eq!(ask(&engine, link.as_ref(), &["SET", "large", &large]), Ok(Value::Simple("OK".to_owned())));
    assert_eq!(ask(&engine, link.as_ref(), &["GET", "large"]), Ok(Value::Bulk(large.into_bytes())));
}
