//! Spoils good files the way real ones are spoiled, and in ways that only an attacker would.
//!
//! Works on the text, so that nothing about the result depends on a parser. O(length) time and memory.

use crate::rng::Rng;

/// One way to spoil a file. Each is meant for a small file with rows, as [`crate::Snapshot`] writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The header promises one node more than there are.
    NodeCountTooLarge,
    /// The header promises one node fewer.
    NodeCountTooSmall,
    /// The header promises 2^60 nodes: nobody may reserve memory for them.
    NodeCountHuge,
    /// The header promises one edge more than there are.
    EdgeCountTooLarge,
    /// The nodes' edge counts add up to more than the edges there are.
    EdgeSumTooLarge,
    /// An edge ends between two nodes.
    TargetBetweenNodes,
    /// An edge ends past the last node.
    TargetPastEnd,
    /// An edge ends at 2^63.
    TargetHuge,
    /// A node's name is past the last string.
    NamePastEnd,
    /// A node's type is past the last type.
    TypePastEnd,
    /// A negative number among the nodes.
    NegativeNumber,
    /// A fraction among the nodes.
    Fraction,
    /// A number with an exponent among the nodes.
    Exponent,
    /// A number of forty digits among the nodes.
    FortyDigits,
    /// A string among the nodes.
    StringForNumber,
    /// Two commas in a row among the nodes.
    DoubleComma,
    /// A comma before the bracket that closes the nodes.
    TrailingComma,
    NodesAreObject,
    /// The nodes come twice.
    NodesTwice,
    /// The section `edges` is missing.
    NoEdges,
    /// The section `strings` is missing.
    NoStrings,
    /// `meta` is missing.
    NoMeta,
    /// `node_fields` lacks `edge_count`.
    NoEdgeCountField,
    /// `edge_fields` lacks `to_node`.
    NoToNodeField,
    /// The same field twice.
    FieldTwice,
    /// No fields at all: rows of width zero.
    NoNodeFields,
    /// An escape that JSON does not know.
    BadEscape,
    /// `\u` with letters that are no hexadecimal digits.
    BadUnicodeEscape,
    /// Half of a surrogate pair, which is what V8 writes for strings cut in the middle.
    LoneSurrogate,
    /// Bytes that are not UTF-8 in a string.
    NotUtf8,
    /// A line feed inside a string.
    RawControlCharacter,
    /// A string that never ends.
    UnterminatedString,
    /// Something after the closing brace.
    TrailingText,
    /// A byte-order mark at the front.
    ByteOrderMark,
    /// Unknown sections, nested a thousand deep, before the nodes.
    UnknownDeepSection,
    /// Nested a million deep: a reader that recurses dies.
    UnknownVeryDeepSection,
    /// The strings before the nodes.
    StringsFirst,
    /// No bytes at all.
    Empty,
    /// Nothing but white space.
    OnlySpace,
    /// A JSON array.
    NotAnObject,
    NotJson,
}

/// What a reader should make of a spoiled file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expectation {
    /// An error.
    Refused,
    /// Answers, and a word that the file does not keep its promises.
    Reported,
    /// Answers.
    Harmless,
}

impl Damage {
    pub const ALL: [Damage; 41] = [
        Damage::NodeCountTooLarge,
        Damage::NodeCountTooSmall,
        Damage::NodeCountHuge,
        Damage::EdgeCountTooLarge,
        Damage::EdgeSumTooLarge,
        Damage::TargetBetweenNodes,
        Damage::TargetPastEnd,
        Damage::TargetHuge,
        Damage::NamePastEnd,
        Damage::TypePastEnd,
        Damage::NegativeNumber,
        Damage::Fraction,
        Damage::Exponent,
        Damage::FortyDigits,
        Damage::StringForNumber,
        Damage::DoubleComma,
        Damage::TrailingComma,
        Damage::NodesAreObject,
        Damage::NodesTwice,
        Damage::NoEdges,
        Damage::NoStrings,
        Damage::NoMeta,
        Damage::NoEdgeCountField,
        Damage::NoToNodeField,
        Damage::FieldTwice,
        Damage::NoNodeFields,
        Damage::BadEscape,
        Damage::BadUnicodeEscape,
        Damage::LoneSurrogate,
        Damage::NotUtf8,
        Damage::RawControlCharacter,
        Damage::UnterminatedString,
        Damage::TrailingText,
        Damage::ByteOrderMark,
        Damage::UnknownDeepSection,
        Damage::UnknownVeryDeepSection,
        Damage::StringsFirst,
        Damage::Empty,
        Damage::OnlySpace,
        Damage::NotAnObject,
        Damage::NotJson,
    ];

    /// What a reader should make of it: files with some of these faults exist and must open.
    pub fn outcome(self) -> Expectation {
        match self {
            // The sections tell for themselves how long they are.
            Damage::NodeCountTooLarge
            | Damage::NodeCountTooSmall
            | Damage::NodeCountHuge
            | Damage::EdgeCountTooLarge
            | Damage::TrailingText => Expectation::Reported,
            // V8 cuts strings between surrogates; other producers write names as raw bytes.
            Damage::LoneSurrogate
            | Damage::NotUtf8
            | Damage::RawControlCharacter
            | Damage::ByteOrderMark
            | Damage::TypePastEnd
            | Damage::UnknownDeepSection
            | Damage::UnknownVeryDeepSection => Expectation::Harmless,
            _ => Expectation::Refused,
        }
    }

    /// The spoiled file. Panics if `good` lacks what is to be spoiled: a test that spoils nothing tests nothing.
    pub fn apply(self, good: &[u8]) -> Vec<u8> {
        let text = std::str::from_utf8(good).expect("the builder writes ASCII");
        let header =
            |name: &str, change: &dyn Fn(u128) -> u128| edit_number(text, &format!("\"{name}\":"), 0, change);
        // Column positions of the common seven fields: type, name, id, self_size, edge_count.
        let node =
            |column: usize, change: &dyn Fn(u128) -> u128| edit_number(text, "\"nodes\":[", column, change);
        let edge = |change: &dyn Fn(u128) -> u128| edit_number(text, "\"edges\":[", 2, change);
        let first_node = |with: &str| replace_number(text, "\"nodes\":[", 2, with);
        let last_string = |with: &str| {
            let end = text.rfind("\"]").expect("strings are there");
            format!("{}{with}{}", &text[..end], &text[end..])
        };
        let section = |name: &str| {
            let start = text.find(&format!(",\n\"{name}\":[")).expect("the section is there");
            let end = start + 2 + text[start + 2..].find(",\n\"").unwrap_or(text.len() - start - 4);
            (start, end)
        };
        let result = match self {
            Damage::NodeCountTooLarge => header("node_count", &|n| n + 1),
            Damage::NodeCountTooSmall => header("node_count", &|n| n - 1),
            Damage::NodeCountHuge => header("node_count", &|_| 1 << 60),
            Damage::EdgeCountTooLarge => header("edge_count", &|n| n + 1),
            Damage::EdgeSumTooLarge => node(4, &|n| n + 1),
            Damage::TargetBetweenNodes => edge(&|n| n + 1),
            Damage::TargetPastEnd => edge(&|_| 7 * 5_000_000),
            Damage::TargetHuge => edge(&|_| 1 << 63),
            Damage::NamePastEnd => node(1, &|_| 4_000_000),
            Damage::TypePastEnd => node(0, &|_| 200),
            Damage::NegativeNumber => first_node("-1"),
            Damage::Fraction => first_node("1.5"),
            Damage::Exponent => first_node("1e3"),
            Damage::FortyDigits => first_node(&"9".repeat(40)),
            Damage::StringForNumber => first_node("\"1\""),
            Damage::DoubleComma => first_node("1,"),
            Damage::TrailingComma => {
                let (_, end) = section("nodes");
                format!("{},{}", &text[..end - 1], &text[end - 1..])
            }
            Damage::NodesAreObject => text.replacen("\"nodes\":[", "\"nodes\":{", 1),
            Damage::NodesTwice => {
                let (start, end) = section("nodes");
                format!("{}{}{}", &text[..end], &text[start..end], &text[end..])
            }
            Damage::NoEdges => {
                let (start, end) = section("edges");
                format!("{}{}", &text[..start], &text[end..])
            }
            Damage::NoStrings => {
                format!("{}}}", &text[..text.find(",\n\"strings\":[").expect("strings are there")])
            }
            Damage::NoMeta => text.replacen("\"meta\"", "\"atem\"", 1),
            Damage::NoEdgeCountField => text.replacen("\"edge_count\",", "\"edges\",", 1),
            Damage::NoToNodeField => text.replacen("\"to_node\"", "\"two_node\"", 1),
            Damage::FieldTwice => text.replacen("\"self_size\"", "\"id\"", 1),
            Damage::NoNodeFields => {
                let start = text.find("\"node_fields\":[").expect("fields are there") + 15;
                let end = start + text[start..].find(']').expect("a list ends");
                format!("{}{}", &text[..start], &text[end..])
            }
            Damage::BadEscape => last_string("\\q"),
            Damage::BadUnicodeEscape => last_string("\\u12zz"),
            Damage::LoneSurrogate => last_string("\\ud800 and \\udc00x\\ud83d"),
            Damage::NotUtf8 => {
                let mut bytes = last_string("@@").into_bytes();
                let place = bytes.windows(2).rposition(|w| w == b"@@").expect("just added");
                bytes[place] = 0xff;
                bytes[place + 1] = 0xc0;
                return bytes;
            }
            Damage::RawControlCharacter => last_string("\n\u{1}"),
            Damage::UnterminatedString => text[..text.rfind("\"]").expect("strings are there")].to_owned(),
            Damage::TrailingText => format!("{text}{{}} and more"),
            Damage::ByteOrderMark => format!("\u{feff}{text}"),
            Damage::UnknownDeepSection => deep_section(text, 1000),
            Damage::UnknownVeryDeepSection => deep_section(text, 1_000_000),
            Damage::StringsFirst => {
                let start = text.find(",\n\"strings\":[").expect("strings are there");
                let end = text.rfind(']').expect("strings end") + 1;
                let body = text[..start].strip_prefix('{').expect("a file is an object");
                format!("{{{},\n{body}{}", &text[start + 2..end], &text[end..])
            }
            Damage::Empty => String::new(),
            Damage::OnlySpace => " \n\t\r\n".to_owned(),
            Damage::NotAnObject => format!("[{text}]"),
            Damage::NotJson => "heapsnapshot: (core dumped)".to_owned(),
        };
        result.into_bytes()
    }
}

fn deep_section(text: &str, depth: usize) -> String {
    let at = text.find(",\n\"nodes\":[").expect("nodes are there");
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!("{},\"future\":{{\"a\":\"]}}\\\"\",\"b\":{open}1{close}}}{}", &text[..at], &text[at..])
}

/// Where the number `skip` commas after `anchor` starts and ends.
fn number_at(text: &str, anchor: &str, skip: usize) -> (usize, usize) {
    let mut start = text.find(anchor).expect("the anchor is there") + anchor.len();
    for _ in 0..skip {
        start += text[start..].find(',').expect("the row is long enough") + 1;
    }
    let length = text[start..].find(|c: char| !c.is_ascii_digit()).expect("a number ends");
    assert!(length > 0, "a number stands after {anchor}");
    (start, start + length)
}

fn replace_number(text: &str, anchor: &str, skip: usize, with: &str) -> String {
    let (start, end) = number_at(text, anchor, skip);
    format!("{}{with}{}", &text[..start], &text[end..])
}

fn edit_number(text: &str, anchor: &str, skip: usize, change: &dyn Fn(u128) -> u128) -> String {
    let (start, end) = number_at(text, anchor, skip);
    let changed = change(text[start..end].parse().expect("a number of the builder's"));
    format!("{}{changed}{}", &text[..start], &text[end..])
}

/// One to eight random changes of bytes: flipped bits, numbers that are too large, pieces cut out or repeated, and
/// sometimes the end cut off.
pub fn mutate(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..1 + rng.below(8) {
        if out.is_empty() {
            break;
        }
        let at = rng.below(out.len());
        let length = 1 + rng.below(40.min(out.len() - at));
        match rng.below(8) {
            0 => out[at] ^= 1 << rng.below(8),
            1 => drop(out.drain(at..at + length)),
            2 => {
                let piece = out[at..at + length].to_vec();
                out.splice(at..at, piece);
            }
            3 => drop(out.splice(at..at + 1, rng.next_u64().to_string().into_bytes())),
            4 => out[at] = *rng.pick(b"0123456789,:[]{}\"\\-+.eE \n\0"),
            5 => {
                // A digit for a digit keeps the syntax and spoils the meaning.
                let from = out[at..].iter().position(u8::is_ascii_digit).map_or(at, |p| at + p);
                out[from] = b'0' + rng.below(10) as u8;
            }
            6 => out.insert(at, b'0' + rng.below(10) as u8),
            _ if rng.one_in(4) => out.truncate(at),
            _ => {
                let other = (at + length).min(out.len() - 1);
                out.swap(at, other);
            }
        }
    }
    out
}
