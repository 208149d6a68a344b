//! Counters of the traffic of connections.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts over all connections of one owner, those that have ended included. Nothing is decided by them, so their order
/// among each other is of no account.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    reconnects: AtomicU64,
}

impl Traffic {
    /// Counts the bytes of one read.
    pub fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts the bytes of one write.
    pub fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A connection is ready that was ready before.
    pub fn reconnect(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the totals so far.
    pub fn totals(&self) -> Totals {
        Totals {
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            reconnects: self.reconnects.load(Ordering::Relaxed),
        }
    }
}

/// Totals of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of replies and messages.
    pub received: u64,
    /// Bytes of commands.
    pub sent: u64,
    /// Number of reconnections.
    pub reconnects: u64,
}

impl std::iter::Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            received: sum.received + count.received,
            sent: sum.sent + count.sent,
            reconnects: sum.reconnects + count.reconnects,
        })
    }
}
