//! Tables of words as the text of a key: the sets and hashes of a simulated server. Pure.

use std::collections::BTreeMap;

/// Words by their names.
pub type WordTable = BTreeMap<Vec<u8>, Vec<u8>>;

/// Packs words, each behind its length.
pub fn pack<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut packed = Vec::new();
    for word in words {
        packed.extend_from_slice(&(word.len() as u32).to_be_bytes());
        packed.extend_from_slice(word);
    }
    packed
}

/// Reads packed words. A text of another kind has the words in front of the first one that is cut.
pub fn unpack(mut packed: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    while let Some((length, rest)) = packed.split_first_chunk() {
        let Some((word, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else { break };
        words.push(word.to_vec());
        packed = rest;
    }
    words
}

/// Packs a table.
pub fn pack_table(table: &WordTable) -> Vec<u8> {
    pack(table.iter().flat_map(|(name, word)| [name.as_slice(), word.as_slice()]))
}

/// Reads a packed table.
pub fn unpack_table(packed: &[u8]) -> WordTable {
    let mut words = unpack(packed).into_iter();
    let mut table = WordTable::new();
    while let (Some(name), Some(word)) = (words.next(), words.next()) {
        table.insert(name, word);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back_as_it_was_packed() {
        let table: WordTable =
            [("b", "2"), ("a", ""), ("", "x")].map(|(name, word)| (name.into(), word.into())).into();
        assert_eq!(unpack_table(&pack_table(&table)), table);
        assert_eq!(unpack_table(b""), WordTable::new());
        assert_eq!(unpack(b"\0\0\0\x01ab"), [b"a"]);
    }
}
