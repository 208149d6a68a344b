//! State of the connections: identity, subscriptions, transactions and blocked reads.

pub mod channels;
pub mod client;
pub mod client_id;
pub mod transaction;
pub mod waiting;
