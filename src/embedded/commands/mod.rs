//! Commands, in files by topic. Each file has the specifications of its commands.

mod catalogue;
mod client;
mod client_filter;
mod connection;
mod counters;
#[cfg(feature = "simulation")]
mod delayed_sends;
mod expiry;
mod keys;
mod library;
mod pubsub;
mod report;
mod scripting;
mod server;
#[cfg(feature = "simulation")]
mod sets;
mod streams;
mod strings;
mod transactions;

use crate::embedded::command::CommandSpec;
use streams::{entries, groups, inspection, pending, reading};

/// The rows of all commands.
pub fn specs() -> impl Iterator<Item = &'static CommandSpec> {
    [
        connection::SPECS,
        client::SPECS,
        library::SPECS,
        strings::SPECS,
        counters::SPECS,
        keys::SPECS,
        expiry::SPECS,
        entries::SPECS,
        reading::SPECS,
        pending::SPECS,
        streams::claiming::SPECS,
        groups::SPECS,
        inspection::SPECS,
        pubsub::SPECS,
        transactions::SPECS,
        scripting::SPECS,
        server::SPECS,
        catalogue::SPECS,
        #[cfg(feature = "simulation")]
        sets::SPECS,
    ]
    .into_iter()
    .flatten()
}
