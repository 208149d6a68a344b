//! Counters of the traffic of connections.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters over all connections of one owner, ended ones included. No decision depends on them, so their order does not
/// matter.
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

    /// Counts a reconnection.
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
