//! Glob matching of channels and keys by the rules of Redis.

/// Returns true if `text` matches `pattern` by the rules of PSUBSCRIBE: `*`, `?`, `[a-c]`, `[^x]` and `\`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Positions for a retry in which the last `*` takes one byte more. Earlier ones never need a retry.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if at == pattern.len() && seen == text.len() {
            return true;
        }
        if pattern.get(at) == Some(&b'*') {
            retry = Some((at + 1, seen));
            at += 1;
            continue;
        }
        if let Some(width) = one(&pattern[at.min(pattern.len())..], text.get(seen).copied()) {
            at += width;
            seen += 1;
            continue;
        }
        match retry {
            Some((after, taken)) if taken < text.len() => {
                retry = Some((after, taken + 1));
                at = after;
                seen = taken + 1;
            }
            _ => return false,
        }
    }
}

/// Number of bytes of the pattern that match the one byte, or `None`.
fn one(pattern: &[u8], byte: Option<u8>) -> Option<usize> {
    let byte = byte?;
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => class(pattern, byte),
        b'\\' if pattern.len() > 1 => (pattern[1] == byte).then_some(2),
        literal => (literal == byte).then_some(1),
    }
}

/// Matches a class such as `[a-cx]` or `[^x]`; one that is not closed reaches to the end of the pattern.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    while at < pattern.len() && pattern[at] != b']' {
        if pattern[at] == b'\\' && at + 1 < pattern.len() {
            at += 1;
            found |= pattern[at] == byte;
        } else if pattern.get(at + 1) == Some(&b'-') && at + 2 < pattern.len() {
            let (low, high) = (pattern[at].min(pattern[at + 2]), pattern[at].max(pattern[at + 2]));
            found |= (low..=high).contains(&byte);
            at += 2;
        } else {
            found |= pattern[at] == byte;
        }
        at += 1;
    }
    (found != negated).then_some((at + 1).min(pattern.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*", "", true),
            ("*:P", "s:t:P", true),
            ("*b*c", "abbbxc", true),
            ("*b*c", "abbbx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x*", "bx", true),
            ("[^a-c]x*", "bx", false),
            ("[^a-c]x*", "dx", true),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("", "", true),
            ("", "a", false),
            ("[ab", "a", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
