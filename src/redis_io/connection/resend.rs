//! Sends without a reply after a lost connection: those whose entries are in their streams end, before the others are
//! written again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::connection::handshake::{Greeting, HandshakeError, ask};
use crate::redis_io::connection::inner::ConnectionInner;
use crate::redis_io::connection::request_queue::{PendingCommand, RequestQueue};
use crate::redis_io::connection::resend_check::{FoundSend, ResendCheck};
use crate::redis_io::connection::sent_streams::SentStreams;
use crate::redis_io::connection::socket::Socket;
use crate::redis_io::connection::state::ConnectionState;
use crate::redis_io::link::ReplySink;
use crate::redis_io::resp::Reply;
use crate::redis_io::streams::entry::EntryId;

/// Time after which a search ends, whatever it has found.
const MOST_TIME: Duration = Duration::from_secs(30);
/// Number of searches in a row that can fail, before sends are sent again without one.
pub(crate) const MOST_FAILURES: u32 = 10;

/// Notes the client of a session that commands will be written to. Sends whose callers have an error already are dropped.
pub(crate) fn begin(shared: &ConnectionState, greeting: Greeting) {
    let mut inner = shared.lock();
    inner.queue.drop_given_up();
    (inner.client, inner.failed_searches) = (greeting.client, 0);
}

/// Notes the time of the server of a new session, before the search for sends of the last one.
pub(crate) fn note_time(shared: &ConnectionState, greeting: &Greeting) {
    if let (Some(sent), Some(time)) = (&mut shared.lock().sent, greeting.time) {
        sent.begin(time, Instant::now());
    }
}

/// Ends the lost connection at the server, and searches the streams for the entries of the sends that were written to
/// it. Those that are found end with their ids. A search that fails begins again with smaller pages, a limited number of times.
pub(crate) async fn resolve_sent(
    shared: &Arc<ConnectionState>,
    socket: &mut Socket,
) -> Result<(), HandshakeError> {
    let (check, uncertain) = {
        let inner = shared.lock();
        let (previous, failures) = (inner.client.clone(), inner.failed_searches);
        let sent = inner.sent.as_ref().filter(|_| failures < MOST_FAILURES);
        let check = sent.and_then(|sent| ResendCheck::new(&inner.queue, sent, previous, failures));
        (check, inner.queue.uncertain())
    };
    let Some(mut check) = check else { return Ok(()) };
    if let Err(error) = search(shared, socket, &mut check).await {
        shared.lock().failed_searches += 1;
        return Err(error);
    }
    let found = check.found();
    let taken = take(&mut shared.lock(), &found, uncertain);
    deliver(shared.sink(), &found, taken);
    shared.burst_end();
    Ok(())
}

/// Searches to the end, or for the maximum time.
async fn search(
    shared: &ConnectionState,
    socket: &mut Socket,
    check: &mut ResendCheck,
) -> Result<(), HandshakeError> {
    let begun = Instant::now();
    while begun.elapsed() < MOST_TIME {
        let queries = check.pack();
        if queries.is_empty() {
            break;
        }
        check.read(ask(socket, &shared.options, &shared.node(), &queries).await?);
    }
    Ok(())
}

/// Takes the commands of the found sends out of the queue, and notes their entries.
fn take(inner: &mut ConnectionInner, found: &[FoundSend], uncertain: usize) -> Vec<PendingCommand> {
    // A queue that was given up meanwhile has other commands.
    if inner.queue.uncertain() != uncertain {
        return Vec::new();
    }
    if let Some(sent) = &mut inner.sent {
        note(sent, found);
    }
    take_found(&mut inner.queue, found)
}

/// Notes the entries of the found sends.
pub(crate) fn note(sent: &mut SentStreams, found: &[FoundSend]) {
    for (key, id) in found.iter().flat_map(|send| &send.entries) {
        sent.add(key, id.to_string().as_bytes());
    }
}

/// Takes the commands of the found sends out of the queue.
pub(crate) fn take_found(queue: &mut RequestQueue, found: &[FoundSend]) -> Vec<PendingCommand> {
    queue.take_found(|position| is_found(found, position))
}

/// The sends are in the order of their positions.
fn is_found(found: &[FoundSend], position: usize) -> bool {
    let next = found.partition_point(|send| send.position + send.length <= position);
    found.get(next).is_some_and(|send| send.position <= position)
}

/// Delivers the replies that the connection lost, to the commands of the found sends.
pub(crate) fn deliver(sink: &dyn ReplySink, found: &[FoundSend], commands: Vec<PendingCommand>) {
    let mut commands = commands.into_iter();
    for send in found {
        deliver_one(sink, send, commands.by_ref().take(send.length).collect());
    }
}

fn deliver_one(sink: &dyn ReplySink, send: &FoundSend, commands: Vec<PendingCommand>) {
    let mut ids = send.entries.iter().map(|(_, id)| *id);
    let is_transaction = commands.len() > 1;
    let executed = if is_transaction { exec_reply(&commands, ids.clone()) } else { Vec::new() };
    for PendingCommand { meta, .. } in commands {
        let id = if is_transaction { None } else { ids.next().map(|id| id.to_string()) };
        let reply = match (&id, meta.name) {
            (Some(id), _) => Reply::Bulk(id.as_bytes()),
            (None, "EXEC") => Reply::new(&executed).unwrap_or(Reply::Nil),
            (None, "MULTI") => Reply::Simple(b"OK"),
            (None, _) => Reply::Simple(b"QUEUED"),
        };
        meta.destination.deliver(sink, Ok(reply));
    }
}

/// Returns the reply of EXEC to payload keys and entries.
fn exec_reply(commands: &[PendingCommand], mut ids: impl Iterator<Item = EntryId>) -> Vec<u8> {
    // Without MULTI and EXEC.
    let inside = commands.iter().filter(|command| !matches!(command.meta.name, "MULTI" | "EXEC"));
    let mut reply = format!("*{}\r\n", inside.clone().count()).into_bytes();
    for command in inside {
        let id = if command.meta.is_send { ids.next().map(|id| id.to_string()) } else { None };
        let one = id.map_or_else(|| "+OK\r\n".to_owned(), |id| format!("${}\r\n{id}\r\n", id.len()));
        reply.extend_from_slice(one.as_bytes());
    }
    reply
}
