use hfxbus::redis_io::cluster::slot_map::{Address, SLOTS, slot_of};
use hfxbus::redis_io::options::ClusterOptions;

use super::{Server, until};

/// A Cluster of our own: primaries first, then as many replicas. Killed on drop.
pub struct ClusterServers {
    pub servers: Vec<Server>,
    primaries: usize,
}

impl ClusterServers {
    /// So many primaries, each with one replica or none.
    #[track_caller]
    pub fn start(primaries: usize, replicated: bool) -> Self {
        let count = if replicated { primaries * 2 } else { primaries };
        let servers: Vec<Server> = (0..count).map(|_| Server::with(SETTINGS)).collect();
        let cluster = Self { servers, primaries };
        for (nth, server) in cluster.servers.iter().enumerate().take(primaries) {
            let share = |nth: usize| usize::from(SLOTS) * nth / primaries;
            let slots: Vec<String> = (share(nth)..share(nth + 1)).map(|slot| slot.to_string()).collect();
            server.command(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
            server.command(&format!("CLUSTER SET-CONFIG-EPOCH {}", nth + 1));
        }
        for server in &cluster.servers[1..] {
            server.command(&format!("CLUSTER MEET 127.0.0.1 {}", cluster.servers[0].port));
        }
        cluster.until_all(|info| info.contains(&format!("cluster_known_nodes:{count}")));
        for (nth, server) in cluster.servers.iter().enumerate().skip(primaries) {
            let primary = cluster.id(nth - primaries);
            until("it knows its primary", || {
                server.command(&format!("CLUSTER REPLICATE {primary}")).contains("OK")
            });
        }
        cluster.until_all(|info| info.contains("cluster_state:ok"));
        // What is published reaches only nodes that are connected.
        until("all nodes are connected", || {
            cluster.servers.iter().all(|server| {
                let nodes = server.command("CLUSTER NODES");
                nodes.matches("slave").count() == count - primaries
                    && nodes.matches(" connected").count() == count
                    && !nodes.contains("handshake")
            })
        });
        cluster
    }

    /// Options that name one of the nodes.
    pub fn options(&self) -> ClusterOptions {
        let startup = vec![Address { host: "127.0.0.1".to_owned(), port: self.servers[0].port }];
        ClusterOptions { startup, ..ClusterOptions::default() }
    }

    /// The id of a node.
    pub fn id(&self, nth: usize) -> String {
        let reply = self.servers[nth].command("CLUSTER MYID");
        reply.lines().nth(1).expect("an id").to_owned()
    }

    /// The index of the primary that a key was on in the beginning.
    pub fn first_home(&self, key: &str) -> usize {
        let slot = usize::from(slot_of(key.as_bytes()));
        (0..self.primaries)
            .find(|nth| slot < usize::from(SLOTS) * (nth + 1) / self.primaries)
            .expect("one of them")
    }

    /// Begins to move a slot.
    pub fn begin_move(&self, slot: u16, from: usize, to: usize) {
        let (from_id, to_id) = (self.id(from), self.id(to));
        self.tell(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
        self.tell(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
    }

    /// Moves one key of the slot.
    pub fn move_key(&self, key: &str, from: usize, to: usize) {
        self.tell(from, &format!("MIGRATE 127.0.0.1 {} {key} 0 5000", self.servers[to].port));
    }

    /// Ends the move of a slot.
    pub fn end_move(&self, slot: u16, to: usize) {
        let id = self.id(to);
        for nth in 0..self.primaries {
            self.tell(nth, &format!("CLUSTER SETSLOT {slot} NODE {id}"));
        }
    }

    #[track_caller]
    fn tell(&self, nth: usize, command: &str) {
        let reply = self.servers[nth].command(command);
        assert!(reply.starts_with("+OK"), "{command}: {reply}");
    }

    #[track_caller]
    fn until_all(&self, condition: impl Fn(&str) -> bool) {
        until("all nodes agree", || {
            self.servers.iter().all(|server| condition(&server.command("CLUSTER INFO").replace('\r', "")))
        });
    }
}

const SETTINGS: &[&str] = &[
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "2000",
    "--cluster-config-file",
    "{dir}/nodes.conf",
    // Replicas are reported once they have been pinged.
    "--repl-ping-replica-period",
    "1",
    "--repl-diskless-sync-delay",
    "0",
];
