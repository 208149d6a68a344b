//! Replies that outlive the read buffer.

use crate::redis_io::resp::cursor::{Reply, Token};

/// A reply of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A status.
    Simple(String),
    /// An error within an array.
    Error(String),
    /// A number.
    Integer(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// An array.
    Array(Vec<Value>),
}

impl Value {
    /// Of an array of names, each followed by a value, the value behind `name`.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let Self::Array(fields) = self else { return None };
        let mut pairs = fields.chunks_exact(2);
        pairs.find(|pair| pair[0].bytes() == Some(name.as_bytes())).map(|pair| &pair[1])
    }

    /// The bytes of a string.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value as a token. Of an array, the length.
    pub fn token(&self) -> Token<'_> {
        match self {
            Self::Simple(text) => Token::Simple(text.as_bytes()),
            Self::Error(text) => Token::Error(text.as_bytes()),
            Self::Integer(number) => Token::Integer(*number),
            Self::Bulk(bytes) => Token::Bulk(bytes),
            Self::Nil => Token::Nil,
            Self::Array(values) => Token::Array(values.len()),
        }
    }
}

/// Deeper replies are cut off here; Redis' own commands nest five deep. A tree that is deeper could not even be
/// dropped without recursion.
const DEEPEST: usize = 128;

impl From<Reply<'_>> for Value {
    fn from(reply: Reply<'_>) -> Self {
        match reply {
            Reply::Simple(text) => Self::Simple(lossy(text)),
            Reply::Error(text) => Self::Error(lossy(text)),
            Reply::Integer(number) => Self::Integer(number),
            Reply::Bulk(bytes) => Self::Bulk(bytes.to_vec()),
            Reply::Nil => Self::Nil,
            Reply::Array(mut cursor) => {
                let length = cursor.len();
                build(length, std::iter::from_fn(move || cursor.token()))
            }
        }
    }
}

/// Arrays that are being filled wait on a stack instead of in recursion.
fn build<'a>(length: usize, tokens: impl Iterator<Item = Token<'a>>) -> Value {
    let mut open: Vec<(usize, Vec<Value>)> = vec![(length, Vec::new())];
    let mut too_deep = 0usize;
    for token in tokens {
        if too_deep > 0 {
            // Inside an array that is not built: only its end matters.
            too_deep = too_deep - 1 + if let Token::Array(length) = token { length } else { 0 };
        } else {
            match token {
                Token::Array(length) if open.len() == DEEPEST => {
                    too_deep = length;
                    push(&mut open, Value::Nil);
                }
                Token::Array(length) => open.push((length, Vec::new())),
                leaf => push(&mut open, leaf_value(leaf)),
            }
        }
        if too_deep == 0 {
            close_filled(&mut open);
        }
    }
    close_all(open)
}

fn push(open: &mut [(usize, Vec<Value>)], value: Value) {
    if let Some((_, values)) = open.last_mut() {
        values.push(value);
    }
}

fn close_filled(open: &mut Vec<(usize, Vec<Value>)>) {
    while open.len() > 1 && open.last().is_some_and(|(length, values)| values.len() >= *length) {
        if let Some((_, values)) = open.pop() {
            push(open, Value::Array(values));
        }
    }
}

fn close_all(mut open: Vec<(usize, Vec<Value>)>) -> Value {
    while open.len() > 1 {
        if let Some((_, values)) = open.pop() {
            push(&mut open, Value::Array(values));
        }
    }
    Value::Array(open.pop().map(|(_, values)| values).unwrap_or_default())
}

fn leaf_value(token: Token<'_>) -> Value {
    match token {
        Token::Simple(text) => Value::Simple(lossy(text)),
        Token::Error(text) => Value::Error(lossy(text)),
        Token::Integer(number) => Value::Integer(number),
        Token::Bulk(bytes) => Value::Bulk(bytes.to_vec()),
        Token::Nil | Token::NilArray | Token::Array(_) => Value::Nil,
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Value {
        Value::from(Reply::new(bytes).expect("complete"))
    }

    #[test]
    fn nested_arrays_become_a_tree() {
        let text = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        assert_eq!(
            value(b"*3\r\n*2\r\n$1\r\na\r\n*0\r\n$-1\r\n*1\r\n*1\r\n:7\r\n"),
            Value::Array(vec![
                Value::Array(vec![text("a"), Value::Array(vec![])]),
                Value::Nil,
                Value::Array(vec![Value::Array(vec![Value::Integer(7)])]),
            ])
        );
    }

    #[test]
    fn a_reply_of_any_depth_is_built_and_dropped() {
        let mut deep = b"*2\r\n".to_vec();
        deep.extend(b"*1\r\n".repeat(200_000));
        deep.extend_from_slice(b":1\r\n+end\r\n");
        let Value::Array(values) = value(&deep) else { panic!("an array") };
        assert_eq!(values.len(), 2);
        assert_eq!(values[1], Value::Simple("end".to_owned()));
    }
}
