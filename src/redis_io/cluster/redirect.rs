//! Redirects of a Cluster: error replies that send a command to another node, or to the same one later.

use crate::redis_io::address::Address;
use crate::redis_io::command::CommandMeta;
use crate::redis_io::error::RedisError;

/// Command that a node did not serve.
pub(crate) struct RedirectedCommand {
    pub(crate) redirect: Redirect,
    pub(crate) meta: CommandMeta,
    pub(crate) bytes: Vec<u8>,
    pub(crate) error: RedisError,
}

/// Meaning of an error reply of a Cluster node for its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// The slot belongs to another node.
    Moved(u16, Address),
    /// The slot is on its way to another node, and the key is there already.
    Ask(u16, Address),
    /// The keys of the command are on two nodes at the moment.
    TryAgain,
    /// The node cannot serve the slot at the moment: the Cluster is down, or another node has just taken over.
    Down,
}

impl Redirect {
    /// Reads an error reply. A redirect without a host means the node at `asked`.
    pub fn read(error: &RedisError, asked: &str) -> Option<Self> {
        match error.reply_code()? {
            "MOVED" => read_target(&error.message, asked).map(|(slot, to)| Self::Moved(slot, to)),
            "ASK" => read_target(&error.message, asked).map(|(slot, to)| Self::Ask(slot, to)),
            "TRYAGAIN" => Some(Self::TryAgain),
            "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "READONLY" => Some(Self::Down),
            _ => None,
        }
    }
}

/// `MOVED 3999 host:port`.
fn read_target(message: &str, asked: &str) -> Option<(u16, Address)> {
    let mut words = message.split(' ').skip(1);
    let (slot, target) = (words.next()?.parse().ok()?, words.next()?);
    let mut target = Address::parse(target)?;
    if target.host.is_empty() || target.host == "?" {
        target.host = Address::parse(asked)?.host;
    }
    Some((slot, target))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn read(text: &str) -> Option<Redirect> {
        Redirect::read(&RedisError::reply(text.as_bytes(), "GET", &Arc::from("h:1")), "h:1")
    }

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn replies_say_where_a_command_belongs() {
        assert_eq!(read("MOVED 3999 1.2.3.4:6381"), Some(Redirect::Moved(3_999, address("1.2.3.4", 6_381))));
        assert_eq!(read("ASK 1 ::1:6381"), Some(Redirect::Ask(1, address("::1", 6_381))));
        assert_eq!(read("TRYAGAIN Multiple keys request during rehashing of slot"), Some(Redirect::TryAgain));
        assert_eq!(read("CLUSTERDOWN Hash slot not served"), Some(Redirect::Down));
        assert_eq!(read("WRONGTYPE Operation against a key"), None);
    }

    #[test]
    fn a_node_without_a_name_is_the_one_that_was_asked() {
        for text in ["MOVED 1 :7", "MOVED 1 ?:7"] {
            assert_eq!(read(text), Some(Redirect::Moved(1, address("h", 7))));
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_as_any() {
        for text in ["MOVED", "MOVED x h:1", "MOVED 1", "MOVED 1 h", "ASK 1 h:99999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
