//! Stop of a bus: it waits for jobs in flight, and leaves nothing behind.

use std::time::{Duration, Instant};

use hfxbus::engine::shutdown::StopOptions;

use crate::support::{DEADLINE, Engine, Server, TestBus, consumer_options, options, settle, until};

#[test]
fn a_stop_waits_for_jobs_and_leaves_nothing_behind() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    // The timer of the deadline ends with the bus.
    let limit = Some(Duration::from_secs(3600));
    let consumer = bus.play_with_deadline(&engine, &["s"], consumer_options(1), limit);
    let producer = bus.producer();
    bus.send(&producer, "s", "J", &["g"]);
    let (token, _) = bus.host.one_job();
    let stop = engine.handle().spawn(bus.bus.clone().stop(StopOptions::default()));
    assert!(server.command("XINFO CONSUMERS hfxbus:str:s hfxbus:csr:g").contains("pending\r\n:1"));
    assert!(!stop.is_finished());
    settle(&consumer, token, None);
    until("the bus is stopped", || stop.is_finished());
    assert!(server.command("XPENDING hfxbus:str:s hfxbus:csr:g").contains(":0"), "it was acknowledged");
    assert_eq!(server.command("XINFO CONSUMERS hfxbus:str:s hfxbus:csr:g").trim(), "*0", "the consumer left");
    engine.until_idle();
    assert_eq!(bus.context.open_links(), 0);
    until("the sockets are closed", || server.command("CLIENT LIST").matches("id=").count() == 1);
}

#[test]
fn a_wait_for_jobs_is_bounded_and_a_forced_stop_waits_for_nothing() {
    let (server, engine) = (Server::start(), Engine::start());
    for stop in [
        StopOptions { force: false, max_wait: Some(Duration::from_millis(60)) },
        StopOptions { force: true, max_wait: None },
    ] {
        let bus = TestBus::new(&engine, options(server.port));
        let _consumer = bus.play(&engine, &["s"], consumer_options(1));
        let producer = bus.producer();
        bus.send(&producer, "s", "J", &[]);
        bus.host.one_job();
        let started = Instant::now();
        engine.wait(bus.bus.clone().stop(stop));
        assert!(started.elapsed() >= stop.max_wait.unwrap_or_default());
        assert!(started.elapsed() < DEADLINE / 4);
        engine.until_idle();
        assert_eq!(bus.context.open_links(), 0);
    }
}

#[test]
fn a_silent_server_does_not_delay_a_stop() {
    let (mut server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let _consumer = bus.play(&engine, &["s"], consumer_options(1));
    let producer = bus.producer();
    let sent = bus.send(&producer, "s", "J", &[]);
    bus.host.one_job();
    assert_eq!(bus.host.outcome_of(sent), Ok(()));
    server.freeze();
    let lost = bus.send(&producer, "s", "K", &[]);
    let stop = StopOptions { force: false, max_wait: Some(Duration::from_millis(100)) };
    engine.wait(bus.bus.clone().stop(stop));
    assert!(bus.host.outcome_of(lost).is_err(), "what was under way is rejected");
    engine.until_idle();
    assert_eq!(bus.context.open_links(), 0);
}

#[test]
fn a_stopped_bus_can_be_used_again() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = TestBus::new(&engine, options(server.port));
    let producer = bus.producer();
    for round in 0..20 {
        let sent = bus.send(&producer, "s", &format!("J{round}"), &[]);
        assert_eq!(bus.host.outcome_of(sent), Ok(()));
        engine.wait(bus.bus.clone().stop(StopOptions::default()));
        bus.bus.node_set().reopen();
    }
    assert_eq!(server.command("XLEN hfxbus:str:s").trim(), ":20");
    engine.until_idle();
}
