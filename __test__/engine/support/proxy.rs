use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Stands between a link and its server, to disturb them.
pub struct Proxy {
    pub port: u16,
    way: Arc<Way>,
}

/// State that both directions of every connection share.
#[derive(Default)]
struct Way {
    /// Replies on connections with a lower number are swallowed.
    mute_below: AtomicUsize,
    /// Replies leave in writes of so many bytes; 0 is as they come.
    piece: AtomicUsize,
    /// Each connection ends after so many bytes of replies; 0 is never.
    cut_at: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
}

impl Proxy {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let way = Arc::new(Way::default());
        let accepting = way.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let number = accepting.accepted.fetch_add(1, Ordering::SeqCst);
                accepting.join(number, client, server);
            }
        });
        Self { port, way }
    }

    /// Returns the number of connections so far.
    pub fn accepted(&self) -> usize {
        self.way.accepted.load(Ordering::SeqCst)
    }

    /// Swallows replies on every connection from here on, or lets them through again.
    pub fn mute(&self, mute: bool) {
        self.way.mute_below.store(if mute { usize::MAX } else { 0 }, Ordering::SeqCst);
    }

    /// Swallows replies on the connections there are; the next ones speak.
    pub fn mute_present(&self) {
        self.way.mute_below.store(self.accepted(), Ordering::SeqCst);
    }

    /// Sends replies in pieces of so many bytes.
    pub fn in_pieces(&self, bytes: usize) {
        self.way.piece.store(bytes, Ordering::SeqCst);
    }

    /// Ends connections after so many bytes of replies; 0 is never.
    pub fn cut_at(&self, bytes: usize) {
        self.way.cut_at.store(bytes, Ordering::SeqCst);
    }

    /// Ends every connection.
    pub fn cut(&self) {
        for connection in self.way.connections.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Way {
    fn join(self: &Arc<Self>, number: usize, client: TcpStream, server: TcpStream) {
        client.set_nodelay(true).expect("a socket");
        let both = |stream: &TcpStream| stream.try_clone().expect("a socket");
        self.connections.lock().unwrap().extend([both(&client), both(&server)]);
        let (mut from, mut to) = (both(&client), both(&server));
        thread::spawn(move || {
            // Either side may be gone at any time; that ends the connection.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let way = self.clone();
        thread::spawn(move || {
            let _ = way.reply(number, server, &client);
            let _ = client.shutdown(Shutdown::Both);
        });
    }

    fn reply(&self, number: usize, mut from: TcpStream, mut to: &TcpStream) -> std::io::Result<()> {
        let mut buffer = [0; 16 * 1_024];
        let mut passed = 0;
        loop {
            let mut length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            if number < self.mute_below.load(Ordering::SeqCst) {
                continue;
            }
            let cut_at = self.cut_at.load(Ordering::SeqCst);
            let is_cut = cut_at > 0 && passed + length >= cut_at;
            if is_cut {
                length = cut_at.saturating_sub(passed);
            }
            passed += length;
            let piece = match self.piece.load(Ordering::SeqCst) {
                0 => buffer.len(),
                piece => piece,
            };
            for part in buffer[..length].chunks(piece) {
                to.write_all(part)?;
            }
            if is_cut {
                from.shutdown(Shutdown::Both)?;
                return Ok(());
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}
