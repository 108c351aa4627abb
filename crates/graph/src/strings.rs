//! The string table: every name of the snapshot in one buffer.
//!
//! Strings are kept as WTF-8 (UTF-8 that may hold lone surrogates, which V8 does write), unescaped. 8 bytes
//! and one kind byte per string, plus its text. The kind is found while the text is hot in the cache, so that
//! the passes never have to look at the text of well-known names again.

use std::borrow::Cow;

use crate::column::Column;

/// What a string means to the passes. Only one holds for each string.
pub mod kind {
    pub const OTHER: u8 = 0;
    pub const EMPTY: u8 = 1;
    pub const OBJECT: u8 = 2;
    pub const PROTO: u8 = 3;
    pub const ARRAY: u8 = 4;
    pub const EXTERNAL_STRING_DATA: u8 = 5;
    pub const ARRAY_BUFFER_DATA: u8 = 6;
    /// Exactly `system / NativeContext`.
    pub const NATIVE_CONTEXT: u8 = 7;
    /// `system / NativeContext / …` or any of the detached forms.
    pub const NATIVE_CONTEXT_LIKE: u8 = 8;
    pub const DOM_TREES: u8 = 9;
    pub const MAP_DESCRIPTORS: u8 = 10;
    pub const SLOPPY_MAP: u8 = 11;
    /// Starts with `<`.
    pub const TAG: u8 = 12;
    /// Starts with `Detached <`.
    pub const DETACHED_TAG: u8 = 13;
    /// Starts with `Detached `, nothing of the above.
    pub const DETACHED: u8 = 14;
    /// `Detached system / NativeContext` or `Detached system / NativeContext / …`.
    pub const DETACHED_NATIVE_CONTEXT: u8 = 15;
    /// `system / Context` or `system / Context / …`.
    pub const CONTEXT: u8 = 16;
    /// An edge name of a WeakMap's key-value pair.
    pub const EPHEMERON: u8 = 17;
    pub const MAP: u8 = 18;
    pub const NATIVE_CONTEXT_EDGE: u8 = 19;
    pub const ELEMENTS: u8 = 20;
    pub const FIRST: u8 = 21;
    pub const SECOND: u8 = 22;
    pub const EVENT_LISTENER: u8 = 23;
}

/// All strings of a snapshot, by index.
#[derive(Clone, Debug, Default)]
pub struct StringTable {
    pub bytes: Column<u8>,
    /// Where each string ends in `bytes`; it starts where the one before ends.
    pub ends: Column<u64>,
    pub kinds: Column<u8>,
}

impl StringTable {
    pub fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[inline]
    pub fn bytes(&self, index: u32) -> &[u8] {
        let i = index as usize;
        let Some(&end) = self.ends.get(i) else { return b"" };
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start as usize..end as usize]
    }

    pub fn text(&self, index: u32) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(index))
    }

    #[inline]
    pub fn kind(&self, index: u32) -> u8 {
        self.kinds.get(index as usize).copied().unwrap_or(kind::OTHER)
    }

    pub fn push(&mut self, text: &[u8]) -> u32 {
        self.bytes.edit().extend_from_slice(text);
        self.ends.edit().push(self.bytes.len() as u64);
        self.kinds.edit().push(classify(text));
        self.len() - 1
    }
}

/// The kind of a string; nearly always decided by length and first byte.
#[inline]
pub fn classify(s: &[u8]) -> u8 {
    let Some(&first) = s.first() else { return kind::EMPTY };
    match first {
        b'O' if s == b"Object" => kind::OBJECT,
        b'_' if s == b"__proto__" => kind::PROTO,
        b'A' if s == b"Array" => kind::ARRAY,
        b'm' if s == b"map" => kind::MAP,
        b'n' if s == b"native_context" => kind::NATIVE_CONTEXT_EDGE,
        b'e' if s == b"elements" => kind::ELEMENTS,
        b'f' if s == b"first" => kind::FIRST,
        b's' => match s {
            b"second" => kind::SECOND,
            b"sloppy_function_map" => kind::SLOPPY_MAP,
            b"system / ExternalStringData" => kind::EXTERNAL_STRING_DATA,
            b"system / JSArrayBufferData" => kind::ARRAY_BUFFER_DATA,
            b"system / NativeContext" => kind::NATIVE_CONTEXT,
            b"system / Context" => kind::CONTEXT,
            _ if s.starts_with(b"system / NativeContext / ") => kind::NATIVE_CONTEXT_LIKE,
            _ if s.starts_with(b"system / Context / ") => kind::CONTEXT,
            _ => kind::OTHER,
        },
        b'V' if s == b"V8EventListener" => kind::EVENT_LISTENER,
        b'(' => match s {
            b"(Document DOM trees)" => kind::DOM_TREES,
            b"(map descriptors)" => kind::MAP_DESCRIPTORS,
            _ => kind::OTHER,
        },
        b'<' => kind::TAG,
        b'D' if s.starts_with(b"Detached ") => match &s[9..] {
            rest if rest.starts_with(b"<") => kind::DETACHED_TAG,
            b"system / NativeContext" => kind::DETACHED_NATIVE_CONTEXT,
            rest if rest.starts_with(b"system / NativeContext / ") => kind::DETACHED_NATIVE_CONTEXT,
            _ => kind::DETACHED,
        },
        b'0'..=b'9' if s[s.len() - 1] == b')' && parse_ephemeron(s).is_some() => kind::EPHEMERON,
        _ => kind::OTHER,
    }
}

/// Splits `N / part of key (… @id) -> value (… @id) pair in WeakMap (table @id)` into the part that both edges
/// of the pair share and the table's id.
///
/// `…` may hold anything but line ends, parentheses included; so the pieces are looked for with backtracking,
/// which stays linear because each piece is searched once from either side.
pub fn parse_ephemeron(s: &[u8]) -> Option<(&[u8], u64)> {
    let digits = s.iter().take_while(|b| b.is_ascii_digit()).count();
    let shared = &s[digits..];
    let body = shared.strip_prefix(b" / part of key (".as_slice())?.strip_suffix(b")")?;
    let (table, middle) = split_trailing_id(body)?;
    // key text, ` @id`, arrow, value text, ` @id`, tail: the value's id sits right before the tail.
    let middle = middle.strip_suffix(b") pair in WeakMap (table".as_slice())?;
    let (_, middle) = split_trailing_id(middle)?;
    let arrow = b") -> value (";
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&middle[from..], arrow) {
        let at = from + at;
        if split_trailing_id(&middle[..at]).is_some() {
            return (digits > 0 && no_line_ends(shared)).then_some((shared, table));
        }
        from = at + 1;
    }
    None
}

/// `text @123` → (123, `text`).
fn split_trailing_id(s: &[u8]) -> Option<(u64, &[u8])> {
    let digits = s.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let (head, number) = s.split_at(s.len() - digits);
    let head = head.strip_suffix(b" @")?;
    let value = number.iter().fold(0u64, |v, b| v.saturating_mul(10).saturating_add((b - b'0') as u64));
    Some((value, head))
}

fn no_line_ends(s: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', s).is_none()
        && memchr::memmem::find(s, "\u{2028}".as_bytes()).is_none()
        && memchr::memmem::find(s, "\u{2029}".as_bytes()).is_none()
}

/// Length in UTF-16 units, which is what JavaScript's `length` counts. WTF-8 safe.
pub fn utf16_len(s: &[u8]) -> usize {
    s.iter().map(|&b| if b >= 0xf0 { 2 } else { (b & 0xc0 != 0x80) as usize }).sum()
}

/// Compares as JavaScript's `<` does, by UTF-16 units: characters above U+FFFF sort between U+D7FF and U+E000.
pub fn utf16_cmp(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    match (a.get(common), b.get(common)) {
        (Some(&x), Some(&y)) => {
            // Only the lead bytes 0xee, 0xef (U+E000..) against 0xf0.. (surrogate pairs) sort differently; if
            // the strings differ in a continuation byte the lead bytes are equal and byte order is right.
            match (x >= 0xf0, y >= 0xf0) {
                (true, false) if y >= 0xee => std::cmp::Ordering::Less,
                (false, true) if x >= 0xee => std::cmp::Ordering::Greater,
                _ => x.cmp(&y),
            }
        }
        (x, y) => x.cmp(&y),
    }
}

/// JavaScript's `parseInt(s, 10)`: leading white space, a sign, digits, then anything.
pub fn js_parse_int(s: &[u8]) -> Option<f64> {
    let text = String::from_utf8_lossy(s);
    let trimmed = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let (negative, rest) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let value: f64 = rest[..digits].parse().ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemeron_names() {
        let name =
            b"12 / part of key (Foo (bar) @ 9 @33) -> value (system / Map @1234) pair in WeakMap (table @77)";
        let (shared, table) = parse_ephemeron(name).unwrap();
        assert_eq!(table, 77);
        assert!(shared.starts_with(b" / part of key"));
        assert_eq!(classify(name), kind::EPHEMERON);
        for bad in [
            "/ part of key (a @1) -> value (b @2) pair in WeakMap (table @3)",
            "1 / part of key (a @) -> value (b @2) pair in WeakMap (table @3)",
            "1 / part of key (a @1) -> value (b 2) pair in WeakMap (table @3)",
            "1 / part of key (a @1) -> value (b @2) pair in WeakMap (table @3) ",
            "1 / part of key (a\n @1) -> value (b @2) pair in WeakMap (table @3)",
        ] {
            assert!(parse_ephemeron(bad.as_bytes()).is_none(), "{bad}");
        }
        // The arrow may occur inside a name.
        let odd = b"1 / part of key (x) -> value ( @5) -> value (y @6) pair in WeakMap (table @7)";
        assert_eq!(parse_ephemeron(odd).unwrap().1, 7);
    }

    #[test]
    fn utf16() {
        assert_eq!(utf16_len("aé€😀".as_bytes()), 5);
        assert!(utf16_cmp("😀".as_bytes(), "\u{e000}".as_bytes()).is_lt());
        assert!(utf16_cmp("a".as_bytes(), "ab".as_bytes()).is_lt());
        assert!(utf16_cmp("b".as_bytes(), "ab".as_bytes()).is_gt());
        let mut words = ["z", "😀", "é", "\u{ffff}", "", "a"];
        words.sort_by(|a, b| utf16_cmp(a.as_bytes(), b.as_bytes()));
        let mut expected = words;
        expected.sort_by_key(|w| w.encode_utf16().collect::<Vec<_>>());
        assert_eq!(words, expected);
    }

    #[test]
    fn parse_int() {
        assert_eq!(js_parse_int(b"12abc"), Some(12.0));
        assert_eq!(js_parse_int(b"  -3"), Some(-3.0));
        assert_eq!(js_parse_int(b"x1"), None);
        assert_eq!(js_parse_int(b"-"), None);
    }
}
