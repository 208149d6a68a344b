use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{DEADLINE, until};

/// A Redis of our own, killed on drop.
pub struct Server {
    pub port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// A server on a free port.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with further arguments; `{dir}` in them is a directory of its own.
    pub fn with(arguments: &[&str]) -> Self {
        let mut server = Self::prepare(arguments);
        server.run();
        server
    }

    /// A server that is not started yet, so that its directory can be filled.
    pub fn prepare(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("hfxbus-engine-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.display().to_string();
        let arguments = arguments.iter().map(|argument| argument.replace("{dir}", &path)).collect();
        Self { port: free_port(), directory, arguments, process: None }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts it and waits until it answers. `REDIS_TLS_SERVER` is for when the server was built without TLS.
    pub fn run(&mut self) {
        let has_tls = self.arguments.iter().any(|argument| argument.starts_with("--tls"));
        let chosen = std::env::var("REDIS_TLS_SERVER").ok().filter(|_| has_tls);
        let binary = chosen
            .or_else(|| std::env::var("REDIS_SERVER").ok())
            .unwrap_or_else(|| "redis-server".to_owned());
        let process = Command::new(binary)
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(["--dir", &self.directory.display().to_string()])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server on the PATH, or REDIS_SERVER");
        self.process = Some(process);
        let port = self.port;
        until("the server answers", || talk(port, b"PING\r\n").is_some());
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have died by itself; the wait is what counts.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Has it answer nothing any more, with its sockets open.
    pub fn freeze(&mut self) {
        let process = self.process.as_ref().expect("it runs");
        let frozen = Command::new("kill").args(["-STOP", &process.id().to_string()]).status();
        assert!(frozen.is_ok_and(|status| status.success()));
    }

    /// Sends one inline command by a way of its own; the first 64 KiB of what comes back.
    #[track_caller]
    pub fn command(&self, line: &str) -> String {
        talk(self.port, format!("{line}\r\n").as_bytes()).expect("the server answers")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        // What is left behind is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A node of a Cluster listens on a second port, ten thousand higher.
const HIGHEST_PORT: u16 = 55_535;

/// Returns a port without a listener.
pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        if port <= HIGHEST_PORT {
            return port;
        }
    }
}

fn talk(port: u16, bytes: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(bytes).ok()?;
    let mut reply = vec![0; 64 * 1_024];
    let length = stream.read(&mut reply).ok().filter(|length| *length > 0)?;
    Some(String::from_utf8_lossy(&reply[..length]).into_owned())
}
