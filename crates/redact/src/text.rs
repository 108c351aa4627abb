//! Strings as they stand in the file, and what they say.

use stillheap_graph::wtf8::unescape;

/// Text between quotes, decoded. Lone surrogates become U+FFFD, three different ones the same: a snapshot's
/// strings are told apart by [`DecodedString::bytes`], which keeps them.
pub(crate) struct DecodedString<'r> {
    bytes: std::borrow::Cow<'r, [u8]>,
    /// Length in UTF-16 units.
    pub(crate) units: usize,
}

impl<'r> DecodedString<'r> {
    /// `raw` is what stands between the quotes. None if an escape is broken.
    pub(crate) fn decode(raw: &'r [u8]) -> Option<DecodedString<'r>> {
        if !raw.contains(&b'\\') {
            return Some(DecodedString { units: units(raw), bytes: raw.into() });
        }
        let mut out = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.iter().position(|&b| b == b'\\') {
            out.extend_from_slice(&rest[..at]);
            let behind = &rest[at + 1..];
            rest = &behind[unescape(behind, &mut out).ok()?..];
        }
        out.extend_from_slice(rest);
        Some(DecodedString { units: units(&out), bytes: out.into() })
    }

    /// WTF-8.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// UTF-16 units of WTF-8.
fn units(bytes: &[u8]) -> usize {
    bytes.iter().map(|&b| if b >= 0xf0 { 2 } else { usize::from(b & 0xc0 != 0x80) }).sum()
}

/// Appends `text` as a JSON string.
pub(crate) fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', c as u8]),
            '\0'..' ' => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_lengths() {
        for (raw, text, units) in [
            (r"plain", "plain", 5),
            (r#"a\n\"\\\/é"#, "a\n\"\\/é", 6),
            (r"\ud83d\ude00!", "😀!", 3),
            ("é€😀", "é€😀", 4),
            ("", "", 0),
        ] {
            let found = DecodedString::decode(raw.as_bytes()).unwrap();
            assert_eq!((&*found.text(), found.units), (text, units), "{raw}");
        }
        assert_eq!(DecodedString::decode(br"\ud800x").unwrap().units, 2);
        assert_ne!(
            DecodedString::decode(br"\ud800").unwrap().bytes(),
            DecodedString::decode(br"\ud801").unwrap().bytes()
        );
        for bad in [r"\x", r"\u12", r"\u12g4", "\\"] {
            assert!(DecodedString::decode(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn quoting_is_json() {
        let mut out = Vec::new();
        quote("a\"b\\c\n\u{1}é😀", &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), "a\"b\\c\n\u{1}é😀");
    }
}
