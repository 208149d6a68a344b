//! Jobs through the engine: sent, run, settled, and not lost with a connection.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hfxbus::engine::consumer::Consumer;
use hfxbus::engine::host::job_token::JobToken;

use crate::support::{Engine, Host, Proxy, Server, TestBus, consumer_options, options, settle, until};

fn pending(server: &Server, stream: &str) -> usize {
    let reply = server.command(&format!("XPENDING hfxbus:str:{stream} hfxbus:csr:g"));
    let count = reply.lines().nth(1).and_then(|line| line.strip_prefix(':'));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

/// Runs whatever comes until `condition` is so; gives the jobs in the order they came.
#[track_caller]
fn run_until(host: &Host, consumer: &Consumer, mut condition: impl FnMut(&[String]) -> bool) -> Vec<String> {
    let mut seen = Vec::new();
    until("what the jobs are run for", || {
        for (token, job) in host.take_jobs() {
            settle(consumer, token, None);
            seen.push(job);
        }
        condition(&seen)
    });
    seen
}

#[test]
fn a_job_is_run_acknowledged_and_completed_for_its_producer() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let consumer = bus.play(&engine, &["s"], consumer_options(1));
    let producer = bus.producer();
    let sent = bus.send(&producer, "s", "J", &["g"]);
    assert_eq!(bus.host.outcome_of(sent), Ok(()));
    let (token, job) = bus.host.one_job();
    assert_eq!(job, "J");
    settle(&consumer, token, None);
    assert_eq!(bus.host.completions_of(sent), [("g".to_owned(), None)]);
    until("the acknowledgement", || pending(&server, "s") == 0);
    until("the reply to it", || bus.host.drained() == 1);
}

#[test]
fn a_failed_job_is_reported_and_stays_pending() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let consumer = bus.play(&engine, &["s"], consumer_options(1));
    let producer = bus.producer();
    let sent = bus.send(&producer, "s", "J", &["g"]);
    let (token, _) = bus.host.one_job();
    settle(&consumer, token, Some("{\"message\":\"no\"}"));
    settle(&consumer, token, None);
    assert_eq!(bus.host.completions_of(sent), [("g".to_owned(), Some("{\"message\":\"no\"}".to_owned()))]);
    let next = bus.send(&producer, "s", "K", &["g"]);
    let (token, _) = bus.host.one_job();
    settle(&consumer, token, None);
    assert_eq!(bus.host.completions_of(next), [("g".to_owned(), None)]);
    assert_eq!(pending(&server, "s"), 1, "the second settlement of the first job did nothing");
}

#[test]
fn a_job_beyond_its_deadline_is_reported_and_frees_its_slot() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let limit = Some(Duration::from_millis(30));
    let _consumer = bus.play_with_deadline(&engine, &["s"], consumer_options(1), limit);
    let producer = bus.producer();
    let sent = bus.send(&producer, "s", "J", &["g"]);
    let (_, error) = bus.host.completions_of(sent).remove(0);
    assert!(error.is_some_and(|error| error.contains("DEADLINE_TIMEOUT")));
    assert_eq!(bus.host.expired(), 1);
    assert_eq!(bus.host.one_job().1, "J");
    bus.send(&producer, "s", "K", &[]);
    assert_eq!(bus.host.one_job().1, "K");
}

#[test]
fn concurrency_limits_all_streams_together() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let producer = bus.producer();
    for number in 0..30 {
        bus.send(&producer, ["a", "b", "c"][number % 3], &format!("J{number}"), &[]);
    }
    let consumer = bus.play(&engine, &["a", "b", "c"], consumer_options(4));
    let (mut running, mut seen): (Vec<JobToken>, HashSet<String>) = Default::default();
    until("all jobs are run", || {
        for (token, job) in bus.host.take_jobs() {
            running.push(token);
            assert!(seen.insert(job), "no job comes twice");
        }
        assert!(running.len() <= 4, "{} in flight", running.len());
        if let Some(token) = running.pop() {
            settle(&consumer, token, None);
        }
        seen.len() == 30 && running.is_empty()
    });
}

#[test]
fn a_pause_loses_nothing_and_runs_nothing_afterwards() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let consumer = bus.play(&engine, &["s"], consumer_options(2));
    let producer = bus.producer();
    let mut seen = Vec::new();
    for round in 0..60 {
        // Races the end of the read, now before, now after it.
        bus.send(&producer, "s", &format!("J{round}"), &[]);
        let paused = tokio_pause(&engine, &consumer, &bus.host, &mut seen);
        assert!(paused < Duration::from_secs(3), "no read is waited for: {paused:?}");
        bus.send(&producer, "s", &format!("K{round}"), &[]);
        until("the entry is there", || {
            server.command("XLEN hfxbus:str:s").trim() == format!(":{}", 2 * round + 2)
        });
        assert!(bus.host.take_jobs().is_empty(), "nothing runs while paused");
        assert_eq!(engine.wait(consumer.clone().play()), Ok(()));
        let more = run_until(&bus.host, &consumer, |more| seen.len() + more.len() == 2 * round + 2);
        seen.extend(more);
    }
    let distinct: HashSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), 120);
    until("everything is acknowledged", || pending(&server, "s") == 0);
}

/// Pauses while jobs are run as they come; says how long it took.
fn tokio_pause(engine: &Engine, consumer: &Arc<Consumer>, host: &Host, seen: &mut Vec<String>) -> Duration {
    let started = Instant::now();
    let pause = engine.handle().spawn(consumer.clone().pause());
    seen.extend(run_until(host, consumer, |_| pause.is_finished()));
    started.elapsed()
}

#[test]
fn connections_that_are_cut_lose_no_job() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let consumer = bus.play(&engine, &["s", "t"], consumer_options(8));
    let producer = bus.producer();
    let sent: Vec<u32> = (0..2_000)
        .map(|number| bus.send(&producer, ["s", "t"][number % 2], &format!("J{number}"), &[]))
        .collect();
    let (mut cut, mut distinct) = (0, HashSet::new());
    run_until(&bus.host, &consumer, |seen| {
        distinct.extend(seen[seen.len().saturating_sub(64)..].iter().cloned());
        if cut < 12 && seen.len() > cut * 120 {
            server.command("CLIENT KILL TYPE normal SKIPME yes");
            cut += 1;
        }
        distinct.len() == 2_000 && cut == 12 && pending(&server, "s") + pending(&server, "t") == 0
    });
    for request in sent {
        assert_eq!(bus.host.outcome_of(request), Ok(()), "what was under way is sent again");
    }
}

#[test]
fn entries_whose_reply_was_lost_are_run() {
    let (server, engine) = (Server::start(), Engine::start());
    let proxy = Proxy::to(server.port);
    let consuming = TestBus::new(&engine, options(proxy.port));
    let consumer = consuming.play(&engine, &["s"], consumer_options(4));
    let producing = TestBus::new(&engine, options(server.port));
    let producer = producing.producer();
    for round in 1..=5 {
        until("the read waits", || server.command("INFO clients").contains("blocked_clients:1"));
        proxy.mute_present();
        for number in 0..3 {
            producing.send(&producer, "s", &format!("J{round}-{number}"), &[]);
        }
        until("Redis has handed them over", || pending(&server, "s") > 0);
        assert!(consuming.host.take_jobs().is_empty());
        proxy.cut();
        let seen = run_until(&consuming.host, &consumer, |seen| seen.len() >= 3);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 3, "{seen:?}");
        until("they are acknowledged", || pending(&server, "s") == 0);
    }
}

#[test]
fn groups_are_created_again_on_an_empty_server_without_a_storm() {
    let (mut server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let consumer = bus.play(&engine, &["s"], consumer_options(1));
    let producer = bus.producer();
    bus.send(&producer, "s", "J", &[]);
    run_until(&bus.host, &consumer, |seen| seen.len() == 1);
    server.kill();
    server.run();
    let sent = bus.send(&producer, "s", "K", &["g"]);
    run_until(&bus.host, &consumer, |seen| seen == ["K"]);
    assert_eq!(bus.host.completions_of(sent), [("g".to_owned(), None)]);
    let statistics = server.command("INFO commandstats");
    let calls = statistics.split("cmdstat_xreadgroup:calls=").nth(1).and_then(|rest| rest.split(',').next());
    let calls: u32 = calls.and_then(|calls| calls.parse().ok()).expect("a number of reads");
    assert!(calls < 50, "{calls} reads");
    assert!(bus.host.complaints().len() < 10, "{:?}", bus.host.complaints());
}
