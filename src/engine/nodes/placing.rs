//! Makes ids that lead to nodes in the ring. Where a given id leads to never changes, so that payload, entry and
//! completions agree whoever looks; only which ids are made does.

use crate::engine::bus::Bus;
use crate::engine::protocol::job_id::{ID_SIZE, push_id};

/// So many ids in a row that all lead to nodes out of the ring are no chance: static routes take the rest away.
const MOST_TRIES: usize = 1_000;

impl Bus {
    /// Random ids, joined. If every node is out they are made as ever.
    pub fn make_ids(&self, count: usize) -> String {
        let mut ids = String::with_capacity(count * ID_SIZE);
        let is_in: Vec<bool> = self.nodes().iter().map(|node| !node.is_out()).collect();
        let any_out = is_in.contains(&false) && is_in.contains(&true);
        for _ in 0..count {
            let start = ids.len();
            push_id(&mut ids);
            let mut tries = 1;
            while any_out && !is_in[self.route(&ids[start..])] && tries < MOST_TRIES {
                ids.truncate(start);
                push_id(&mut ids);
                tries += 1;
            }
        }
        ids
    }
}
