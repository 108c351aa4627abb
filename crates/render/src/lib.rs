//! Answers as text for people.
//!
//! Every function turns one answer into one string. Names and strings out of a heap are untrusted, so all of
//! them pass [`visible`] before they reach a terminal. What is piped is neither coloured nor cut to a width.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod classes;
mod graph;
mod leaks;
mod places;
mod table;

pub use classes::*;
pub use graph::*;
pub use leaks::*;
pub use places::*;
pub use stillheap_verdict::{count, size};
pub use table::{Align, Table};

use std::fmt::Write;

use stillheap_analysis::{NodeInfo, SYSTEM_DISTANCE, SourcePosition};

use stillheap_questions::PageInfo;

/// How to draw.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextStyle {
    /// With colours.
    pub colour: bool,
    /// Columns there are; None if nothing is to be cut.
    pub width: Option<usize>,
}

impl TextStyle {
    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.styled(anstyle::Style::new().bold(), text)
    }

    fn styled(self, style: anstyle::Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// A text in which nothing can move the cursor, change colours or turn the direction of writing around.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_dangerous(c) => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// Control characters (a C1 one begins an escape sequence on some terminals) and invisible ones that reorder.
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The same with a sign.
pub fn signed_size(bytes: i64) -> String {
    let sign = match bytes {
        0 => "",
        b if b < 0 => "-",
        _ => "+",
    };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

/// The same with a sign.
pub fn signed_count(number: i64) -> String {
    let sign = match number {
        0 => "",
        n if n < 0 => "-",
        _ => "+",
    };
    format!("{sign}{}", count(number.unsigned_abs()))
}

/// A distance as DevTools shows it: `-` for what only the system reaches.
pub fn distance(distance: i32) -> String {
    if (0..SYSTEM_DISTANCE).contains(&distance) { distance.to_string() } else { "-".to_owned() }
}

/// A share of the whole.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "0%".to_owned() } else { format!("{:.0}%", part as f64 * 100.0 / whole as f64) }
}

/// `1 node`, `2 nodes`.
pub fn plural(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    let es = if one.ends_with('s') && number != 1 { "e" } else { "" };
    format!("{} {one}{es}{s}", count(number))
}

/// A node as it is called in lists: `EmailTemplate @12`, `send() @14`, `"text" @16`.
pub fn node(node: &NodeInfo) -> String {
    let name = match node.node_type.as_str() {
        "string" | "concatenated string" | "sliced string" => format!("\"{}\"", shorten(&node.name, 60)),
        "closure" if node.name.is_empty() => "(anonymous function)".to_owned(),
        "closure" => format!("{}()", shorten(&node.name, 60)),
        _ if node.name.is_empty() => node.class_name.clone(),
        _ => shorten(&node.name, 100),
    };
    format!("{} @{}", visible(&name), node.id)
}

/// At most `most` characters.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// An edge's name as in source: `.name`, `[3]`, or with its type where it is not plain.
pub fn edge(name: &str, edge_type: &str) -> String {
    let name = visible(&shorten(name, 100));
    match edge_type {
        "element" | "hidden" => format!("[{name}]"),
        _ => name,
    }
}

/// `app.js:12:5`, or the script's number where the snapshot has no name.
pub fn position(position: &SourcePosition) -> String {
    let script = match &position.script {
        Some(script) => visible(script),
        None => format!("script {}", position.script_id),
    };
    format!("{script}:{}:{}", position.line, position.column)
}

/// What comes after the rows shown.
pub fn more(page: &PageInfo, shown: usize) -> String {
    match page.left(shown) {
        0 => String::new(),
        left => format!("… and {} more (use --limit 0)\n", count(left as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_unseen() {
        assert_eq!(visible("a\x1b[31m\u{9b}2J\n\t\u{7f}"), "a\\u{1b}[31m\\u{9b}2J\\n\\t\\u{7f}");
        assert_eq!(visible("abc\u{202e}def"), "abc\\u{202e}def");
        assert_eq!(visible("größe 名前 🙂"), "größe 名前 🙂");
    }

    #[test]
    fn sizes_have_three_digits() {
        let sizes = [0, 999, 1000, 1234, 9_996, 45_600, 99_960, 999_499, 999_500, 1_250_000_000];
        let texts = [
            "0 B", "999 B", "1.00 kB", "1.23 kB", "10.0 kB", "45.6 kB", "100 kB", "999 kB", "1.00 MB",
            "1.25 GB",
        ];
        assert_eq!(sizes.map(size), texts);
        assert_eq!(signed_size(-1500), "-1.50 kB");
        assert_eq!(signed_size(0), "0 B");
    }

    #[test]
    fn numbers_have_separators() {
        assert_eq!([1, 1000, 1_234_567].map(count), ["1", "1,000", "1,234,567"]);
        assert_eq!(plural(1, "node"), "1 node");
        assert_eq!(plural(2, "class"), "2 classes");
    }

    #[test]
    fn only_the_system_is_far_away() {
        assert_eq!([0, 3, SYSTEM_DISTANCE, SYSTEM_DISTANCE + 3, -5].map(distance), ["0", "3", "-", "-", "-"]);
    }
}
