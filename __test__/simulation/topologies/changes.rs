//! Changes of a topology: a slot that migrates, a primary that is replaced.

use std::sync::Arc;
use std::time::Duration;

use hfxbus::embedded::access::KeyCopies;
use hfxbus::embedded::server::Server;
use hfxbus::redis_io::cluster::slot_map::slot_of;
use tokio::time::sleep;

use super::cluster::Cluster;
use super::sentinel::Sentinels;
use crate::history::{Done, Event, History};
use crate::trace;
use crate::world;

/// Time until all servers know a change, in ms.
const GOSSIP: u64 = 200;
/// Time until a failed server is back as a replica, in ms.
const RETURN: u64 = 1_000;

/// Moves the slot of a key from its server to another one within some ms.
pub fn migrate(cluster: Arc<Cluster>, key: &str, nth: usize, ms: u64) {
    let (slot, from) = (slot_of(key.as_bytes()), cluster.owner_of(key.as_bytes()));
    let others: Vec<u16> = cluster.primaries().into_iter().filter(|&port| port != from).collect();
    let Some(&to) = others.get(nth % others.len().max(1)) else { return };
    if !cluster.begin_change() {
        return;
    }
    tokio::spawn(async move {
        cluster.begin_migration(slot, from, to);
        wait(ms / 2).await;
        if let (Some(source), Some(target)) = (server(from), server(to)) {
            let keys = source.copy_keys(|key| slot_of(key) == slot);
            target.add_keys(keys.clone());
            source.remove_keys(&keys);
        }
        wait(ms / 2).await;
        cluster.end_migration(slot, from, to);
        wait(GOSSIP).await;
        cluster.learn_all();
        cluster.end_change();
    });
}

/// Replaces a primary, which fails, by its replica. The replica has not got the last `lag` ms of writes, and takes over
/// `down` ms after the failure.
pub fn fail_over(
    cluster: Arc<Cluster>,
    history: History,
    streams: Vec<String>,
    nth: usize,
    (lag, down): (u64, u64),
) {
    let primaries = cluster.primaries();
    let primary = primaries[nth % primaries.len()];
    let Some(replica) = cluster.replica_of(primary).filter(|_| cluster.begin_change()) else { return };
    tokio::spawn(async move {
        let (since, copies) = (trace::now(), copies_of(primary));
        wait(lag).await;
        take_down(primary, true);
        wait(down / 2).await;
        cluster.miss_primary();
        wait(down / 2).await;
        put(replica, copies);
        let lost = streams.into_iter().filter(|key| cluster.owner_of(key.as_bytes()) == primary);
        note_rewind(&history, since, lost.collect());
        cluster.promote(replica, primary);
        wait(GOSSIP).await;
        cluster.learn_all();
        wait(RETURN).await;
        put(primary, KeyCopies::default());
        take_down(primary, false);
        cluster.end_change();
    });
}

/// Lets a replica take over from its primary by hand, without a loss.
pub fn hand_over(cluster: Arc<Cluster>, nth: usize) {
    let primaries = cluster.primaries();
    let primary = primaries[nth % primaries.len()];
    let Some(replica) = cluster.replica_of(primary).filter(|_| cluster.begin_change()) else { return };
    put(replica, copies_of(primary));
    cluster.promote(replica, primary);
    cluster.learn(primary);
    if let Some(server) = server(primary) {
        server.end_blocked_reads(|key| Some(format!("MOVED {} 127.0.0.1:{replica}", slot_of(key))));
    }
    put(primary, KeyCopies::default());
    tokio::spawn(async move {
        wait(GOSSIP).await;
        cluster.learn_all();
        cluster.end_change();
    });
}

/// Lets the replica take over from a primary that fails, as sentinels do.
pub fn fail_over_by_sentinels(
    sentinels: Arc<Sentinels>,
    history: History,
    streams: Vec<String>,
    (lag, down): (u64, u64),
) {
    if !sentinels.begin_change() {
        return;
    }
    tokio::spawn(async move {
        let primary = sentinels.current();
        let replica = sentinels.other(primary);
        let (since, copies) = (trace::now(), copies_of(primary));
        wait(lag).await;
        take_down(primary, true);
        wait(down).await;
        put(replica, copies);
        note_rewind(&history, since, streams);
        sentinels.learn(primary, replica);
        sentinels.learn(replica, replica);
        for &port in sentinels.ports() {
            sentinels.learn(port, replica);
            publish(port, "+switch-master", sentinels.announcement(replica).as_bytes());
            wait(GOSSIP / 4).await;
        }
        wait(RETURN).await;
        put(primary, KeyCopies::default());
        take_down(primary, false);
        sentinels.end_change();
    });
}

/// Publishes a message on one server.
pub fn publish(port: u16, channel: &str, message: &[u8]) {
    if let Some(server) = server(port) {
        server.call(&[b"PUBLISH", channel.as_bytes(), message]);
    }
}

async fn wait(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

fn server(port: u16) -> Option<Arc<Server>> {
    let mut found = None;
    world::with(|world| found = world.server(port));
    found
}

fn take_down(port: u16, is_down: bool) {
    world::with(|world| world.take_down(port, is_down));
}

fn copies_of(port: u16) -> KeyCopies {
    server(port).map(|server| server.copy_keys(|_| true)).unwrap_or_default()
}

fn put(port: u16, keys: KeyCopies) {
    if let Some(server) = server(port) {
        server.replace_keys(keys);
    }
}

fn note_rewind(history: &History, since: u64, streams: Vec<String>) {
    let done = Done::Rewound { since, streams };
    history.note(Event::Server { port: super::PORT, done });
}
