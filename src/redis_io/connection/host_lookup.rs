//! Asks the system for the addresses of a host, which blocks for as long as a name server is silent.
//!
//! Each lookup has a thread of its own, since the end of the runtime would wait for one of its threads. A process or
//! worker ends at once. The thread ends with its lookup and holds on to nothing but the name.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::redis_io::locked::Locked;

/// Time after which a second lookup of a name starts beside one without an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum number of lookups of one name at the same time.
const MOST: usize = 4;

/// Error text of the system for a name that no name server answers: glibc, musl and BSD, Windows.
const TEMPORARY: [&str; 3] = ["Temporary failure", "Try again", "non-authoritative"];

/// Result of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// The addresses, without a port.
    Found(Vec<SocketAddr>),
    /// The name has no address.
    Unknown,
    /// No name server has answered.
    Unanswered,
}

/// Lookups of one name.
#[derive(Debug, Default)]
struct Questions {
    /// Number of threads that look the name up.
    threads: usize,
    /// Start of the last lookup.
    begun: Option<Instant>,
    waiting: Vec<oneshot::Sender<Answer>>,
}

/// Lookups by name, of all runtimes of the process. A lock, since the threads of lookups answer. Held for one access
/// only.
static UNDER_WAY: LazyLock<Mutex<HashMap<String, Questions>>> = LazyLock::new(Mutex::default);

/// Returns the addresses of `host`, with port 0. Connections that need the same name at the same time share one lookup.
pub(crate) async fn look_up(host: &str) -> io::Result<Vec<SocketAddr>> {
    let (sender, answer) = oneshot::channel();
    join(host, sender)?;
    let failed = |kind, code| Err(io::Error::new(kind, format!("getaddrinfo {code} {host}")));
    match answer.await {
        Ok(Answer::Found(addresses)) => Ok(addresses),
        Ok(Answer::Unanswered) => failed(io::ErrorKind::WouldBlock, "EAI_AGAIN"),
        _ => failed(io::ErrorKind::NotFound, "ENOTFOUND"),
    }
}

/// Joins a running lookup or starts one. Returns an error if the system has no thread left.
fn join(host: &str, sender: oneshot::Sender<Answer>) -> io::Result<()> {
    let mut under_way = lock();
    let questions = under_way.entry(host.to_owned()).or_default();
    questions.waiting.retain(|waiting| !waiting.is_closed());
    questions.waiting.push(sender);
    let is_late = questions.begun.is_some_and(|begun| begun.elapsed() >= PATIENCE);
    if questions.threads > 0 && !(is_late && questions.threads < MOST) {
        return Ok(());
    }
    let name = host.to_owned();
    match thread::Builder::new().name("hfxbus-dns".to_owned()).spawn(move || ask(name)) {
        Ok(_detached) => {
            questions.threads += 1;
            questions.begun = Some(Instant::now());
            Ok(())
        }
        // The question that is under way already will be answered.
        Err(_) if questions.threads > 0 => Ok(()),
        Err(error) => {
            under_way.remove(host);
            Err(error)
        }
    }
}

/// Looks the name up and answers every waiting caller.
fn ask(host: String) {
    let answer = match (host.as_str(), 0).to_socket_addrs() {
        Ok(found) => Answer::Found(found.collect()),
        Err(error) if is_temporary(&error.to_string()) => Answer::Unanswered,
        Err(_) => Answer::Unknown,
    };
    let waiting = {
        let mut under_way = lock();
        let Some(questions) = under_way.get_mut(&host) else { return };
        questions.threads -= 1;
        let waiting = std::mem::take(&mut questions.waiting);
        if questions.threads == 0 {
            under_way.remove(&host);
        }
        waiting
    };
    for sender in waiting {
        // A caller that gave up meanwhile needs no answer.
        let _ = sender.send(answer.clone());
    }
}

fn is_temporary(error: &str) -> bool {
    TEMPORARY.iter().any(|text| error.contains(text))
}

fn lock() -> MutexGuard<'static, HashMap<String, Questions>> {
    UNDER_WAY.locked()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask_for(host: &str) -> io::Result<Vec<SocketAddr>> {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(look_up(host))
    }

    #[test]
    fn a_name_leads_to_its_addresses_and_leaves_nothing_behind() {
        assert!(ask_for("127.0.0.1").unwrap().iter().all(|address| address.ip().is_loopback()));
        assert!(!lock().contains_key("127.0.0.1"));
    }

    #[test]
    fn what_cannot_be_a_name_has_no_address() {
        let error = ask_for("no name").unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::WouldBlock), "{error}");
    }

    #[test]
    fn a_question_that_is_late_is_asked_again_up_to_a_limit() {
        let host = "asked-again.invalid";
        let begun = Instant::now().checked_sub(PATIENCE);
        let (sender, waiting) = oneshot::channel();
        let late = Questions { threads: MOST, begun, waiting: vec![sender] };
        lock().insert(host.to_owned(), late);
        let (second, _answer) = oneshot::channel();
        join(host, second).unwrap();
        assert_eq!(lock()[host].threads, MOST, "there are enough of them");
        drop(waiting);
        let (third, _answer) = oneshot::channel();
        join(host, third).unwrap();
        assert_eq!(lock()[host].waiting.len(), 2, "callers that gave up are forgotten");
        lock().remove(host);
    }

    #[test]
    fn a_name_server_that_does_not_answer_is_told_from_a_name_without_an_address() {
        let glibc = "failed to lookup address information: Temporary failure in name resolution";
        assert!(is_temporary(glibc));
        assert!(!is_temporary("failed to lookup address information: Name or service not known"));
    }
}
