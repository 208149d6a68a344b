//! The world of one seed: its clock, its chance, its processes and its network.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use hfxbus::embedded::options::ServerOptions;
use hfxbus::embedded::server::Server;
use hfxbus::redis_io::tasks::Tasks;
use hfxbus::redis_io::world::pipe::PipeEnd;
use hfxbus::redis_io::world::simulation::{self, Opening};
use hfxbus::redis_io::world::watch;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::breaks::{Breaks, Moment};
use crate::effects;
use crate::history::{Done, Event, History};
use crate::pipe::{Latency, Link};
use crate::random::Random;
use crate::topologies::Topology;
use crate::trace;

/// Start of each world: 1 January 2026, in seconds since 1970.
const EPOCH: u64 = 1_767_225_600;
/// Maximum number of bytes of a command or a reply in a trace.
const SHOWN: usize = 400;
/// Delay of messages between the servers of a Cluster.
const BUS_DELAY: Duration = Duration::from_millis(1);

/// The world of a thread.
pub struct World {
    /// Connections that break at a command.
    pub breaks: Breaks,
    start: Instant,
    state: RefCell<State>,
}

struct State {
    random: Random,
    network: Random,
    processes: BTreeMap<u32, Process>,
    current: u32,
    servers: BTreeMap<u16, Place>,
    links: Vec<Arc<Link>>,
    next_link: u32,
    latencies: Vec<Latency>,
    planted: Option<&'static str>,
    history: History,
    topology: Topology,
    /// True while a message is published on other servers of a Cluster.
    is_forwarding: bool,
}

#[derive(Default)]
struct Process {
    is_frozen: bool,
    is_dead: bool,
    waiting: Vec<Waker>,
    tasks: Vec<AbortHandle>,
}

struct Place {
    server: Arc<Server>,
    accepts: mpsc::UnboundedSender<PipeEnd>,
    is_down: bool,
    /// Processes that cannot reach it.
    apart: Vec<u32>,
    /// Changes whenever a partition or an outage ends.
    changed: watch::Sender<u32>,
}

impl World {
    /// Installs a world for this thread. The runtime must be entered.
    pub fn install(seed: u64, latencies: Vec<Latency>, planted: Option<&'static str>) -> Rc<Self> {
        let state = State {
            random: Random::new(seed, 1),
            network: Random::new(seed, 2),
            processes: BTreeMap::new(),
            current: 0,
            servers: BTreeMap::new(),
            links: Vec::new(),
            next_link: 1,
            latencies,
            planted,
            history: History::default(),
            topology: Topology::Standalone,
            is_forwarding: false,
        };
        let world =
            Rc::new(Self { breaks: Breaks::default(), start: Instant::now(), state: RefCell::new(state) });
        simulation::install(Some(world.clone()));
        world
    }

    /// Sets the history that notes the effects of commands, and the topology of the servers.
    pub fn record(&self, history: History, topology: Topology) {
        let mut state = self.state.borrow_mut();
        (state.history, state.topology) = (history, topology);
    }

    /// Publishes a message on the other servers of a Cluster, after a delay.
    fn forward(&self, listeners: Vec<u16>, words: &[&[u8]]) {
        if listeners.is_empty() {
            return;
        }
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        tokio::spawn(async move {
            tokio::time::sleep(BUS_DELAY).await;
            with(|world| {
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                world.state.borrow_mut().is_forwarding = true;
                for server in listeners.iter().filter_map(|&port| world.server_that_is_up(port)) {
                    server.call(&words);
                }
                world.state.borrow_mut().is_forwarding = false;
            });
        });
    }

    /// Tasks of a process.
    pub fn tasks(&self, process: u32) -> Tasks {
        Tasks::of_process(Handle::current(), process)
    }

    /// Starts a server on a port.
    pub fn serve(&self, port: u16) -> Arc<Server> {
        let (accepts, incoming) = mpsc::unbounded_channel();
        let options = ServerOptions { port, ..ServerOptions::default() };
        let server = Arc::new(Server::simulated(incoming, &options, &self.tasks(u32::from(port))));
        let place = Place {
            server: server.clone(),
            accepts,
            is_down: false,
            apart: Vec::new(),
            changed: watch::Sender::new(0),
        };
        self.state.borrow_mut().servers.insert(port, place);
        server
    }

    /// Open links, by process and port. `None` means all.
    pub fn links(&self, process: Option<u32>, port: Option<u16>) -> Vec<Arc<Link>> {
        let mut state = self.state.borrow_mut();
        state.links.retain(|link| link.is_open());
        let fits = |link: &&Arc<Link>| {
            process.is_none_or(|process| process == link.process) && port.is_none_or(|port| port == link.port)
        };
        state.links.iter().filter(fits).cloned().collect()
    }

    /// Separates a process from a server, or joins them again.
    pub fn separate(&self, process: u32, port: u16, is_apart: bool) {
        if let Some(place) = self.state.borrow_mut().servers.get_mut(&port) {
            place.apart.retain(|&one| one != process);
            if is_apart {
                place.apart.push(process);
            }
            place.changed.send_modify(|count| *count += 1);
        }
        for link in self.links(Some(process), Some(port)) {
            link.hold(is_apart);
        }
    }

    /// Takes a server down, which refuses connections, or starts it again.
    pub fn take_down(&self, port: u16, is_down: bool) {
        if let Some(place) = self.state.borrow_mut().servers.get_mut(&port) {
            place.is_down = is_down;
            place.changed.send_modify(|count| *count += 1);
        }
        if is_down {
            self.links(None, Some(port)).iter().for_each(|link| link.reset());
        }
    }

    /// Stops polling the tasks of a process, or continues.
    pub fn freeze(&self, process: u32, is_frozen: bool) {
        let wakers = {
            let mut state = self.state.borrow_mut();
            let process = state.processes.entry(process).or_default();
            process.is_frozen = is_frozen;
            if is_frozen { Vec::new() } else { std::mem::take(&mut process.waiting) }
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends a process as `kill -9` does.
    pub fn kill(&self, process: u32) {
        for link in self.links(Some(process), None) {
            link.kill();
        }
        let tasks = {
            let mut state = self.state.borrow_mut();
            let process = state.processes.entry(process).or_default();
            process.is_dead = true;
            std::mem::take(&mut process.tasks)
        };
        tasks.iter().for_each(AbortHandle::abort);
    }

    /// Returns true if a process was killed.
    pub fn is_dead(&self, process: u32) -> bool {
        self.state.borrow().processes.get(&process).is_some_and(|process| process.is_dead)
    }

    /// Number of tasks of a process that have not ended.
    pub fn running_tasks(&self, process: u32) -> usize {
        let mut state = self.state.borrow_mut();
        let process = state.processes.entry(process).or_default();
        process.tasks.retain(|task| !task.is_finished());
        process.tasks.len()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.links.clear();
    }
}

impl simulation::World for World {
    fn random(&self) -> [u8; 16] {
        let mut state = self.state.borrow_mut();
        let (high, low) = (state.random.next(), state.random.next());
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    fn wall_clock(&self) -> Duration {
        Duration::from_secs(EPOCH) + self.start.elapsed()
    }

    fn connect(&self, _host: &str, port: u16) -> Opening {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let process = state.current;
        let (number, latency) = (state.next_link, state.network.pick(&state.latencies));
        state.next_link += 1;
        let capacity = state.network.pick(&[8_192, 65_536, 65_536]);
        let random = Random::new(state.network.next(), 3);
        let is_dead = state.processes.get(&process).is_some_and(|process| process.is_dead);
        let Some(place) = state.servers.get(&port).filter(|_| !is_dead) else {
            return Box::pin(async { Err(Error::from(ErrorKind::ConnectionRefused)) });
        };
        let changed = place.changed.subscribe();
        Box::pin(open((number, process, port), (latency, capacity, random), changed))
    }

    fn spawned(&self, process: u32, task: AbortHandle) {
        let mut state = self.state.borrow_mut();
        let process = state.processes.entry(process).or_default();
        if process.is_dead {
            return task.abort();
        }
        process.tasks.retain(|task| !task.is_finished());
        process.tasks.push(task);
    }

    fn enter(&self, process: u32, context: &Context<'_>) -> bool {
        let mut state = self.state.borrow_mut();
        let of_task = state.processes.entry(process).or_default();
        if of_task.is_dead {
            return false;
        }
        if of_task.is_frozen {
            of_task.waiting.push(context.waker().clone());
            return false;
        }
        state.current = process;
        true
    }

    fn leave(&self, _process: u32) {
        self.state.borrow_mut().current = 0;
    }

    fn executed(&self, port: u16, words: &[&[u8]], reply: &[u8]) {
        let (history, listeners, of_events) = {
            let state = self.state.borrow();
            let listeners = match state.is_forwarding {
                false if words[0].eq_ignore_ascii_case(b"PUBLISH") => state.topology.listeners(port),
                _ => Vec::new(),
            };
            (state.history.clone(), listeners, state.topology.port_of_events(port))
        };
        trace::note(|| format!("server {port} {} -> {}", shown(&words.join(&b' ')), shown(reply)));
        self.forward(listeners, words);
        if let Some(done) = effect_of(words, reply) {
            history.note(Event::Server { port: of_events, done });
        }
        let command = words.first().map_or_else(String::new, |word| text_of(word).to_ascii_lowercase());
        for done in effects::of_command(&command, words, reply) {
            history.note(Event::Server { port: of_events, done });
        }
    }

    fn is_planted(&self, name: &'static str) -> bool {
        self.state.borrow().planted == Some(name)
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// Makes a world reachable for the future of a connection attempt, which must be `Send`.
pub fn enter(world: Option<Rc<World>>) {
    CURRENT.set(world);
}

async fn open(
    (number, process, port): (u32, u32, u16),
    (latency, capacity, random): (Latency, usize, Random),
    mut changed: watch::Receiver<u32>,
) -> std::io::Result<PipeEnd> {
    tokio::time::sleep(Duration::from_millis(latency.base.max(1))).await;
    let gone = || Error::from(ErrorKind::ConnectionRefused);
    loop {
        let joined = CURRENT.with_borrow(|world| {
            let world = world.as_ref()?;
            let mut state = world.state.borrow_mut();
            let State { servers, links, history, .. } = &mut *state;
            let place = servers.get(&port)?;
            if place.is_down {
                return None;
            }
            if place.apart.contains(&process) {
                return Some(None);
            }
            let (link, client, server) =
                Link::open((number, process, port), latency, capacity, random.clone());
            links.push(link);
            place.accepts.send(server).ok()?;
            trace::note(|| format!("link {number} of {process} to {port}"));
            history.note(Event::Joined { process, port });
            Some(Some(client))
        });
        match joined {
            None => return Err(gone()),
            Some(Some(client)) => return Ok(client),
            // The SYN is sent again until the partition ends.
            Some(None) => changed.changed().await.map_err(|_| gone())?,
        }
    }
}

/// The server behind a port.
impl World {
    fn server_that_is_up(&self, port: u16) -> Option<Arc<Server>> {
        let state = self.state.borrow();
        state.servers.get(&port).filter(|place| !place.is_down).map(|place| place.server.clone())
    }

    pub fn server(&self, port: u16) -> Option<Arc<Server>> {
        self.state.borrow().servers.get(&port).map(|place| place.server.clone())
    }
}

/// Notes an event in the history of this thread's world.
pub fn note(event: Event) {
    with(|world| {
        let history = world.state.borrow().history.clone();
        history.note(event);
    });
}

/// Calls a function with the world of this thread.
pub fn with(call: impl FnOnce(&World)) {
    if let Some(world) = CURRENT.with_borrow(Clone::clone) {
        call(&world);
    }
}

/// Takes the break of a process at a write to a server, if there is one.
pub fn take_break(process: u32, bytes: &[u8]) -> Option<Moment> {
    CURRENT.with_borrow(|world| world.as_ref()?.breaks.take(process, bytes))
}

fn text_of(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// Bytes of a command or a reply in a trace.
fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string()
}

/// Reads the effect of a command from its words and its reply.
fn effect_of(words: &[&[u8]], reply: &[u8]) -> Option<Done> {
    if reply.first().is_none_or(|&kind| kind == b'-') {
        return None;
    }
    let text =
        |at: usize| words.get(at).map_or_else(String::new, |word| String::from_utf8_lossy(word).into_owned());
    let command = text(0).to_ascii_lowercase();
    match command.as_str() {
        "xadd" => {
            let at = words.iter().position(|&word| word == b"job")?;
            let entry = String::from_utf8_lossy(reply).lines().nth(1)?.to_owned();
            Some(Done::Added { stream: text(1), entry, job: text(at + 1) })
        }
        // A new primary can lack the delivery. The entry is delivered again then.
        "xack" if reply.starts_with(b":0") => None,
        "xack" => {
            let entries = (3..words.len()).map(text).collect();
            Some(Done::Acknowledged { stream: text(1), group: text(2), entries })
        }
        "xgroup" => match text(1).to_ascii_lowercase().as_str() {
            "create" => Some(Done::GroupMade { stream: text(2), group: text(3), from: text(4) }),
            "destroy" => Some(Done::GroupGone { stream: text(2), group: text(3) }),
            "setid" => Some(Done::GroupMoved { stream: text(2), group: text(3) }),
            _ => None,
        },
        "xtrim" => {
            let below = text(2).eq_ignore_ascii_case("minid").then(|| text(4));
            Some(Done::Trimmed { stream: text(1), below })
        }
        "set" if text(1).contains(":rtl:") => {
            let stream = format!("hfxbus:str:{}", text(1).strip_prefix("hfxbus:rtl:")?);
            Some(Done::Leased { stream, consumer: text(2), is_new: reply.starts_with(b"+") })
        }
        "flushall" => Some(Done::Flushed),
        _ => None,
    }
}
