//! The codec with arbitrary bytes.

#[path = "../../fuzz/promises/codec.rs"]
mod promises;

const SEEDS: u64 = 60_000;

const REPLIES: &[&[u8]] = &[
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":-12\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"$5\r\na\r\nbc\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n*1\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n",
    b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
    b"*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$3\r\nprd\r\n$1\r\nP\r\n$3\r\njob\r\n$1\r\nJ\r\n*2\r\n$3\r\n1-2\r\n*-1\r\n",
];

/// Xorshift: the same numbers for the same seed, everywhere.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Sizes of pieces, then replies of which some bytes were changed, taken out or doubled.
fn mangled(seed: u64) -> Vec<u8> {
    let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut replies = Vec::new();
    for _ in 0..=noise.below(4) {
        replies.extend_from_slice(REPLIES[noise.below(REPLIES.len())]);
    }
    for _ in 0..noise.below(4) {
        let at = noise.below(replies.len());
        match noise.below(4) {
            0 => drop(replies.remove(at)),
            1 => replies.insert(at, b"\r\n$*:+-0123456789>%x"[noise.below(20)]),
            2 => replies[at] = noise.below(256) as u8,
            _ => replies.extend_from_within(at..),
        }
        replies.push(b'\n');
    }
    let pieces = noise.below(16);
    let mut bytes = vec![pieces as u8];
    bytes.extend((0..pieces).map(|_| noise.below(40) as u8));
    bytes.extend(replies);
    bytes
}

#[test]
fn the_guarantees_of_the_codec_hold_for_mangled_replies() {
    for seed in 0..SEEDS {
        let bytes = mangled(seed);
        let held = std::panic::catch_unwind(|| promises::hold_for(&bytes));
        assert!(held.is_ok(), "seed {seed}: {:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn the_guarantees_of_the_codec_hold_for_a_reply_a_million_deep() {
    let mut deep = vec![0];
    deep.extend(b"*1\r\n".repeat(1_000_000));
    deep.extend_from_slice(b":1\r\n");
    promises::hold_for(&deep);
}
