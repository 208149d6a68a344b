//! What the tests have in common: servers, a proxy to break connections with, a runtime like the engine's, and
//! records of what a link said.

mod cluster;
mod fake;
mod host;
mod proxy;
mod recorder;
mod runtime;
mod server;

use std::time::{Duration, Instant};

pub use cluster::ClusterServers;
pub use fake::{FakeServer, LIBRARY};
pub use host::{Host, TestBus, consumer_options, settle};
pub use proxy::Proxy;
pub use recorder::{Pushes, Replies, Retries, ask, ask_once, submit};
pub use runtime::Engine;
pub use server::Server;

use hfxbus::redis_io::options::{Endpoint, LinkOptions};

/// Nothing in these tests takes longer, unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Looks until `condition` is so.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Options for a Redis on this machine.
pub fn options(port: u16) -> LinkOptions {
    LinkOptions {
        endpoint: Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, family: 4 },
        ..LinkOptions::default()
    }
}
