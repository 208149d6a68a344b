//! The consumers of a group in XINFO CONSUMERS. Pure.

use crate::redis_io::resp::{Reply, Token, Value};

use crate::engine::protocol::named_fields::{count, each_field, each_field_of};

/// A consumer in XINFO CONSUMERS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerInfo<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Number of entries that were delivered to it and not acknowledged.
    pub pending: Option<u64>,
    /// Time since its last command, in ms. `None` if the clock of the server went back.
    pub idle: Option<u64>,
}

impl<'a> ConsumerInfo<'a> {
    /// Reads all consumers of a reply in place. Returns `None` for another reply.
    pub fn each(reply: &Reply<'a>, mut each: impl FnMut(Self)) -> Option<()> {
        let Reply::Array(consumers) = reply else { return None };
        let mut consumers = consumers.clone();
        for _ in 0..consumers.len() {
            let Token::Array(length) = consumers.token()? else { return None };
            let mut consumer = Self::default();
            each_field(&mut consumers, length, |field, value| consumer.read_field(field, value))?;
            each(consumer);
        }
        Some(())
    }

    /// Reads all consumers of a reply that was built up. Another reply has no consumers.
    pub fn read_all(reply: &'a Value) -> impl Iterator<Item = Self> {
        let consumers = match reply {
            Value::Array(consumers) => consumers.as_slice(),
            _ => &[],
        };
        consumers.iter().filter_map(|row| {
            let mut consumer = Self::default();
            each_field_of(row, |field, value| consumer.read_field(field, value))?;
            Some(consumer)
        })
    }

    fn read_field(&mut self, field: &[u8], value: Token<'a>) {
        match (field, value) {
            (b"name", Token::Bulk(name)) => self.name = name,
            (b"pending", value) => self.pending = count(value),
            (b"idle", value) => self.idle = count(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_reply_give_the_same_consumers() {
        let reply = Reply::new(
            b"*2\r\n*8\r\n$4\r\nname\r\n$2\r\nme\r\n$7\r\npending\r\n:3\r\n$4\r\nidle\r\n:9\r\n$8\r\ninactive\r\n:-1\r\n\
            *6\r\n$4\r\nname\r\n$3\r\nyou\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:-5\r\n",
        )
        .expect("complete");
        let expected = [
            ConsumerInfo { name: b"me", pending: Some(3), idle: Some(9) },
            ConsumerInfo { name: b"you", pending: Some(0), idle: None },
        ];
        let mut consumers = Vec::new();
        assert_eq!(ConsumerInfo::each(&reply, |consumer| consumers.push(consumer)), Some(()));
        assert_eq!(consumers, expected);
        let built = Value::from(reply);
        assert_eq!(ConsumerInfo::read_all(&built).collect::<Vec<_>>(), expected);
    }
}
