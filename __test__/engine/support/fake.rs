use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Commands of a handshake that name the library.
pub const LIBRARY: [&str; 2] =
    ["CLIENT SETINFO LIB-NAME hfxbus", concat!("CLIENT SETINFO LIB-VER ", env!("CARGO_PKG_VERSION"))];

/// A server that answers as a test says; what no Redis can be made to say at will.
pub struct FakeServer {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    /// `answer` is given each command, its words joined by spaces, with how many came before it on any connection;
    /// `None` hangs up, and an empty answer is silence.
    pub fn new(answer: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (hearing, answer) = (heard.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, answer) = (hearing.clone(), answer.clone());
                thread::spawn(move || serve(&stream, &heard, answer.as_ref()));
            }
        });
        Self { port, heard }
    }

    /// Every command so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(mut stream: &TcpStream, heard: &Mutex<Vec<String>>, answer: &dyn Fn(&str, usize) -> Option<String>) {
    let mut reader = BufReader::new(stream);
    while let Some(command) = read_command(&mut reader) {
        let before = {
            let mut heard = heard.lock().unwrap();
            heard.push(command.clone());
            heard.len() - 1
        };
        let Some(reply) = answer(&command, before) else { return };
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_command(reader: &mut impl BufRead) -> Option<String> {
    let count = read_number(reader)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = read_number(reader)?;
        let mut word = vec![0; length + 2];
        reader.read_exact(&mut word).ok()?;
        words.push(String::from_utf8_lossy(&word[..length]).into_owned());
    }
    Some(words.join(" "))
}

fn read_number(reader: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.get(1..)?.trim().parse().ok()
}
