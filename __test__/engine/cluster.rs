use hfxbus::engine::options::bus::BusOptions;
use hfxbus::redis_io::cluster::slot_map::slot_of;

use crate::support::{ClusterServers, Engine, TestBus, consumer_options, settle, until};

/// Streams that are in different slots, on all nodes.
const STREAMS: [&str; 4] = ["a", "b", "c", "d"];

fn key(stream: &str) -> String {
    format!("hfxbus:str:{stream}")
}

#[test]
fn one_consumer_reads_streams_in_any_slots_and_completions_come_back() {
    let cluster = ClusterServers::start(3, false);
    let engine = Engine::start();
    let bus = TestBus::with(&engine, BusOptions::cluster(cluster.options()));
    let consumer = bus.play(&engine, &STREAMS, consumer_options(4));
    let producer = bus.producer();
    let waits: Vec<u32> =
        STREAMS.iter().map(|stream| bus.send(&producer, stream, &format!("job-{stream}"), &["g"])).collect();
    let mut seen = Vec::new();
    until("all jobs came", || {
        for (token, job) in bus.host.take_jobs() {
            settle(&consumer, token, None);
            seen.push(job);
        }
        seen.len() == STREAMS.len()
    });
    for wait in waits {
        assert_eq!(bus.host.outcome_of(wait), Ok(()));
        assert_eq!(bus.host.completions_of(wait), [("g".to_owned(), None)]);
    }
    engine.wait(consumer.pause());
    assert_eq!(bus.host.complaints(), [] as [String; 0]);
}

#[test]
fn a_stream_is_read_and_written_during_a_slot_migration() {
    let cluster = ClusterServers::start(3, false);
    let engine = Engine::start();
    let bus = TestBus::with(&engine, BusOptions::cluster(cluster.options()));
    let consumer = bus.play(&engine, &["a"], consumer_options(1));
    let producer = bus.producer();
    let work = |job: &str| {
        let request = bus.send(&producer, "a", job, &["g"]);
        let (token, id) = bus.host.one_job();
        assert_eq!(id, job);
        settle(&consumer, token, None);
        assert_eq!(bus.host.outcome_of(request), Ok(()));
        assert_eq!(bus.host.completions_of(request), [("g".to_owned(), None)]);
    };
    let (slot, from) = (slot_of(key("a").as_bytes()), cluster.first_home(&key("a")));
    let to = (from + 1) % 3;
    work("before");
    cluster.begin_move(slot, from, to);
    work("migrating");
    cluster.move_key(&key("a"), from, to);
    work("moved");
    work("moved again");
    cluster.end_move(slot, to);
    work("after");
    assert_eq!(bus.host.complaints(), [] as [String; 0]);
}
