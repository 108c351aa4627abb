//! Names as DevTools shows them.
//!
//! Computed on demand, nothing is stored. A concatenated string is joined over its parts up to 1024 UTF-16
//! units (bounded also by the number of parts, so that cycles of empty strings end); a plain object shows its
//! properties from both ends up to about 100 units.

use std::borrow::Cow;

use super::ropes::{Ropes, SHOWN, parts};
use stillheap_graph::Graph;
use stillheap_graph::strings::{js_parse_int, kind, utf16_len};
use stillheap_graph::types::{edge, node};

const PLAIN_LIMIT: usize = 100;

/// The display name, as WTF-8. `ropes` are asked for where it is a concatenated string's.
pub(crate) fn display<'g>(
    graph: &'g Graph,
    ropes: impl FnOnce() -> &'g Ropes,
    ordinal: u32,
) -> Cow<'g, [u8]> {
    match graph.node_type[ordinal as usize] {
        node::CONS_STRING => Cow::Owned(cons(graph, ropes().begin(ordinal), SHOWN)),
        node::OBJECT if graph.name_kind(ordinal) == kind::OBJECT => Cow::Owned(plain_object(graph, ordinal)),
        _ => Cow::Borrowed(graph.name_bytes(ordinal)),
    }
}

/// The joined text of a concatenated string: whole parts until `limit` UTF-16 units are reached.
pub(crate) fn cons(graph: &Graph, ordinal: u32, limit: usize) -> Vec<u8> {
    let mut name = Vec::new();
    let mut length = 0;
    let mut stack = vec![ordinal];
    // A string of n nodes has at most n parts in its tree; a damaged graph may have cycles that never grow.
    let mut steps = limit.saturating_mul(64).max(1 << 16);
    while let Some(at) = stack.pop() {
        if length >= limit || steps == 0 {
            break;
        }
        steps -= 1;
        if graph.node_type[at as usize] != node::CONS_STRING {
            let part = graph.name_bytes(at);
            name.extend_from_slice(part);
            length += utf16_len(part);
            continue;
        }
        let [first, second] = parts(graph, at);
        stack.push(second);
        stack.push(first);
    }
    name
}

fn is_named_property(graph: &Graph, e: usize) -> bool {
    graph.edge_type[e] == edge::PROPERTY && graph.strings.kind(graph.edge_name[e]) != kind::PROTO
}

fn plain_object(graph: &Graph, ordinal: u32) -> Vec<u8> {
    let range = graph.edges(ordinal);
    let (mut low, mut high) = (range.start, range.end);
    let (mut head, mut tail) = (b"{".to_vec(), b"}".to_vec());
    let (mut head_len, mut tail_len) = (1, 1);
    let mut from_end = false;
    while low < high {
        let e = if from_end { high - 1 } else { low };
        if is_named_property(graph, e) {
            let name = format_property(graph.strings.bytes(graph.edge_name[e]));
            let length = utf16_len(&name);
            if head_len > 1 && head_len + tail_len + length > PLAIN_LIMIT {
                break;
            }
            if from_end {
                if tail_len > 1 {
                    tail.splice(0..0, *b", ");
                    tail_len += 2;
                }
                tail.splice(0..0, name.iter().copied());
                tail_len += length;
            } else {
                if head_len > 1 {
                    head.extend_from_slice(b", ");
                    head_len += 2;
                }
                head.extend_from_slice(&name);
                head_len += length;
            }
            if from_end {
                high -= 1;
            } else {
                low += 1;
            }
            from_end = !from_end;
        } else if from_end {
            high -= 1;
        } else {
            low += 1;
        }
    }
    if low < high {
        head.extend_from_slice(", …".as_bytes());
    }
    if tail_len > 1 {
        head.extend_from_slice(b", ");
    }
    head.extend_from_slice(&tail);
    head
}

/// A property name that could be confused with the punctuation around it is shown as a JSON string.
pub(crate) fn format_property(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.iter().any(|b| b",'\"{}".contains(b)) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(json_quote(name))
}

/// `JSON.stringify` of a string: lone surrogates become escapes.
fn json_quote(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    let mut i = 0;
    while i < text.len() {
        let b = text[i];
        match b {
            b'"' | b'\\' => out.extend([b'\\', b]),
            8 => out.extend(b"\\b"),
            9 => out.extend(b"\\t"),
            10 => out.extend(b"\\n"),
            12 => out.extend(b"\\f"),
            13 => out.extend(b"\\r"),
            0..0x20 => out.extend(format!("\\u{b:04x}").bytes()),
            0xed if text.get(i + 1).is_some_and(|n| *n >= 0xa0) => {
                let unit = 0xd000
                    | (text[i + 1] as u32 & 0x3f) << 6
                    | (text.get(i + 2).copied().unwrap_or(0) as u32 & 0x3f);
                out.extend(format!("\\u{unit:04x}").bytes());
                i += 2;
            }
            _ => out.push(b),
        }
        i += 1;
    }
    out.push(b'"');
    out
}

/// The name of an edge: text, or a number for elements and hidden edges.
pub(crate) fn edge(graph: &Graph, e: usize) -> Cow<'_, str> {
    let (ty, name) = (graph.edge_type[e], graph.edge_name[e]);
    if !stillheap_graph::types::has_string_name(ty) {
        return Cow::Owned(name.to_string());
    }
    let bytes = graph.strings.bytes(name);
    if ty == edge::SHORTCUT {
        // DevTools reads the name of a shortcut as a number where it starts with one.
        if let Some(number) = js_parse_int(bytes) {
            return Cow::Owned(number.to_string());
        }
    }
    String::from_utf8_lossy(bytes)
}

/// Whether the edge's name counts as text when sorting.
pub(crate) fn edge_has_text(graph: &Graph, e: usize) -> bool {
    let ty = graph.edge_type[e];
    if ty == edge::SHORTCUT {
        return js_parse_int(graph.strings.bytes(graph.edge_name[e])).is_none();
    }
    stillheap_graph::types::has_string_name(ty)
}
