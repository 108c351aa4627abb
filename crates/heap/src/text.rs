//! Strings: one text out of the shapes that V8 keeps it in.

use crate::heap::Heap;
use crate::kind::Kind;
use crate::layout::NONE;
use crate::memory::{is_strong, smi};

/// V8's snapshot cuts names here (--heap-snapshot-string-limit).
pub(crate) const NAME_LIMIT: usize = 1024;

/// Parts of one string that are looked at; a rope of more is cut.
const MOST_PARTS: usize = 20_000;

impl Heap<'_> {
    /// The string at an address, as far as a snapshot shows it. Lone surrogates become U+FFFD.
    pub(crate) fn text(&self, string: u64) -> String {
        match self.plain(string).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            Some(text) => text.to_owned(),
            None => String::from_utf16_lossy(&self.shown(string)),
        }
    }

    /// The shown part of a string that lies there as ASCII: nearly all do.
    fn plain(&self, string: u64) -> Option<&[u8]> {
        let bytes = self.space.rest_of_page(string);
        let map = self.maps.known(crate::memory::word_at(bytes, 0))?;
        let length = (crate::memory::half_at(bytes, 12) as usize).min(NAME_LIMIT);
        let text = bytes.get(16..16 + length).filter(|_| map.kind == Kind::OneByteString)?;
        text.iter().all(|&byte| (1..0x80).contains(&byte)).then_some(text)
    }

    /// The same with lone surrogates kept, appended as WTF-8.
    pub(crate) fn wtf8(&self, string: u64, out: &mut Vec<u8>) {
        if let Some(plain) = self.plain(string) {
            return out.extend_from_slice(plain);
        }
        let mut utf8 = [0; 4];
        for unit in char::decode_utf16(self.shown(string)) {
            match unit {
                Ok(c) => out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
                Err(lone) => {
                    let unit = lone.unpaired_surrogate();
                    let tail = [unit >> 6 & 0x3f, unit & 0x3f].map(|bits| 0x80 | bits as u8);
                    out.extend_from_slice(&[0xe0 | (unit >> 12) as u8, tail[0], tail[1]]);
                }
            }
        }
    }

    fn shown(&self, string: u64) -> Vec<u16> {
        let mut units = self.units(string, NAME_LIMIT);
        // As V8 does: its names end at a NUL.
        for unit in units.iter_mut().filter(|unit| **unit == 0) {
            *unit = u16::from(b' ');
        }
        units
    }

    /// The text behind a tagged word; none if it is no string.
    pub(crate) fn text_behind(&self, word: u64) -> Option<String> {
        self.is_string(word).then(|| self.text(word - 1))
    }

    pub(crate) fn string_length(&self, string: u64) -> u64 {
        u64::from(self.half(string + 12))
    }

    /// Up to `limit` UTF-16 units of a string.
    pub(crate) fn units(&self, string: u64, limit: usize) -> Vec<u16> {
        let mut out = Vec::new();
        // Parts yet to come, last first: string, and the range of its units.
        let mut parts = vec![(string, 0u64, limit as u64)];
        let mut seen = 0;
        while let Some((string, from, to)) = parts.pop() {
            seen += 1;
            if seen > MOST_PARTS || out.len() >= limit {
                break;
            }
            let Some(map) = self.info(string) else { continue };
            let length = self.string_length(string);
            let to = to.min(length);
            if from >= to || map.instance_type >= self.space.layout.types.first_nonstring {
                continue;
            }
            let narrow = map.instance_type & 8 != 0;
            match map.kind {
                Kind::OneByteString | Kind::TwoByteString => {
                    let body = self.space.rest_of_page(string).get(16..).unwrap_or_default();
                    append(&mut out, body, from, to, narrow);
                }
                Kind::ConsString => {
                    let (first, second) = (self.word(string + 16), self.word(string + 24));
                    let border = if is_strong(first) { self.string_length(first - 1) } else { 0 };
                    if is_strong(second) && to > border {
                        parts.push((second - 1, from.saturating_sub(border), to - border));
                    }
                    if is_strong(first) && from < border {
                        parts.push((first - 1, from, to.min(border)));
                    }
                }
                Kind::SlicedString => {
                    let (parent, offset) = (self.word(string + 16), smi(self.word(string + 24)));
                    if let (true, Ok(offset)) = (is_strong(parent), u64::try_from(offset)) {
                        parts.push((parent - 1, offset + from, offset + to));
                    }
                }
                Kind::ThinString => {
                    let actual = self.word(string + 16);
                    if is_strong(actual) {
                        parts.push((actual - 1, from, to));
                    }
                }
                Kind::ExternalString => {
                    // An uncached one has no pointer to its characters.
                    let cached = map.instance_type & 16 == 0;
                    let width = if narrow { 1 } else { 2 };
                    let length = usize::try_from(to * width).unwrap_or(usize::MAX);
                    let body =
                        cached.then(|| self.space.view.bytes(self.word(string + 24), length)).flatten();
                    append(&mut out, body.unwrap_or_default(), from, to, narrow);
                }
                _ => {}
            }
        }
        out.truncate(limit);
        out
    }

    /// The bytes outside the heap that an external string holds, for its size.
    pub(crate) fn external_bytes(&self, string: u64, instance_type: u16) -> u64 {
        self.string_length(string) * if instance_type & 8 != 0 { 1 } else { 2 }
    }

    /// The name of a property: a string, or a symbol by its description.
    pub(crate) fn key(&self, key: u64) -> String {
        if !is_strong(key) {
            return String::new();
        }
        if let Some(text) = self.text_behind(key) {
            return text;
        }
        let Some(description) = self.text_behind(self.word(key - 1 + 16)) else {
            return "<symbol>".to_owned();
        };
        if self.is_private_name(key - 1) { description } else { format!("<symbol {description}>") }
    }

    /// Whether a symbol is the name of a private field (`#x`).
    pub(crate) fn is_private_name(&self, symbol: u64) -> bool {
        let flags = self.half(symbol + 12);
        match self.space.layout.shape.private_symbol {
            (1, name_bit) => flags & name_bit != 0,
            (mask, least) => flags & mask >= least,
        }
    }

    pub(crate) fn is_private_symbol(&self, symbol: u64) -> bool {
        self.half(symbol + 12) & self.space.layout.shape.private_symbol.0 != 0
    }

    /// The number in a Smi or a HeapNumber.
    pub(crate) fn number(&self, word: u64) -> Option<f64> {
        if word & 1 == 0 {
            return Some(smi(word) as f64);
        }
        let is_number =
            self.type_behind(word) != NONE && self.type_behind(word) == self.space.layout.types.heap_number;
        is_number.then(|| f64::from_bits(self.word(word - 1 + 8)))
    }
}

fn append(out: &mut Vec<u16>, body: &[u8], from: u64, to: u64, narrow: bool) {
    let width = if narrow { 1 } else { 2 };
    let end = (to as usize).saturating_mul(width).min(body.len());
    let Some(part) = body.get((from as usize).saturating_mul(width)..end) else { return };
    if narrow {
        out.extend(part.iter().map(|&unit| u16::from(unit)));
    } else {
        out.extend(part.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
    }
}
