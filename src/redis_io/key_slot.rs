//! Slots of keys in a Cluster. Pure.

use crc::{CRC_16_XMODEM, Crc};

/// Number of slots of a Cluster.
pub const SLOTS: u16 = 16_384;

/// Hash of keys.
const HASH: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// Returns the slot of a key. The hash covers the hash tag, or the whole key without one.
pub fn slot_of(key: &[u8]) -> u16 {
    HASH.checksum(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// Returns the hash tag of a key: the text between the first `{` and the next `}`, unless it is empty.
pub fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let rest = &key[open + 1..];
    let length = rest.iter().position(|&byte| byte == b'}').filter(|&length| length > 0)?;
    Some(&rest[..length])
}
