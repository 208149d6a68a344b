//! Changes of payload keys that take effect with the settlement of their job. Pure.

/// A write of one payload key.
#[derive(Debug)]
pub struct PayloadWrite {
    /// The payload key.
    pub key: Box<str>,
    /// Its value.
    pub value: Box<[u8]>,
    /// Expiry of the key in ms. 0 is none.
    pub expiry: u64,
}

/// The changes of one job.
#[derive(Debug, Default)]
pub struct PayloadChanges {
    /// Payload keys to remove.
    pub removals: Vec<Box<str>>,
    /// Payload keys to write.
    pub writes: Vec<PayloadWrite>,
}

impl PayloadChanges {
    /// Returns true if nothing changes.
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.writes.is_empty()
    }

    /// Size of the values in bytes.
    pub fn size(&self) -> usize {
        self.writes.iter().map(|write| write.value.len()).sum()
    }
}
