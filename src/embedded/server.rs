//! A server: listens, and owns what is connected.

use std::io;
use std::net::{Ipv4Addr, TcpListener as Listener};
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
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let names = dispatch::table().all().map(|command| command.spec.name);
        let core = Arc::new(Mutex::new(Core::new(options, port, names)));
        let life = Arc::new(watch::Sender::new(Life::Serving));
        let _context = tasks.runtime().enter();
        tasks.spawn(serve(TcpListener::from_std(listener)?, core.clone(), life.clone(), tasks.clone()));
        Ok(Self { port, core, life })
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

async fn serve(listener: TcpListener, core: Arc<Mutex<Core>>, life: Arc<watch::Sender<Life>>, tasks: Tasks) {
    let mut sessions = JoinSet::new();
    let mut state = life.subscribe();
    loop {
        tokio::select! {
            biased;
            () = reaches(&mut state, Life::Stopping) => break,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                // A connection that is gone already is no loss.
                Ok((stream, _)) => if let Ok(session) = Session::new(core.clone(), stream) {
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
