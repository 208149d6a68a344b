//! Promises of the readers of entries and of other replies for any bytes.

use std::collections::HashMap;

use hfxbus::engine::protocol::consumer_info::ConsumerInfo;
use hfxbus::engine::protocol::group_info::GroupInfo;
use hfxbus::engine::protocol::group_members::GroupMembers;
use hfxbus::engine::protocol::pending_entries::read_rows;
use hfxbus::engine::protocol::stream_info::{StreamEnd, StreamInfo};
use hfxbus::redis_io::address::Address;
use hfxbus::redis_io::cluster::slot_map::SlotMap;
use hfxbus::redis_io::resp::{Reply, Scanner, Value};
use hfxbus::redis_io::streams::entry::{Entry, EntryId, Item, OwnedEntry, read_streams};

use super::noise::Noise;

const NAMES: [&[u8]; 10] =
    [b"prd", b"job", b"rec", b"hdr", b"ret", b"own", b"val:a", b"val:b", b"val:", b"x"];
const IDS: [&[u8]; 6] = [b"1-1", b"0-0", b"18446744073709551615-18446744073709551615", b"1", b"a-b", b"-"];
/// Words of the replies that name their fields.
const WORDS: [&[u8]; 14] = [
    b"name",
    b"pending",
    b"idle",
    b"consumers",
    b"last-delivered-id",
    b"entries-read",
    b"lag",
    b"length",
    b"first-entry",
    b"last-entry",
    b"entries-added",
    b"max-deleted-entry-id",
    b"last-generated-id",
    b"1-1",
];

/// Panics if a promise does not hold. The first byte decides between entries and other replies.
pub fn hold_for(noise: &[u8]) {
    let mut noise = Noise(noise);
    match noise.byte() % 2 {
        0 => check_entry(&mut noise),
        _ => read_everything(&Built::new(&mut noise).bytes),
    }
}

/// Both readers of entries find the same in the same entry.
fn check_entry(noise: &mut Noise<'_>) {
    let id = noise.pick(&IDS);
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    while !noise.is_over() {
        let name = match noise.byte() % 12 {
            at @ 0..=9 => NAMES[usize::from(at)].to_vec(),
            _ => {
                let length = usize::from(noise.byte() % 8);
                noise.bytes(length).to_vec()
            }
        };
        let length = usize::from(noise.byte() % 24);
        fields.push((name, noise.bytes(length).to_vec()));
    }
    let bytes = reply_of(id, &fields);
    let Some(Reply::Array(cursor)) = Reply::new(&bytes) else { panic!("a reply") };
    let Value::Array(streams) = Value::from(Reply::new(&bytes).expect("a reply")) else { panic!("an array") };
    let owned = owned_of(&streams);
    let mut found = None;
    let read = read_streams(cursor, |item| {
        if let Item::Entry(entry) = item {
            found = Some((owned_from(&entry), entry.id));
            check_carried(&entry, &fields);
        }
    });
    assert_eq!(read.is_ok(), EntryId::parse(id).is_some());
    let Some((borrowed, id)) = found else { return assert!(owned.is_none()) };
    assert_eq!(EntryId::parse(id.to_string().as_bytes()), Some(id));
    // The other reader refuses names that are no text.
    if let Some(owned) = owned {
        assert_eq!(Some(owned), borrowed);
    }
}

fn reply_of(id: &[u8], fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n".to_vec();
    bulk(&mut bytes, id);
    bytes.extend(format!("*{}\r\n", fields.len() * 2).bytes());
    for (name, value) in fields {
        bulk(&mut bytes, name);
        bulk(&mut bytes, value);
    }
    bytes
}

fn bulk(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend(format!("${}\r\n", text.len()).bytes());
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(b"\r\n");
}

fn owned_of(streams: &[Value]) -> Option<OwnedEntry> {
    let Value::Array(stream) = &streams[0] else { panic!("a stream") };
    let Value::Array(entries) = &stream[1] else { panic!("entries") };
    OwnedEntry::read(&entries[0])
}

fn owned_from(entry: &Entry<'_>) -> Option<OwnedEntry> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(OwnedEntry {
        id: entry.id,
        producer: text(entry.producer.unwrap_or_default())?,
        job: entry.job.map(text).map_or(Some(None), |job| job.map(Some))?,
        record: entry.record,
        is_sharded: entry.is_sharded,
        headers: entry.headers.map(str::to_owned),
        carried: entry.carried.clone(),
    })
}

/// The last field of a name counts.
fn check_carried(entry: &Entry<'_>, fields: &[(Vec<u8>, Vec<u8>)]) {
    let last: HashMap<&[u8], &[u8]> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(entry.producer, last.get(b"prd".as_slice()).copied());
    assert_eq!(entry.job, last.get(b"job".as_slice()).copied());
    assert!(entry.record < 1 << 53);
    assert_eq!(entry.is_sharded, last.get(b"rep".as_slice()).is_some_and(|value| *value == b"shard"));
    let wanted = last
        .iter()
        .filter_map(|(name, value)| Some((std::str::from_utf8(name.strip_prefix(b"val:")?).ok()?, *value)));
    let wanted: HashMap<&str, &[u8]> = wanted.collect();
    let carried = entry.carried.as_deref();
    let values = carried.map(|carried| carried.values.as_slice()).unwrap_or_default();
    assert_eq!(values.len(), wanted.len());
    assert!(values.iter().all(|(key, value)| wanted.get(&**key) == Some(&&**value)));
    let is_only_copy = last.get(b"own".as_slice()) == Some(&b"1".as_slice());
    assert_eq!(carried.is_some_and(|carried| carried.is_only_copy), is_only_copy);
}

/// A complete reply of any shape.
struct Built {
    bytes: Vec<u8>,
}

impl Built {
    fn new(noise: &mut Noise<'_>) -> Self {
        let (mut bytes, mut missing) = (Vec::new(), 1_usize);
        while missing > 0 {
            missing -= 1;
            let is_nested = missing < 256 && !noise.is_over();
            match noise.byte() % 8 {
                0 | 1 if is_nested => {
                    let length = usize::from(noise.byte() % 16);
                    missing += length;
                    bytes.extend(format!("*{length}\r\n").bytes());
                }
                2 => bytes.extend(format!(":{}\r\n", i64::from(noise.byte()) - 1).bytes()),
                3 => bytes.extend_from_slice(b"$-1\r\n"),
                4 => bytes.extend_from_slice(b":9223372036854775807\r\n"),
                5 => {
                    let length = usize::from(noise.byte() % 8);
                    bulk(&mut bytes, noise.bytes(length))
                }
                _ => bulk(&mut bytes, noise.pick(&WORDS)),
            }
        }
        assert_eq!(Scanner::default().scan(&bytes), Ok(Some(bytes.len())));
        Self { bytes }
    }
}

/// A reply of a wrong shape is refused or read in part, and never ends the reader.
fn read_everything(bytes: &[u8]) {
    let reply = Reply::new(bytes).expect("a reply");
    let value = Value::from(reply.clone());
    let _ = ConsumerInfo::each(&reply, |_| {});
    let _ = ConsumerInfo::read_all(&value).count();
    let _ = GroupInfo::find(&reply, "1-1");
    let _ = GroupInfo::read_all(&value).count();
    let _ = GroupMembers::read(&reply, "1-1", None);
    let _ = read_rows(&value);
    let _ = StreamInfo::read(&reply);
    let _ = StreamEnd::read(&value);
    let _ = OwnedEntry::read(&value);
    let asked = Address { host: "h".to_owned(), port: 1 };
    if let Some(map) = SlotMap::read(&value, &asked, &HashMap::default()) {
        assert!(
            (0..=u16::MAX)
                .filter_map(|slot| map.shard(slot))
                .all(|shard| map.nodes().contains(&shard.primary))
        );
    }
    if let Reply::Array(cursor) = reply {
        let _ = read_streams(cursor, |_| {});
    }
}
