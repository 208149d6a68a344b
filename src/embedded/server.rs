//! A server: listens, and owns what is connected.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::redis_io::tasks::Tasks;

use crate::embedded::core::Core;
use crate::embedded::dispatch;
use crate::embedded::options::ServerOptions;
use crate::embedded::serving;
use crate::embedded::session::{Session, lock};
use crate::embedded::socket::Listener;

/// Delay after a connection that could not be accepted, for example without file descriptors.
const PATIENCE: Duration = Duration::from_millis(50);

/// State of a server. It goes one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// It serves.
    Serving,
    /// It stops.
    Stopping,
    /// Nothing of it is left.
    Over,
}

/// A running server. It ends with [`Server::stop`], or with the runtime.
#[derive(Debug)]
pub struct Server {
    port: u16,
    core: Arc<Mutex<Core>>,
    life: Arc<watch::Sender<Life>>,
}

impl Server {
    /// Starts a server as some of `tasks`. It listens when this returns.
    pub fn start(options: &ServerOptions, tasks: &Tasks) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let _context = tasks.runtime().enter();
        Ok(Self::serving(Listener::Tcp(TcpListener::from_std(listener)?), options, port, tasks))
    }

    /// Starts a server of a simulation, which accepts `incoming` connections.
    #[cfg(feature = "simulation")]
    pub fn simulated(
        incoming: tokio::sync::mpsc::UnboundedReceiver<crate::redis_io::world::pipe::PipeEnd>,
        options: &ServerOptions,
        tasks: &Tasks,
    ) -> Self {
        Self::serving(Listener::Pipes(incoming), options, options.port, tasks)
    }

    fn serving(listener: Listener, options: &ServerOptions, port: u16, tasks: &Tasks) -> Self {
        let names = dispatch::table().all().map(|command| command.spec.name);
        let core = Arc::new(Mutex::new(Core::new(options, port, names)));
        let life = Arc::new(watch::Sender::new(Life::Serving));
        tasks.spawn(serve(listener, core.clone(), life.clone(), tasks.clone()));
        Self { port, core, life }
    }

    /// State of the server, for a simulation.
    #[cfg(feature = "simulation")]
    pub(super) fn core(&self) -> &Mutex<Core> {
        &self.core
    }

    /// Port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes everything; twice is fine.
    pub async fn stop(&self) {
        self.life.send_if_modified(|life| {
            let serves = *life == Life::Serving;
            if serves {
                *life = Life::Stopping;
            }
            serves
        });
        reaches(&mut self.life.subscribe(), Life::Over).await;
    }

    /// Moves a clock that stands still, and does what is due then. Returns whether it stands still.
    pub fn advance(&self, ms: u64) -> bool {
        let mut core = lock(&self.core);
        if !core.clock.is_manual() {
            return false;
        }
        core.clock.advance(ms);
        core.expire();
        core.expire_waits();
        serving::serve_ready(&mut core);
        true
    }
}

/// Waits until a server has come so far. The sender outlives who waits, so it comes.
async fn reaches(state: &mut watch::Receiver<Life>, life: Life) {
    let _ = state.wait_for(|&now| now == life).await;
}

async fn serve(mut listener: Listener, core: Arc<Mutex<Core>>, life: Arc<watch::Sender<Life>>, tasks: Tasks) {
    let mut sessions = JoinSet::new();
    let mut state = life.subscribe();
    loop {
        tokio::select! {
            biased;
            () = reaches(&mut state, Life::Stopping) => break,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                // A connection that is gone already is no loss.
                Ok(socket) => if let Ok(session) = Session::new(core.clone(), socket) {
                    sessions.spawn(tasks.counted(session.run()));
                },
                Err(_) => sleep(PATIENCE).await,
            },
        }
    }
    drop(listener);
    sessions.shutdown().await;
    life.send_replace(Life::Over);
}
