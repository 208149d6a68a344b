//! Slots of keys in a Cluster. Pure.

use crc::{CRC_16_XMODEM, Crc};

/// Number of slots of a Cluster.
pub const SLOTS: u16 = 16_384;

/// Hash of keys.
const HASH: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// Returns the slot of a key. The hash covers the text between the first `{` and the next `}`, or the whole key if that text is
/// empty or missing.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|&byte| byte == b'}').filter(|&length| length > 0).map(|length| &rest[..length])
    });
    HASH.checksum(tag.unwrap_or(key)) % SLOTS
}
