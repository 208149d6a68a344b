//! Payload values that an entry carries, beside the payload keys, and the key that orders its job.

use std::sync::Arc;

use crate::redis_io::world::map::HashMap;

/// Prefix of the field of a carried value. The payload key follows.
pub const VALUE_PREFIX: &[u8] = b"val:";
/// Field of the payload keys whose values the completion must return.
pub const RETURNS: &[u8] = b"ret";
/// Field that marks the entry as the only copy of its values.
pub const ONLY_COPY: &[u8] = b"own";

/// Field of the key that leads the job to a partition and orders it.
pub const ORDER_KEY: &[u8] = b"key";

/// Number of values up to which each new one is compared with all others.
const FEW: usize = 32;

/// The payload of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarriedPayload {
    /// Values by payload key, as they were when the job was sent. Each key is there once.
    pub values: Vec<(Box<str>, Box<[u8]>)>,
    /// Payload keys that the completion returns, as a JSON array.
    pub returns: Option<Box<str>>,
    /// True if the payload keys do not exist in Redis.
    pub is_only_copy: bool,
    /// Key that leads the job to a partition and orders it.
    pub order_key: Option<Box<str>>,
}

impl CarriedPayload {
    /// Adds a field of an entry, if it belongs to the payload. The last field of a name counts.
    pub fn note(carried: &mut Option<Arc<Self>>, name: &[u8], value: &[u8]) {
        match name {
            // A list that cannot be read is of no use, and no reason not to run the job.
            RETURNS => unshared(carried).returns = std::str::from_utf8(value).ok().map(Box::from),
            ORDER_KEY => unshared(carried).order_key = std::str::from_utf8(value).ok().map(Box::from),
            ONLY_COPY => unshared(carried).is_only_copy = value == b"1",
            _ => {
                let key = name.strip_prefix(VALUE_PREFIX).map(std::str::from_utf8);
                if let Some(Ok(key)) = key {
                    unshared(carried).set(key, value);
                }
            }
        }
    }

    /// Ends the payload after the last field.
    pub fn finish(mut carried: Option<Arc<Self>>) -> Option<Arc<Self>> {
        if carried.as_ref().is_some_and(|carried| carried.values.len() > FEW) {
            unshared(&mut carried).remove_overwritten();
        }
        carried
    }

    /// Number of fields that hold the values and the key.
    pub fn fields(&self) -> usize {
        self.values.len() + usize::from(self.is_only_copy) + usize::from(self.order_key.is_some())
    }

    /// Size of its keys and values, in bytes.
    pub fn size(&self) -> usize {
        let values = self.values.iter().map(|(key, value)| key.len() + value.len());
        let texts = [&self.returns, &self.order_key].into_iter().flatten().map(|text| text.len());
        values.chain(texts).sum()
    }

    /// Returns true if it has the value of a payload key.
    pub fn has(&self, key: &str) -> bool {
        self.values.iter().any(|(known, _)| **known == *key)
    }

    fn set(&mut self, key: &str, value: &[u8]) {
        // The time of a search in an entry with many fields would grow with their square.
        let few = if self.values.len() > FEW { &mut [] } else { self.values.as_mut_slice() };
        match few.iter_mut().find(|(known, _)| **known == *key) {
            Some((_, known)) => *known = Box::from(value),
            None => self.values.push((Box::from(key), Box::from(value))),
        }
    }

    /// Keeps the last value of each key, at the position of the first.
    fn remove_overwritten(&mut self) {
        let mut positions = HashMap::default();
        let mut kept: Vec<(Box<str>, Box<[u8]>)> = Vec::with_capacity(self.values.len());
        for (key, value) in self.values.drain(..) {
            match positions.get(&key) {
                Some(&at) => {
                    let (_, known): &mut (_, Box<[u8]>) = &mut kept[at];
                    *known = value;
                }
                None => {
                    positions.insert(key.clone(), kept.len());
                    kept.push((key, value));
                }
            }
        }
        self.values = kept;
    }
}

/// The payload while its entry is read, before anything else has it.
fn unshared(carried: &mut Option<Arc<CarriedPayload>>) -> &mut CarriedPayload {
    Arc::make_mut(carried.get_or_insert_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_payload_are_collected_and_others_are_not() {
        let mut carried = None;
        CarriedPayload::note(&mut carried, b"prd", b"p");
        CarriedPayload::note(&mut carried, b"val", b"v");
        CarriedPayload::note(&mut carried, b"val:\xff", b"v");
        assert_eq!(carried, None);
        for (name, value) in [("val:a", "1"), ("val:", ""), ("val:a", "2"), ("ret", "[\"b\"]"), ("own", "1")]
        {
            CarriedPayload::note(&mut carried, name.as_bytes(), value.as_bytes());
        }
        let carried = carried.expect("has fields");
        let value = |text: &str| Box::<[u8]>::from(text.as_bytes());
        assert_eq!(carried.values, [(Box::from("a"), value("2")), (Box::from(""), value(""))]);
        assert_eq!(carried.returns.as_deref(), Some("[\"b\"]"));
        assert!(carried.is_only_copy && carried.has("a") && !carried.has("b"));
    }

    #[test]
    fn many_values_are_collected_in_a_time_that_grows_with_their_number() {
        let mut carried = None;
        for number in 0..100_000 {
            CarriedPayload::note(
                &mut carried,
                format!("val:{:06}", number % 99_990).as_bytes(),
                &[number as u8],
            );
        }
        let carried = CarriedPayload::finish(carried).expect("has fields");
        assert_eq!(carried.values.len(), 99_990);
        assert_eq!(carried.values[3], (Box::from("000003"), Box::from([99_993_u32 as u8])));
    }
}
