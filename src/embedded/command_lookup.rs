//! Finds the command that a request calls.

use crate::embedded::command::{Command, CommandTable, Run};
use crate::embedded::protocol::command_error::CommandError;

/// Returns the command that the words call, with a check of their number.
pub fn resolve<'a>(table: &'a CommandTable, args: &[&[u8]]) -> Result<&'a Command, CommandError> {
    let named = table.find(args[0]).filter(|_| !args[0].contains(&b'|')).ok_or_else(|| unknown(args))?;
    let command = match (&named.spec.run, args.get(1)) {
        (Run::Container | Run::Both(_), Some(sub)) => {
            let name = [args[0], b"|", sub].concat();
            match table.find(&name) {
                Some(command) => command,
                // The container itself has HELP.
                None if sub.eq_ignore_ascii_case(b"HELP") => named,
                None => return Err(unknown_sub(named.spec.name, sub)),
            }
        }
        _ => named,
    };
    let (arity, count) = (command.spec.arity, args.len());
    let fits = if arity < 0 {
        count >= arity.unsigned_abs() as usize
    } else {
        count == arity.unsigned_abs() as usize
    };
    if fits { Ok(command) } else { Err(CommandError::wrong_arity(command.spec.name)) }
}

/// Maximum length of a client's input in an error, in bytes.
const MOST_SHOWN: usize = 128;

fn unknown(args: &[&[u8]]) -> CommandError {
    let mut shown = Vec::new();
    for arg in &args[1..] {
        if shown.len() >= MOST_SHOWN {
            break;
        }
        let room = MOST_SHOWN - shown.len();
        shown.push(b'\'');
        shown.extend_from_slice(&arg[..arg.len().min(room)]);
        shown.extend_from_slice(b"' ");
    }
    let name = &args[0][..args[0].len().min(MOST_SHOWN)];
    CommandError::with(&[b"ERR unknown command '", name, b"', with args beginning with: ", &shown])
}

fn unknown_sub(container: &str, sub: &[u8]) -> CommandError {
    let sub = &sub[..sub.len().min(MOST_SHOWN)];
    let container = container.to_ascii_uppercase();
    CommandError::with(&[b"ERR unknown subcommand '", sub, b"'. Try ", container.as_bytes(), b" HELP."])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::dispatch::table;

    #[test]
    fn names_are_found_in_any_case_and_once() {
        assert_eq!(table().find(b"XaDd").map(|command| command.spec.name), Some("xadd"));
        assert!(table().find(b"lpush").is_none());
        assert!(table().find(&[b'x'; 100]).is_none());
        let mut names: Vec<&str> = table().all().map(|command| command.spec.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table().all().count());
    }

    #[test]
    fn a_subcommand_is_resolved_and_counted_as_one() {
        let resolve = |words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            resolve(table(), &words).map(|command| command.spec.name)
        };
        assert_eq!(resolve(&["XGROUP", "Create", "k", "g", "$"]), Ok("xgroup|create"));
        assert_eq!(resolve(&["xgroup", "create"]), Err(CommandError::wrong_arity("xgroup|create")));
        assert_eq!(resolve(&["xgroup"]), Err(CommandError::wrong_arity("xgroup")));
        assert!(resolve(&["xgroup|create", "k", "g", "$", "x"]).is_err());
    }
}
