//! Sentinels of a simulated primary and its replica: their answers, and the roles of the servers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hfxbus::embedded::simulation::gate::{Decision, Gate, GatedCommand};

/// Name of the primary.
pub const NAME: &str = "mymaster";

/// The current primary, as each sentinel and each server knows it.
#[derive(Debug)]
pub struct Sentinels {
    servers: [u16; 2],
    sentinels: Vec<u16>,
    /// The primary in the view of each port.
    views: Mutex<BTreeMap<u16, u16>>,
    /// True while a failover is under way.
    is_changing: AtomicBool,
}

impl Sentinels {
    /// A primary, a replica and their sentinels.
    pub fn new(servers: [u16; 2], sentinels: &[u16]) -> Arc<Self> {
        let ports = servers.iter().chain(sentinels);
        let views = Mutex::new(ports.map(|&port| (port, servers[0])).collect());
        Arc::new(Self { servers, sentinels: sentinels.to_vec(), views, is_changing: AtomicBool::new(false) })
    }

    /// Gate of a server or of a sentinel.
    pub fn gate(self: &Arc<Self>, port: u16) -> Arc<dyn Gate> {
        Arc::new(Member { port, sentinels: self.clone() })
    }

    /// Begins a failover. Returns false while another one is under way.
    pub fn begin_change(&self) -> bool {
        !self.is_changing.swap(true, Ordering::SeqCst)
    }

    /// Ends a failover.
    pub fn end_change(&self) {
        self.is_changing.store(false, Ordering::SeqCst);
    }

    /// The sentinels.
    pub fn ports(&self) -> &[u16] {
        &self.sentinels
    }

    /// The primary of the last failover.
    pub fn current(&self) -> u16 {
        let views = self.views.lock().unwrap();
        self.servers.into_iter().find(|port| views[port] == *port).unwrap_or(self.servers[0])
    }

    /// The primary in the view of a port.
    pub fn primary(&self, port: u16) -> u16 {
        self.views.lock().unwrap()[&port]
    }

    /// The server that is not `port`.
    pub fn other(&self, port: u16) -> u16 {
        if self.servers[0] == port { self.servers[1] } else { self.servers[0] }
    }

    /// A port learns of another primary.
    pub fn learn(&self, port: u16, primary: u16) {
        self.views.lock().unwrap().insert(port, primary);
    }

    /// Message about another primary.
    pub fn announcement(&self, primary: u16) -> String {
        format!("{NAME} 127.0.0.1 {} 127.0.0.1 {primary}", self.other(primary))
    }
}

/// A server or a sentinel, in front of its commands.
#[derive(Debug)]
struct Member {
    port: u16,
    sentinels: Arc<Sentinels>,
}

impl Gate for Member {
    fn decide(&self, command: &GatedCommand<'_>) -> Decision {
        let primary = self.sentinels.primary(self.port);
        if self.sentinels.sentinels.contains(&self.port) {
            return self.answer(command, primary);
        }
        match command.name {
            _ if primary == self.port => Decision::Pass,
            "role" => Decision::Reply(role_of_replica(primary).into_bytes()),
            _ if command.writes => {
                Decision::Refuse("READONLY You can't write against a read only replica.".to_owned())
            }
            _ => Decision::Pass,
        }
    }
}

impl Member {
    /// Answer of a sentinel.
    fn answer(&self, command: &GatedCommand<'_>, primary: u16) -> Decision {
        let is = |at: usize, text: &str| {
            command.words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(text.as_bytes()))
        };
        if !is(0, "SENTINEL") {
            return Decision::Pass;
        }
        let reply = if is(1, "get-master-addr-by-name") {
            format!("*2\r\n{}{}", bulk("127.0.0.1"), bulk(&primary.to_string()))
        } else if is(1, "replicas") {
            list(&[self.sentinels.other(primary)], "slave")
        } else if is(1, "sentinels") {
            let mut others = self.sentinels.sentinels.clone();
            others.retain(|&port| port != self.port);
            list(&others, "sentinel")
        } else {
            return Decision::Refuse("ERR unknown subcommand".to_owned());
        };
        Decision::Reply(reply.into_bytes())
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn list(ports: &[u16], flags: &str) -> String {
    let mut reply = format!("*{}\r\n", ports.len());
    for port in ports {
        let fields = ["ip", "127.0.0.1", "port", &port.to_string(), "flags", flags].map(bulk).concat();
        let _ = write!(reply, "*6\r\n{fields}");
    }
    reply
}

fn role_of_replica(primary: u16) -> String {
    let port = primary.to_string();
    let words =
        [bulk("slave"), bulk("127.0.0.1"), format!(":{port}\r\n"), bulk("connected"), ":0\r\n".to_owned()];
    format!("*5\r\n{}", words.concat())
}
