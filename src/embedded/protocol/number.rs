//! Numbers as Redis reads and writes them.

/// A whole number in the only form that Redis takes for one: no sign but `-`, no zeros in front, no spaces.
pub fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    let canonical = match digits {
        [b'0'] => !negative,
        [b'1'..=b'9', ..] => digits.len() <= 19,
        _ => false,
    };
    if !canonical || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Appends a number.
pub fn write(bytes: &mut Vec<u8>, number: impl Into<i128>) {
    let number = number.into();
    let mut digits = [0u8; 40];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    // Wide numbers are rare, and dividing them is slow.
    while rest > u128::from(u64::MAX) {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut rest = rest as u64;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    bytes.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_form_is_a_number() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"-7"), Some(-7));
        assert_eq!(parse(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.5", "9223372036854775808", "1e3"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            assert_eq!(bytes, number.to_string().as_bytes());
        }
    }
}
