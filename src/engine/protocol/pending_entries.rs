//! The replies of XPENDING. Pure.

use std::time::Duration;

use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingEntry {
    /// Its id.
    pub id: EntryId,
    /// The consumer that it was delivered to last.
    pub owner: String,
    /// Time since its last delivery or lease renewal.
    pub idle: Duration,
    /// Number of deliveries.
    pub deliveries: u64,
}

/// Reads the rows of an XPENDING with a range. Returns `None` for another reply.
pub fn read_rows(reply: &Value) -> Option<Vec<PendingEntry>> {
    let Value::Array(rows) = reply else { return None };
    rows.iter().map(read_row).collect()
}

fn read_row(row: &Value) -> Option<PendingEntry> {
    let Value::Array(parts) = row else { return None };
    let [Value::Bulk(id), Value::Bulk(owner), Value::Integer(idle), Value::Integer(deliveries)] =
        parts.as_slice()
    else {
        return None;
    };
    Some(PendingEntry {
        id: EntryId::parse(id)?,
        owner: String::from_utf8_lossy(owner).into_owned(),
        idle: Duration::from_millis(u64::try_from(*idle).unwrap_or(0)),
        deliveries: u64::try_from(*deliveries).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_redis_writes_them() {
        let text = |text: &str| Value::Bulk(text.into());
        let row = Value::Array(vec![text("5-1"), text("c"), Value::Integer(7), Value::Integer(2)]);
        let expected = PendingEntry {
            id: EntryId { time: 5, sequence: 1 },
            owner: "c".to_owned(),
            idle: Duration::from_millis(7),
            deliveries: 2,
        };
        assert_eq!(read_rows(&Value::Array(vec![row])), Some(vec![expected]));
        assert_eq!(read_rows(&Value::Array(vec![Value::Nil])), None);
        assert_eq!(read_rows(&Value::Nil), None);
    }
}
