//! Decodes blocks of the strings section.
//!
//! Most strings hold no escape: their text is copied in one piece. Everything else (escapes, surrogate pairs,
//! broken UTF-8) goes through the slow path. Time: memory speed for plain text.

use crate::scan::Block;
use stillheap_graph::strings::classify;
use stillheap_graph::wtf8::{BadEscape, unescape};
use stillheap_graph::{Error, Result};

/// The strings of one block.
#[derive(Default)]
pub(crate) struct TextRows {
    pub(crate) bytes: Vec<u8>,
    /// Ends within `bytes`.
    pub(crate) ends: Vec<u64>,
    pub(crate) kinds: Vec<u8>,
}

pub(crate) fn parse_strings(block: &Block, out: &mut TextRows) -> Result<()> {
    out.bytes.clear();
    out.ends.clear();
    out.kinds.clear();
    let bytes = block.bytes();
    out.bytes.reserve(bytes.len());
    let mut at = 0;
    let mut expect_string = true;
    loop {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        let Some(&b) = bytes.get(at) else { break };
        match b {
            b'"' if expect_string => {
                let start = out.bytes.len();
                at = one(block, bytes, at + 1, &mut out.bytes)?;
                out.ends.push(out.bytes.len() as u64);
                out.kinds.push(classify(&out.bytes[start..]));
                expect_string = false;
                // V8's own separator, the usual case.
                if bytes.len() > at + 1 && bytes[at] == b',' {
                    at += 1;
                    expect_string = true;
                }
            }
            b',' if !expect_string => {
                at += 1;
                expect_string = true;
            }
            _ => {
                let what = if expect_string { "a string" } else { "`,` or `]` after a string" };
                let found =
                    if b.is_ascii_graphic() { format!("`{}`", b as char) } else { format!("byte 0x{b:02x}") };
                return Err(Error::malformed(block.position(at), format!("expected {what}, found {found}")));
            }
        }
    }
    if expect_string && block.last && !block.truncated && !out.ends.is_empty() {
        return Err(Error::malformed(
            block.position(bytes.len()),
            "expected a string after the comma, found `]`",
        ));
    }
    Ok(())
}

/// Decodes the string that starts at `at`; the offset behind its closing quote.
fn one(block: &Block, bytes: &[u8], mut at: usize, out: &mut Vec<u8>) -> Result<usize> {
    let start = out.len();
    loop {
        let Some(n) = memchr::memchr2(b'"', b'\\', &bytes[at..]) else {
            return Err(Error::malformed(block.position(at), "a string without a closing quote"));
        };
        let piece = &bytes[at..at + n];
        out.extend_from_slice(piece);
        at += n + 1;
        if bytes[at - 1] == b'"' {
            break;
        }
        at = escape(block, bytes, at, out)?;
    }
    if !out[start..].is_ascii() {
        repair(out, start);
    }
    Ok(at)
}

/// Decodes the escape whose backslash stands before `at`; the offset behind it.
#[cold]
fn escape(block: &Block, bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize> {
    unescape(&bytes[at..], out).map(|length| at + length).map_err(|error| {
        let message = match error {
            BadEscape::Digits => "expected four hexadecimal digits after `\\u`",
            BadEscape::Unknown => "an unknown escape in a string",
        };
        Error::malformed(block.position(at), message)
    })
}

/// Replaces what is neither UTF-8 nor a lone surrogate by U+FFFD, as every JSON reader in a browser does.
fn repair(out: &mut Vec<u8>, start: usize) {
    if std::str::from_utf8(&out[start..]).is_ok() {
        return;
    }
    let text = out.split_off(start);
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(_) => {
                out.extend_from_slice(rest);
                break;
            }
            Err(error) => {
                let good = error.valid_up_to();
                out.extend_from_slice(&rest[..good]);
                rest = &rest[good..];
                let surrogate = matches!(rest, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]);
                let bad = if surrogate { 3 } else { error.error_len().unwrap_or(rest.len()) };
                out.extend_from_slice(if surrogate { &rest[..3] } else { "\u{fffd}".as_bytes() });
                rest = &rest[bad..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &[u8]) -> Result<Vec<Vec<u8>>> {
        let block =
            Block { data: text.to_vec(), start: 0, end: text.len(), base: 0, last: true, truncated: false };
        let mut rows = TextRows::default();
        parse_strings(&block, &mut rows)?;
        let mut start = 0;
        Ok(rows
            .ends
            .iter()
            .map(|&end| {
                let piece = rows.bytes[start..end as usize].to_vec();
                start = end as usize;
                piece
            })
            .collect())
    }

    #[test]
    fn escapes_and_encodings() {
        let strings = decode(
            b"\"<dummy>\",\n\"\" , \"a\\n\\\"\\\\\\/\\u00e9\",\"\\ud83d\\ude00\\ud800x\",\"\xff\xc3\xa9\"",
        )
        .unwrap();
        assert_eq!(strings[0], b"<dummy>");
        assert_eq!(strings[1], b"");
        assert_eq!(strings[2], "a\n\"\\/é".as_bytes());
        assert_eq!(strings[3], [0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0x80, b'x']);
        assert_eq!(strings[4], "\u{fffd}é".as_bytes());
    }

    #[test]
    fn errors_say_where() {
        for (text, at) in
            [("\"a\" \"b\"", 4), ("\"a\",", 4), ("\"a\\x\"", 3), ("\"\\u12g4\"", 2), ("7", 0), (",\"a\"", 0)]
        {
            let error = decode(text.as_bytes()).unwrap_err();
            assert_eq!(error.position(), Some(at), "{text}: {error}");
        }
    }
}
