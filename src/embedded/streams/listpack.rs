//! Lengths in a listpack, the format in which Redis keeps the entries of a stream's node.
//!
//! This server keeps no listpacks. But a node ends where its listpack would be full, and `MAXLEN ~` removes whole nodes.
//! So these lengths decide the result of an approximate trim.

use crate::embedded::protocol::number;

/// The header, and the mark at the end.
pub const EMPTY: usize = 7;

/// Length of a number.
pub fn number_len(number: i64) -> usize {
    match number {
        0..=127 => 2,
        -4096..=4095 => 3,
        -32_768..=32_767 => 4,
        -8_388_608..=8_388_607 => 5,
        -2_147_483_648..=2_147_483_647 => 6,
        _ => 10,
    }
}

/// Length of a string. Text that looks like a number is kept as one.
pub fn text_len(text: &[u8]) -> usize {
    if let Some(number) = number::parse(text) {
        return number_len(number);
    }
    let encoded = text.len()
        + match text.len() {
            0..=63 => 1,
            64..=4095 => 2,
            _ => 5,
        };
    encoded + back_len(encoded)
}

/// The length is repeated behind each element, seven bits a byte.
fn back_len(encoded: usize) -> usize {
    match encoded {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_as_long_as_the_format_says() {
        assert_eq!([0, 127, 128, -1, 4096].map(number_len), [2, 2, 3, 3, 4]);
        assert_eq!(text_len(b"12"), 2);
        assert_eq!(text_len(b"012"), 5);
        assert_eq!(text_len(b""), 2);
        assert_eq!(text_len(&[b'a'; 63]), 65);
        assert_eq!(text_len(&[b'a'; 64]), 67);
        assert_eq!(text_len(&[b'a'; 200]), 204);
    }
}
