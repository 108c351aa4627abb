//! Escapes of JSON strings, decoded to WTF-8: V8 writes lone surrogates, which UTF-8 cannot hold.

/// Why an escape can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEscape {
    /// No four hexadecimal digits after `\\u`.
    Digits,
    Unknown,
}

/// Decodes the escape at the beginning of `rest`, which follows the backslash; its length. Two escapes that are a pair
/// of surrogates are one character.
pub fn unescape(rest: &[u8], out: &mut Vec<u8>) -> Result<usize, BadEscape> {
    let plain = match rest.first() {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(&b @ (b'"' | b'\\' | b'/')) => b,
        Some(b'u') => {
            let mut unit = hex4(rest, 1).ok_or(BadEscape::Digits)?;
            let mut length = 5;
            if (0xd800..0xdc00).contains(&unit)
                && rest.get(5..7) == Some(b"\\u")
                && let Some(low) = hex4(rest, 7).filter(|low| (0xdc00..0xe000).contains(low))
            {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                length = 11;
            }
            push(unit, out);
            return Ok(length);
        }
        _ => return Err(BadEscape::Unknown),
    };
    out.push(plain);
    Ok(1)
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
}

fn push(code_point: u32, out: &mut Vec<u8>) {
    match char::from_u32(code_point) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        // A lone surrogate.
        None => out.extend([
            0xe0 | (code_point >> 12) as u8,
            0x80 | (code_point >> 6 & 0x3f) as u8,
            0x80 | (code_point & 0x3f) as u8,
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_json_has() {
        for (escape, bytes, length) in [
            (&b"n,"[..], &b"\n"[..], 1),
            (b"/", b"/", 1),
            (b"u00e9x", "é".as_bytes(), 5),
            (b"ud83d\\ude00!", "😀".as_bytes(), 11),
            (b"ud800\\u0041", &[0xed, 0xa0, 0x80], 5),
            (b"ude00", &[0xed, 0xb8, 0x80], 5),
        ] {
            let mut out = Vec::new();
            assert_eq!((unescape(escape, &mut out), &*out), (Ok(length), bytes), "{escape:?}");
        }
        for (escape, error) in [
            (&b"x"[..], BadEscape::Unknown),
            (b"", BadEscape::Unknown),
            (b"u12g4", BadEscape::Digits),
            (b"u12", BadEscape::Digits),
        ] {
            assert_eq!(unescape(escape, &mut Vec::new()), Err(error), "{escape:?}");
        }
    }
}
