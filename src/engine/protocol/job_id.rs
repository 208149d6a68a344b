//! Ids of producers, consumers and jobs: 16 characters of `A-Za-z0-9_-`, as 2.x made them.

use crate::redis_io::world::chance;

/// Length of an id, in characters.
pub const ID_SIZE: usize = 16;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// The bytes of a version 4 UUID that are random in all their bits; 12 of them make 16 characters.
const RANDOM: [usize; 12] = [0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13];

/// Appends a random id to `text`.
pub fn push_id(text: &mut String) {
    let uuid = chance::uuid();
    let source = uuid.as_bytes();
    for three in RANDOM.chunks_exact(3) {
        let bits = three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(source[byte]));
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
}

/// A random id.
pub fn new_id() -> String {
    let mut text = String::with_capacity(ID_SIZE);
    push_id(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_sixteen_characters_of_the_alphabet_and_do_not_repeat() {
        let ids: HashSet<String> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == ID_SIZE && id.bytes().all(|byte| ALPHABET.contains(&byte))));
    }

    #[test]
    fn every_character_of_the_alphabet_comes_up() {
        let seen: HashSet<u8> = (0..2_000).flat_map(|_| new_id().into_bytes()).collect();
        assert_eq!(seen.len(), ALPHABET.len());
    }
}
