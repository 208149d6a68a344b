//! Commands, in files by topic. Each file has the specifications of its commands.

use crate::embedded::command::CommandSpec;
mod catalogue;
mod claiming;
mod client;
mod client_filter;
mod connection;
mod counters;
mod entries;
mod expiry;
mod groups;
mod inspection;
mod keys;
mod pending;
mod pubsub;
mod reading;
mod report;
mod retrying;
mod scripting;
mod server;
mod strings;
mod transactions;

/// The rows of all commands.
pub fn specs() -> impl Iterator<Item = &'static CommandSpec> {
    [
        connection::SPECS,
        client::SPECS,
        strings::SPECS,
        counters::SPECS,
        keys::SPECS,
        expiry::SPECS,
        entries::SPECS,
        reading::SPECS,
        pending::SPECS,
        claiming::SPECS,
        groups::SPECS,
        inspection::SPECS,
        pubsub::SPECS,
        transactions::SPECS,
        scripting::SPECS,
        server::SPECS,
        catalogue::SPECS,
    ]
    .into_iter()
    .flatten()
}
