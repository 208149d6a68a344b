//! Connections that break at a command: chance alone seldom loses the one command, or the one reply, that matters.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};

/// Break of all connections of a process to a server, at its next command of a kind.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Break {
    pub at: Kind,
    pub moment: Moment,
}

/// Kind of a command.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// XADD.
    Send,
    /// XCLAIM that runs the entries.
    Claim,
    /// XACK.
    Acknowledgement,
    /// INCRBY, the request for permits of a rate limit.
    Permit,
    /// RENAMENX, the acquisition of a partition.
    Acquisition,
}

/// Time of a break.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Moment {
    /// The server never has the command.
    Before,
    /// The server has executed it, and the reply is lost.
    After,
    /// The client sees the end at once, and the server has the command after some ms.
    Late(u64),
}

impl Kind {
    fn is_in(self, bytes: &[u8]) -> bool {
        let has = |word: &[u8]| bytes.windows(word.len()).any(|at| at == word);
        match self {
            Self::Send => has(b"XADD"),
            // A renewal, and an entry that is handed back, have the option.
            Self::Claim => has(b"XCLAIM") && !has(b"JUSTID"),
            Self::Acknowledgement => has(b"XACK"),
            Self::Permit => has(b"INCRBY"),
            Self::Acquisition => has(b"RENAMENX"),
        }
    }
}

/// The breaks of a world that have not come yet, by process.
#[derive(Default)]
pub struct Breaks(RefCell<Vec<(u32, Break)>>);

impl Breaks {
    /// Adds one.
    pub fn add(&self, process: u32, what: Break) {
        self.0.borrow_mut().push((process, what));
    }

    /// Takes the break of a process at a write, if there is one.
    pub fn take(&self, process: u32, bytes: &[u8]) -> Option<Moment> {
        let mut breaks = self.0.borrow_mut();
        let at = breaks.iter().position(|(of, what)| *of == process && what.at.is_in(bytes))?;
        Some(breaks.remove(at).1.moment)
    }
}
