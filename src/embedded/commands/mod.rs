//! What the commands do, by what they are about. Each file has the rows of its commands in the table.

mod catalogue;
mod client;
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

pub use catalogue::help;

use super::table::Row;

/// The rows of all commands.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        connection::ROWS,
        client::ROWS,
        strings::ROWS,
        counters::ROWS,
        keys::ROWS,
        expiry::ROWS,
        entries::ROWS,
        reading::ROWS,
        pending::ROWS,
        groups::ROWS,
        inspection::ROWS,
        pubsub::ROWS,
        transactions::ROWS,
        scripting::ROWS,
        server::ROWS,
        catalogue::ROWS,
    ]
    .into_iter()
    .flatten()
}
