//! Ejection and readmission of nodes that fail.

use std::time::{Duration, Instant};

use hfxbus::engine::options::bus::{BusOptions, EjectOptions, NodeOptions};
use hfxbus::redis_io::command::Commands;
use hfxbus::redis_io::error::{RedisError, RedisErrorKind};
use hfxbus::redis_io::resp::Value;

use crate::support::{Engine, Proxy, Server, TestBus, options, until};

const EJECT: EjectOptions = EjectOptions {
    failures: 3,
    timeout: Duration::from_millis(400),
    probe_interval: Duration::from_millis(500),
};

/// A bus on these ports, each of which is in use.
fn bus_on(engine: &Engine, ports: &[u16], eject: EjectOptions) -> TestBus {
    let nodes = ports.iter().map(|&port| NodeOptions { link: options(port), ..NodeOptions::default() });
    let options =
        BusOptions { nodes: nodes.collect(), eject: Some(eject), ..BusOptions::standalone(options(0)) };
    let bus = TestBus::with(engine, options);
    for node in 0..ports.len() {
        assert!(ask(engine, &bus, node).is_ok());
    }
    bus
}

fn ask(engine: &Engine, bus: &TestBus, node: usize) -> Result<Value, RedisError> {
    let node = bus.bus.nodes()[node].clone();
    engine.wait(async move { node.shared().call(|commands, to| commands.begin("DBSIZE", 1).end(to)).await })
}

#[track_caller]
fn refused(outcome: Result<Value, RedisError>, port: u16) {
    let error = outcome.expect_err("it is out");
    assert_eq!(error.kind, RedisErrorKind::Ejected);
    assert_eq!(error.node.as_ref(), format!("127.0.0.1:{port}"));
}

#[test]
fn pending_commands_of_a_silent_node_fail_and_none_reach_it_until_readmission() {
    let (servers, engine) = ([Server::start(), Server::start()], Engine::start());
    let proxy = Proxy::to(servers[1].port);
    let bus = bus_on(&engine, &[servers[0].port, proxy.port], EJECT);
    proxy.mute(true);
    let started = Instant::now();
    refused(ask(&engine, &bus, 1), proxy.port);
    assert!(started.elapsed() >= EJECT.timeout, "{:?}", started.elapsed());
    assert_eq!(bus.host.ring().iter().map(|(node, out, _)| (*node, *out)).collect::<Vec<_>>(), [(2, true)]);

    let asked = Instant::now();
    refused(ask(&engine, &bus, 1), proxy.port);
    assert!(asked.elapsed() < EJECT.timeout, "{:?}", asked.elapsed());
    let ids = bus.bus.node_set().make_ids(100);
    assert!((0..100).all(|at| bus.bus.node_set().route(&ids[at * 16..][..16]) == 0));
    assert!(ask(&engine, &bus, 0).is_ok());

    proxy.mute(false);
    until("it is back", || bus.host.ring().len() == 2);
    assert!(ask(&engine, &bus, 1).is_ok());
    let ids = bus.bus.node_set().make_ids(100);
    assert!((0..100).any(|at| bus.bus.node_set().route(&ids[at * 16..][..16]) == 1));
}

#[test]
fn a_node_that_answers_in_time_is_not_ejected_for_any_number_of_pending_commands() {
    let (server, engine) = (Server::start(), Engine::start());
    let bus = bus_on(&engine, &[server.port], EJECT);
    let node = bus.bus.nodes()[0].clone();
    // Each answer is in time, and the last one comes long after its command.
    let answers: Vec<_> = (0..10)
        .map(|_| {
            let node = node.clone();
            engine.handle().spawn(async move {
                let slow = |commands: &mut Commands, to| {
                    commands.begin("BLPOP", 3).arg(b"nothing").arg(b"0.15").end(to);
                };
                node.shared().call(slow).await
            })
        })
        .collect();
    let all = engine.wait(async move {
        let mut all = Vec::new();
        for answer in answers {
            all.push(answer.await.expect("no panic"));
        }
        all
    });
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(bus.host.ring(), []);
}

#[test]
fn a_flapping_node_changes_state_at_most_once_per_interval() {
    let (mut server, engine) = (Server::start(), Engine::start());
    let eject = EjectOptions { timeout: Duration::from_millis(50), ..EJECT };
    let bus = bus_on(&engine, &[server.port], eject);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(4) {
        server.kill();
        let until_back = Instant::now() + Duration::from_millis(120);
        until("it is away", || Instant::now() >= until_back);
        server.run();
        let until_gone = Instant::now() + Duration::from_millis(120);
        until("it is here", || Instant::now() >= until_gone);
    }
    until("it is in", || !bus.bus.nodes()[0].is_out() && bus.host.ring().len() > 1);
    let changes = bus.host.ring();
    assert!(changes.iter().enumerate().all(|(at, (_, is_out, _))| *is_out == (at % 2 == 0)), "{changes:?}");
    // The host can note an event a little later than its decision.
    let least = EJECT.probe_interval - Duration::from_millis(50);
    assert!(changes.windows(2).all(|pair| pair[1].2 - pair[0].2 >= least), "{changes:?}");
}

#[test]
fn a_stop_forgets_an_ejection_and_leaves_no_task() {
    let (mut server, engine) = (Server::start(), Engine::start());
    let bus = bus_on(&engine, &[server.port], EJECT);
    server.kill();
    until("it is out", || bus.bus.nodes()[0].is_out());
    // The shared connection ends a moment after the ejection. The monitor keeps the process alive.
    until("the monitor is all that is left", || bus.context.open_links() == 1);
    engine.wait(bus.bus.clone().stop(Default::default()));
    engine.until_idle();
    assert_eq!((bus.bus.nodes()[0].is_out(), bus.context.open_links()), (false, 0));
    server.run();
    bus.bus.node_set().reopen();
    assert!(ask(&engine, &bus, 0).is_ok());
}
