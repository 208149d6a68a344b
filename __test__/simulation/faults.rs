//! Faults of a script, and their ends.

use std::time::Duration;

use hfxbus::embedded::simulation::refusal::Refusal;
use tokio::time::sleep;

use crate::history::Event;
use crate::run::Running;
use crate::scenario::{Action, Cut, Refused, Scenario};
use crate::topologies::{Topology, changes};
use crate::world::{self, World};

impl Running<'_> {
    /// Begins a fault.
    pub(crate) fn begin_fault(&self, fault: &Action) {
        let port = Scenario::port;
        match *fault {
            Action::Freeze(process, ms) => {
                let number = process as u32 + 1;
                self.world.freeze(number, true);
                self.later(ms, move |world| world.freeze(number, false));
            }
            Action::Block(process, ms) => self.programs[process].block(ms),
            Action::Separate(process, node, ms, breaks) => {
                let number = process as u32 + 1;
                self.world.separate(number, port(node), true);
                self.later(ms, move |world| {
                    if breaks {
                        world.links(Some(number), Some(port(node))).iter().for_each(|link| link.reset());
                    }
                    world.separate(number, port(node), false);
                });
            }
            Action::Cut(process, node, cut) => self.cut(process as u32 + 1, port(node), cut),
            Action::Break(process, what) => self.world.breaks.add(process as u32 + 1, what),
            Action::Outage(node, ms) => {
                self.world.take_down(port(node), true);
                self.later(ms, move |world| world.take_down(port(node), false));
            }
            Action::Refuse(node, refused, ms) => {
                if let Some(server) = self.world.server(port(node)) {
                    server.refuse(Some(refusal(refused)));
                }
                self.later(ms, move |world| {
                    if let Some(server) = world.server(port(node)) {
                        server.refuse(None);
                    }
                });
            }
            Action::Clock(node, ms) => {
                // Servers that take over from each other have one time.
                let servers = match self.topology {
                    Topology::Standalone => node..node + 1,
                    Topology::Cluster(_) | Topology::Sentinel(_) => 0..self.scenario.servers(),
                };
                for server in servers.filter_map(|node| self.world.server(port(node))) {
                    server.shift_clock(ms);
                }
            }
            Action::Flush(node) => {
                if self.topology.is_primary(port(node)) {
                    self.call_at(port(node), &["FLUSHALL"]);
                }
            }
            Action::DestroyGroup(node, stream, group) => {
                let (key, group) = (Scenario::stream_key(stream), Scenario::group_key(group));
                self.call(node, &key, &["XGROUP", "DESTROY", &key, &group]);
            }
            Action::MoveGroup(node, stream, group, to_start) => {
                let (key, group) = (Scenario::stream_key(stream), Scenario::group_key(group));
                let id = if to_start { "0" } else { "$" };
                self.call(node, &key, &["XGROUP", "SETID", &key, &group, id]);
            }
            Action::Trim(node, stream, length) => {
                let key = Scenario::stream_key(stream);
                self.call(node, &key, &["XTRIM", &key, "MAXLEN", &length.to_string()]);
            }
            _ => self.change_topology(fault),
        }
    }

    fn change_topology(&self, change: &Action) {
        let keys: Vec<String> = (0..self.scenario.streams.len()).map(Scenario::stream_key).collect();
        match (&self.topology, change) {
            (Topology::Cluster(cluster), &Action::Migrate(stream, to, ms)) => {
                changes::migrate(cluster.clone(), &keys[stream], to, ms);
            }
            (Topology::Cluster(cluster), &Action::FailOver(nth, lag, down)) => {
                changes::fail_over(cluster.clone(), self.history.clone(), keys, nth, (lag, down));
            }
            (Topology::Cluster(cluster), &Action::HandOver(nth)) => changes::hand_over(cluster.clone(), nth),
            (Topology::Sentinel(sentinels), &Action::FailOver(_, lag, down)) => {
                let (sentinels, history) = (sentinels.clone(), self.history.clone());
                changes::fail_over_by_sentinels(sentinels, history, keys, (lag, down));
            }
            _ => {}
        }
    }

    fn cut(&self, process: u32, port: u16, cut: Cut) {
        let links = self.world.links(Some(process), Some(port));
        for link in &links {
            match cut {
                Cut::Reset => link.reset(),
                Cut::After(way, bytes) => link.cut_after(way, bytes),
                Cut::Deaf(way, _) => link.deafen(way),
                Cut::Half(way) => link.end(way),
            }
        }
        if let Cut::Deaf(_, ms) = cut {
            tokio::spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                links.iter().for_each(|link| link.reset());
            });
        }
    }

    /// Ends a fault after some ms.
    fn later(&self, ms: u64, end: impl FnOnce(&World) + Send + 'static) {
        let history = self.history.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(ms)).await;
            world::with(|world| end(world));
            history.note(Event::Fault("ends".to_owned()));
        });
    }
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::Busy => Refusal::Busy,
        Refused::Loading => Refusal::Loading,
        Refused::ReadOnly => Refusal::ReadOnly,
        Refused::OutOfMemory => Refusal::OutOfMemory,
    }
}
