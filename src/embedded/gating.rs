//! Shows each command to the gate of a simulated server.

use crate::embedded::clients::client_id::ClientId;
use crate::embedded::command::{Command, CommandTable};
use crate::embedded::command_lookup::resolve;
use crate::embedded::core::Core;
use crate::embedded::simulation::gate::{Decision, GatedCommand};

/// Decides about the command of a client.
pub fn decide(
    core: &Core,
    table: &CommandTable,
    id: ClientId,
    command: Option<&Command>,
    words: &[&[u8]],
) -> Decision {
    let (Some(gate), Some(client)) = (core.gate.as_ref(), core.clients.get(&id)) else {
        return Decision::Pass;
    };
    let queued = client.transaction.queued.as_deref();
    let mut keys = command.map(|command| keys_of(command, words)).unwrap_or_default();
    let is_exec = command.is_some_and(|command| command.spec.name == "exec");
    for one in queued.into_iter().flatten().filter(|_| is_exec) {
        let words: Vec<&[u8]> = one.iter().map(AsRef::as_ref).collect();
        keys.extend(resolve(table, &words).map(|command| keys_of(command, &words)).unwrap_or_default());
    }
    let present = keys.iter().filter(|key| core.keyspace.contains(key)).count();
    gate.decide(&GatedCommand {
        client: id,
        name: command.map_or("", |command| command.spec.name),
        words,
        present,
        keys,
        writes: command.is_some_and(|command| command.writes),
        is_queued: queued.is_some(),
    })
}

/// Returns the keys of a command.
fn keys_of(command: &Command, words: &[&[u8]]) -> Vec<Vec<u8>> {
    if matches!(command.spec.name, "xread" | "xreadgroup") {
        let at = words.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"));
        let rest = at.map_or(&[][..], |at| &words[at + 1..]);
        return rest[..rest.len() / 2].iter().map(|key| key.to_vec()).collect();
    }
    let [first, last, step] = command.spec.keys;
    if first <= 0 {
        return Vec::new();
    }
    let last = if last < 0 { words.len() as i32 + last } else { last };
    let places = (first..=last).step_by(step.max(1) as usize);
    places.filter_map(|at| words.get(at as usize)).map(|key| key.to_vec()).collect()
}
