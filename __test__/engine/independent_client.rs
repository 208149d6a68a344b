//! The wire as an independent client sees it: the crate `redis` stands for the other end of the bus.

use redis::Commands;
use redis::streams::{StreamPendingReply, StreamRangeReply};

use crate::support::{DEADLINE, Engine, Server, TestBus, consumer_options, options, settle, until};

const STREAM: &str = "hfxbus:str:s";
const COMPLETION: &str = r#"{"str":"s","grp":"g","job":"J"}"#;

fn connect(server: &Server) -> redis::Connection {
    let url = format!("redis://127.0.0.1:{}", server.port);
    let connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    connection
}

#[test]
fn a_consumer_runs_an_entry_of_an_independent_client_and_publishes_its_completion() {
    let (server, engine) = (Server::start(), Engine::start());
    let (mut client, mut subscribed) = (connect(&server), connect(&server));
    let bus = TestBus::new(&engine, options(server.port));
    let consumer = bus.play(&engine, &["s"], consumer_options(1));
    let mut completions = subscribed.as_pubsub();
    completions.subscribe("hfxbus:chn:s:P").unwrap();
    let () = client.xadd(STREAM, "*", &[("prd", "P"), ("job", "J")]).unwrap();
    let (token, job) = bus.host.one_job();
    assert_eq!(job, "J");
    settle(&consumer, token, None);
    assert_eq!(completions.get_message().unwrap().get_payload::<String>().unwrap(), COMPLETION);
    until("the acknowledgement", || {
        let pending: StreamPendingReply = client.xpending(STREAM, "hfxbus:csr:g").unwrap();
        pending.count() == 0
    });
}

#[test]
fn a_producer_writes_an_entry_and_receives_the_completion_of_an_independent_client() {
    let (server, engine) = (Server::start(), Engine::start());
    let mut client = connect(&server);
    let bus = TestBus::new(&engine, options(server.port));
    let producer = bus.producer();
    let wait = bus.send(&producer, "s", "J", &["g"]);
    assert_eq!(bus.host.outcome_of(wait), Ok(()));
    let entries: StreamRangeReply = client.xrange_all(STREAM).unwrap();
    let [entry] = entries.ids.as_slice() else { panic!("{entries:?}") };
    assert_eq!(entry.get::<String>("job").as_deref(), Some("J"));
    let channel = format!("hfxbus:chn:s:{}", entry.get::<String>("prd").unwrap());
    let receivers: usize = client.publish(channel, COMPLETION).unwrap();
    assert_eq!(receivers, 1);
    assert_eq!(bus.host.completions_of(wait), [("g".to_owned(), None)]);
}
