//! Partition of a key. Every process of a fleet must compute the same one. Pure.
//!
//! The hash is consistent: from `n` to `m` partitions, only the share `1 - n / m` of the keys moves, and only to new
//! partitions. All steps are in whole numbers, so that every platform and language has the same result.

use crc::{CRC_32_ISO_HDLC, Crc};

/// Hash of keys.
const HASH: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// Step between two random numbers of a key.
const STEP: u32 = 0x9E37_79B9;

/// Returns the partition of a key among `count`.
///
/// It jumps upwards through the partitions. Each jump divides by the next random number of the key, and the last partition
/// below `count` counts.
pub fn partition_of(key: &str, count: u32) -> u32 {
    let (mut seed, mut partition, mut next) = (HASH.checksum(key.as_bytes()), 0, 0);
    while next < u64::from(count) {
        partition = next;
        seed = seed.wrapping_add(STEP);
        next = ((partition + 1) << 32) / (u64::from(mixed(seed)) + 1);
    }
    partition as u32
}

/// Returns the weight of a member for a partition. The member with the largest weight is chosen.
pub fn weight(member: &str, partition: &str) -> u32 {
    let mut digest = HASH.digest();
    for part in [member, "\0", partition] {
        digest.update(part.as_bytes());
    }
    mixed(digest.finalize())
}

/// The last steps of MurmurHash3 of 32 bits, by which every bit affects all others.
fn mixed(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85EB_CA6B);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xC2B2_AE35);
    bits ^ (bits >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_to_the_partitions_of_the_fleet() {
        let found = ["", "a", "customer-7", "\u{65e5}\u{672c}", "V1StGXR8_Z5jdHi6"]
            .map(|key| [1, 4, 64, 1_024].map(|count| partition_of(key, count)));
        assert_eq!(
            found,
            [[0, 1, 8, 289], [0, 0, 8, 522], [0, 1, 37, 723], [0, 1, 58, 591], [0, 3, 22, 208]],
            "see docs/scale.md"
        );
    }

    #[test]
    fn keys_are_spread_evenly() {
        for count in [3, 16, 64] {
            let mut counts = vec![0; count];
            (0..100_000)
                .for_each(|key| counts[partition_of(&format!("customer-{key}"), count as u32) as usize] += 1);
            let fair = 100_000.0 / count as f64;
            let most = f64::from(*counts.iter().max().expect("has partitions")) / fair;
            let least = f64::from(*counts.iter().min().expect("has partitions")) / fair;
            assert!(most < 1.1 && least > 0.9, "{count} partitions: {least} to {most}");
        }
    }

    #[test]
    fn growth_moves_keys_to_new_partitions_only() {
        let mut moved = 0;
        for key in 0..10_000 {
            let key = format!("k{key}");
            let (before, after) = (partition_of(&key, 16), partition_of(&key, 24));
            assert!(after == before || after >= 16);
            moved += u32::from(after != before);
        }
        assert!((3_000..3_700).contains(&moved), "a third, not {moved}");
    }
}
