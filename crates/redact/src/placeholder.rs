//! Placeholders: letters as long as the text they stand for, the same for the same text.
//!
//! Length is in UTF-16 units, as everywhere in JavaScript. Eleven letters come from the keyed tag of the text,
//! the rest is filled up, which compresses well. Short texts have few letters to be told apart by: those of up
//! to three units become ideographs, of which there are enough, and up to seven it is remembered which are
//! taken. A placeholder never begins with a digit, since readers parse what does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::key::Key;

const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const FILL: char = 'x';
/// Letters that come from a tag.
const FROM_TAG: usize = 11;
/// The block of CJK unified ideographs, all of them one UTF-16 unit.
const IDEOGRAPHS: u32 = 0x4e00;
const IDEOGRAPH_COUNT: u64 = 20_000;
/// Texts up to this length are ideographs.
const TINY: usize = 3;
/// For texts up to this length it is remembered what is taken.
const SHORT: usize = 7;

/// Makes placeholders, no two alike for different texts.
pub(crate) struct Placeholders {
    key: Key,
    /// What is taken, and by whose tag.
    taken: HashMap<String, u64>,
}

impl Placeholders {
    pub(crate) fn new(key: Key) -> Placeholders {
        Placeholders { key, taken: HashMap::new() }
    }

    /// The placeholder of a text of `units` UTF-16 units that has this tag.
    pub(crate) fn of(&mut self, tag: u64, units: usize) -> String {
        if units > SHORT {
            return letters(tag, units);
        }
        for attempt in 0..1000 {
            let candidate = match attempt {
                0 => short(tag, units),
                // Ideographs, if ever there should be so many texts of four letters.
                500.. => ideographs(self.key.again(tag, attempt), units),
                _ => short(self.key.again(tag, attempt), units),
            };
            match self.taken.entry(candidate) {
                Entry::Occupied(entry) if *entry.get() != tag => {}
                Entry::Occupied(entry) => return entry.key().clone(),
                Entry::Vacant(entry) => {
                    let text = entry.key().clone();
                    entry.insert(tag);
                    return text;
                }
            }
        }
        short(tag, units)
    }

    /// As [`Placeholders::of`], for a text in which some characters have to stay: `stays` is asked about each.
    pub(crate) fn around(&mut self, tag: u64, text: &str, stays: impl Fn(char) -> bool) -> String {
        let gone = text.chars().filter(|&c| !stays(c)).map(char::len_utf16).sum();
        let replaced = if gone <= TINY { ideographs(tag, gone) } else { letters(tag, gone) };
        let mut replaced = replaced.chars();
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if stays(c) {
                out.push(c);
            } else {
                out.extend(replaced.by_ref().take(c.len_utf16()));
            }
        }
        out
    }
}

/// Digits, for numbers that readers parse.
pub(crate) fn digits(tag: u64, units: usize) -> String {
    let mut rest = tag;
    (0..units)
        .map(|at| {
            let digit = if at == 0 { 1 + rest % 9 } else { rest % 10 };
            rest = (rest / 10) ^ rest.rotate_left(17);
            char::from(b'0' + digit as u8)
        })
        .collect()
}

fn short(tag: u64, units: usize) -> String {
    if units <= TINY { ideographs(tag, units) } else { letters(tag, units) }
}

fn letters(tag: u64, units: usize) -> String {
    let mut out = String::with_capacity(units);
    let mut rest = tag;
    for at in 0..units.min(FROM_TAG) {
        let base = if at == 0 { 52 } else { 62 };
        out.push(char::from(LETTERS[(rest % base) as usize]));
        rest /= base;
    }
    out.extend(std::iter::repeat_n(FILL, units.saturating_sub(FROM_TAG)));
    out
}

fn ideographs(tag: u64, units: usize) -> String {
    let mut rest = tag;
    (0..units)
        .map(|_| {
            let c = IDEOGRAPHS + (rest % IDEOGRAPH_COUNT) as u32;
            rest = (rest / IDEOGRAPH_COUNT) ^ rest.rotate_left(29);
            char::from_u32(c).unwrap_or(FILL)
        })
        .collect()
}

/// A number of the same count of digits, by a permutation that the key decides.
///
/// Four rounds of a Feistel network over just enough bits, walked until the result has the right count.
pub(crate) fn number(key: &Key, number: u64) -> u64 {
    let low = match number {
        0..10 => return number,
        _ => 10u64.pow(number.ilog10()),
    };
    let span = low.saturating_mul(9);
    let half = (65 - (span - 1).leading_zeros()) / 2;
    let mask = (1u64 << half) - 1;
    let mut value = number - low;
    loop {
        let (mut left, mut right) = (value >> half, value & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (key.again(right, round << 32 | u64::from(half)) & mask));
        }
        value = left << half | right;
        if value < span {
            return low + value;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn as_long_as_the_text_and_the_same_for_the_same() {
        let key = Key::from_secret(b"k");
        let mut placeholders = Placeholders::new(key.clone());
        for units in 0..100 {
            let tag = key.tag(format!("text {units}").as_bytes());
            let placeholder = placeholders.of(tag, units);
            assert_eq!(placeholder.encode_utf16().count(), units);
            assert_eq!(placeholder, placeholders.of(tag, units));
            assert!(!placeholder.starts_with(|c: char| c.is_ascii_digit()));
        }
    }

    #[test]
    fn different_texts_stay_different_even_if_short() {
        let key = Key::from_secret(b"k");
        let mut placeholders = Placeholders::new(key.clone());
        for (units, texts) in [(1, 5_000), (2, 50_000), (4, 200_000), (5, 200_000)] {
            let different: HashSet<String> =
                (0..texts).map(|n: u32| placeholders.of(key.tag(&n.to_le_bytes()), units)).collect();
            assert_eq!(different.len(), texts as usize, "{units}");
        }
    }

    #[test]
    fn numbers_are_permuted_among_those_of_their_length() {
        let key = Key::from_secret(b"k");
        let all: HashSet<u64> = (1000..10_000).map(|n| number(&key, n)).collect();
        assert_eq!(all.len(), 9000);
        assert!(all.iter().all(|n| (1000..10_000).contains(n)));
        assert!((1000..10_000).filter(|&n| number(&key, n) == n).count() < 20);
        for n in [0, 9, 10, 99, 4_294_967_294, 4_111_111_111_111_111] {
            assert_eq!(number(&key, n).to_string().len(), n.to_string().len());
        }
    }

    #[test]
    fn what_stays_stays_in_its_place() {
        let mut placeholders = Placeholders::new(Key::from_secret(b"k"));
        let text = placeholders.around(77, "{\"user\": \"😀 jane\"}", |c| "{}\":, ".contains(c));
        assert_eq!(text.encode_utf16().count(), "{\"user\": \"😀 jane\"}".encode_utf16().count());
        assert!(text.starts_with("{\"") && text.ends_with("\"}") && text.contains("\": \""), "{text}");
        assert!(!text.contains("user") && !text.contains("jane"));
    }
}
