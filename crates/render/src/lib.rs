//! Answers as text for people.
//!
//! Every function turns one answer into one string. Names and strings out of a heap are untrusted, so all of
//! them pass [`visible`] before they reach a terminal. What is piped is neither coloured nor cut to a width.
//! Functions that list what a filter left take the filter's patterns, to say so if it left nothing.

#![forbid(unsafe_code)]

mod classes;
mod graph;
mod leaks;
mod look;
pub mod next;
mod places;
mod table;

pub use classes::*;
pub use graph::*;
pub use leaks::*;
pub use look::*;
pub use places::*;
pub use stillheap_verdict::{count, size};
pub use table::{Cell, Column, Table};

use stillheap_analysis::{NodeInfo, SYSTEM_DISTANCE};

use stillheap_questions::PageInfo;

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
        "string" | "concatenated string" | "sliced string" => {
            return format!("{} @{}", quoted(&node.name, 60, false), node.id);
        }
        "closure" if node.name.is_empty() => "(anonymous function)".to_owned(),
        "closure" => format!("{}()", shorten(&node.name, 60)),
        _ if node.name.is_empty() => node.class_name.clone(),
        _ => shorten(&node.name, 100),
    };
    format!("{} @{}", visible(&name), node.id)
}

/// An edge's name as in source: `.name`, `[3]`, or with its type where it is not plain.
pub fn edge(name: &str, edge_type: &str) -> String {
    let name = visible(&shorten(name, 100));
    match edge_type {
        "element" | "hidden" => format!("[{name}]"),
        _ => name,
    }
}

/// That a filter left nothing, and of how many.
pub fn none_matches(what: &str, filter: &[String], of: Option<u64>) -> String {
    let patterns: Vec<String> = filter.iter().map(|pattern| format!("'{}'", visible(pattern))).collect();
    let of = of.map_or_else(String::new, |total| format!(" ({})", plural(total, what)));
    format!("No {what} matches {}{of}.\n", patterns.join(" and "))
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
