//! Reads the packets of the facade: numbers, one text of all strings, small payloads joined into bytes, and large ones as
//! blobs.

use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result, Status};

/// A packet that is being read. Lengths of texts are in UTF-16 units, as JavaScript counts.
pub struct RequestReader<'a> {
    numbers: std::slice::Iter<'a, f64>,
    text: &'a str,
    ascii: bool,
    bytes: &'a [u8],
    blobs: std::slice::Iter<'a, Uint8Array>,
}

impl<'a> RequestReader<'a> {
    /// A packet of these parts.
    pub fn new(numbers: &'a [f64], text: &'a str, bytes: &'a [u8], blobs: &'a [Uint8Array]) -> Self {
        Self { numbers: numbers.iter(), text, ascii: text.is_ascii(), bytes, blobs: blobs.iter() }
    }

    /// Returns true if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.numbers.len() == 0
    }

    /// The next number.
    pub fn number(&mut self) -> Result<f64> {
        self.numbers.next().copied().ok_or_else(short)
    }

    /// The next number, as a count or an index.
    pub fn index(&mut self) -> Result<u32> {
        Ok(self.number()? as u32)
    }

    /// The next number, as a switch.
    pub fn flag(&mut self) -> Result<bool> {
        Ok(self.number()? != 0.0)
    }

    /// The next text, whose length is the next number, or a blob for -1.
    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.number()?;
        if length >= 0.0 {
            return self.cut(length as usize);
        }
        let blob = self.blobs.next().ok_or_else(short)?;
        std::str::from_utf8(blob.as_ref())
            .map_err(|_| Error::new(Status::InvalidArg, "The packet holds no such text."))
    }

    /// The next word: a text, or a blob for -1, or bytes of `-2 - number` length.
    pub fn word(&mut self) -> Result<&'a [u8]> {
        let number = self.number()?;
        if number >= 0.0 {
            return self.cut(number as usize).map(str::as_bytes);
        }
        if number == -1.0 {
            return self.blobs.next().map(AsRef::as_ref).ok_or_else(short);
        }
        let (head, tail) = self.bytes.split_at_checked((-2.0 - number) as usize).ok_or_else(short)?;
        self.bytes = tail;
        Ok(head)
    }

    fn cut(&mut self, units: usize) -> Result<&'a str> {
        let end = if self.ascii { units } else { byte_length(self.text, units) };
        let (head, tail) = self.text.split_at_checked(end).ok_or_else(short)?;
        self.text = tail;
        Ok(head)
    }
}

/// Number of bytes of the first `units` UTF-16 units of `text`.
fn byte_length(text: &str, units: usize) -> usize {
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return at;
        }
        left = left.saturating_sub(character.len_utf16());
    }
    text.len()
}

fn short() -> Error {
    Error::new(Status::InvalidArg, "The packet ends too early.")
}
