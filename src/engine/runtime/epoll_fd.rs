//! The epoll descriptor of a runtime, which another event loop can wait on. tokio has no accessor for it, so it is
//! found by a socket that it watches. Without /proc there is none, and the engine's thread keeps the runtime.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// The epoll instance of `runtime`. Fails if /proc does not show it.
pub fn of(runtime: &Runtime) -> io::Result<RawFd> {
    let _context = runtime.enter();
    // The epoll instance that watches this socket is the runtime's.
    let (watched, _other) = UnixStream::pair()?;
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        if watches(Path::new(&name), watched.as_raw_fd()).unwrap_or(false) {
            let number = name.to_str().and_then(|name| name.parse().ok());
            return number.ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Returns true if a descriptor is an epoll instance that watches another. Its `tfd` lines name the descriptors, see
/// proc_pid_fdinfo(5).
fn watches(name: &Path, watched: RawFd) -> io::Result<bool> {
    if fs::read_link(Path::new("/proc/self/fd").join(name))? != Path::new("anon_inode:[eventpoll]") {
        return Ok(false);
    }
    let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(name))?;
    Ok(info.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("tfd:") && words.next().and_then(|number| number.parse().ok()) == Some(watched)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn each_runtime_has_one_of_its_own() {
        let runtimes = [0, 1].map(|_| Builder::new_current_thread().enable_all().build().unwrap());
        let [one, other] = [0, 1].map(|at: usize| of(&runtimes[at]).unwrap());
        assert_ne!(one, other);
        assert_eq!(of(&runtimes[0]).unwrap(), one);
    }
}
