//! The nodes of a bus and what its members share: names of keys, routes and the state of closing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::redis_io::connection::metrics::Totals;
use crate::redis_io::keys::Keys;
use crate::redis_io::locked::Locked;

use crate::engine::connections::client::Client;
use crate::engine::connections::policy::PolicyOptions;
use crate::engine::connections::reconnects::Reconnects;
use crate::engine::connections::server_changes::ServerChanges;
use crate::engine::host::context::Context;
use crate::engine::nodes::monitor;
use crate::engine::nodes::node::Node;
use crate::engine::nodes::reply_router::ReplyRouter;
use crate::engine::nodes::routing::RouteTable;
use crate::engine::nodes::schedule_watches::Schedules;
use crate::engine::options::bus::BusOptions;
use crate::engine::options::retention::RetentionOptions;
use crate::engine::protocol::job_id::{ID_SIZE, push_id};

/// Number of ids in a row that can lead to ejected nodes by chance. More than that means that static routes take every other
/// node away.
const MAX_TRIES: usize = 1_000;

/// The nodes of a bus.
pub struct NodeSet {
    context: Arc<Context>,
    /// Names of groups and channels, which are the same on every node.
    keys: Keys,
    nodes: Vec<Arc<Node>>,
    routes: RouteTable,
    replies: Arc<ReplyRouter>,
    closing: Arc<AtomicBool>,
    reconnects: Arc<Reconnects>,
    servers: Arc<ServerChanges>,
    retention: Option<RetentionOptions>,
    schedules: Schedules,
    /// Groups and names of the consumers of this bus. A lock, since consumers are added on the host's thread.
    consumer_names: Mutex<Vec<(String, String)>>,
}

impl NodeSet {
    /// Nodes that are not connected yet. The host knows the first one by `number`, and the others by the numbers that follow.
    pub fn new(context: Arc<Context>, number: u32, options: BusOptions) -> Arc<Self> {
        let (bus_prefix, eject) = (options.key_prefix, options.eject);
        let replies = ReplyRouter::new(context.host.clone());
        let (closing, reconnects) = (Arc::<AtomicBool>::default(), Arc::<Reconnects>::default());
        let servers = Arc::<ServerChanges>::default();
        let routes = RouteTable::new(options.nodes.iter().map(|node| node.static_routes.as_slice()));
        let nodes = options.nodes.into_iter().zip(number..).map(|(options, number)| {
            let keys = Keys::on_node(&bus_prefix, &options.key_prefix);
            let policy = PolicyOptions {
                context: context.clone(),
                options: Arc::new(options),
                node: number,
                visible: None,
                announces: false,
                silence: None,
                closing: closing.clone(),
                reconnects: reconnects.clone(),
                servers: servers.clone(),
                handle: None,
            };
            let node = Node::new(keys, policy, replies.clone(), eject);
            monitor::attach(&node);
            node
        });
        let nodes = nodes.collect();
        Arc::new(Self {
            keys: Keys::new(&bus_prefix),
            nodes,
            routes,
            replies,
            closing,
            reconnects,
            servers,
            retention: options.retention,
            schedules: Schedules::default(),
            consumer_names: Mutex::default(),
            context,
        })
    }

    /// Number of times that another server has taken over streams, as far as known. It can lack their last entries.
    pub(crate) fn server_changes(&self) -> u64 {
        let topologies = self.nodes.iter().filter_map(|node| node.topology());
        self.servers.count() + topologies.map(|topology| topology.owner_changes()).sum::<u64>()
    }

    /// Removal of entries that all groups have acknowledged, if the bus has it.
    pub(crate) fn retention(&self) -> Option<RetentionOptions> {
        self.retention
    }

    /// Opens no connection until `reopen`.
    pub(crate) fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
        self.schedules.end();
    }

    /// Returns true while no connection is opened.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Watches of delayed sends.
    pub(crate) fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// Opens connections again when they are used.
    pub fn reopen(&self) {
        self.closing.store(false, Ordering::Release);
    }

    /// Names of groups and channels.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// State that all buses of the host share.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Times at which connections were restored.
    pub(crate) fn reconnects(&self) -> &Reconnects {
        &self.reconnects
    }

    /// Routes the replies of shared connections.
    pub(crate) fn replies(&self) -> &Arc<ReplyRouter> {
        &self.replies
    }

    /// Adds the name of a consumer of this bus in its group.
    pub(crate) fn add_consumer_name(&self, group: &str, name: &str) {
        self.consumer_names().push((group.to_owned(), name.to_owned()));
    }

    /// Removes the name of a consumer once.
    pub(crate) fn remove_consumer_name(&self, group: &str, name: &str) {
        let mut names = self.consumer_names();
        if let Some(at) = names.iter().position(|(of, named)| of == group && named == name) {
            names.swap_remove(at);
        }
    }

    /// Returns true if a consumer of this bus has that name in the group.
    pub(crate) fn has_consumer_name(&self, group: &str, name: &str) -> bool {
        self.consumer_names().iter().any(|(of, named)| of == group && named == name)
    }

    fn consumer_names(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.consumer_names.locked()
    }

    /// The nodes, in the order in which routes count them.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// Index of the node that a route leads to.
    pub fn route(&self, route: &str) -> usize {
        self.routes.node(route)
    }

    /// The node on whose Pub/Sub the completions of a stream are published, wherever the stream itself is.
    pub fn node_of_completions(&self, stream: &str) -> &Arc<Node> {
        &self.nodes[self.route(stream)]
    }

    /// A connection of the user's own to a node. The host knows it by `number`.
    pub fn user_client(&self, node: usize, number: u32) -> Arc<Client> {
        Arc::new(self.nodes[node].user_client(self.replies.clone(), number))
    }

    /// Bytes and reconnections of the connections that all members share.
    pub(crate) fn totals(&self) -> Totals {
        self.nodes.iter().map(|node| node.totals()).sum()
    }

    /// Random ids, joined, that lead to nodes that are not ejected. If every node is ejected, any ids. The node that a given
    /// id leads to never changes, so payload, entry and completion agree about it.
    pub fn make_ids(&self, count: usize) -> String {
        let mut ids = String::with_capacity(count * ID_SIZE);
        let is_in: Vec<bool> = self.nodes.iter().map(|node| !node.is_out()).collect();
        let any_out = is_in.contains(&false) && is_in.contains(&true);
        for _ in 0..count {
            let start = ids.len();
            push_id(&mut ids);
            let mut tries = 1;
            while any_out && !is_in[self.route(&ids[start..])] && tries < MAX_TRIES {
                ids.truncate(start);
                push_id(&mut ids);
                tries += 1;
            }
        }
        ids
    }
}
