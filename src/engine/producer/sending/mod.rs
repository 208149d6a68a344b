//! Sends of a producer: their plans, their payloads, transactions and idempotency ids.

pub mod send_once;
pub mod send_payload;
pub mod send_plan;
pub mod send_plans;
pub mod send_transaction;
