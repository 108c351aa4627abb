//! Duplicate strings: nodes whose text another node has too.
//!
//! Flat and concatenated strings of non-zero size, by their whole text. Of flat ones V8 writes the beginning only:
//! cut ones match if their size and, where the file has them, their length and hash are equal as well. DevTools' filter
//! goes by what is shown, the first 1024 characters. Time: one hash per string node. Memory: about 50 bytes per distinct
//! string while running.

use std::borrow::Cow;

use foldhash::{HashMap, HashMapExt};

use super::names;
use super::ropes::{Ropes, SHOWN, TextIdentity, is_cut, parts};
use stillheap_graph::Graph;
use stillheap_graph::strings::js_parse_int;
use stillheap_graph::types::{edge, node};

/// What makes two strings the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// What is shown of them: the first 1024 characters, by which DevTools groups.
    Shown,
    Whole,
}

#[derive(PartialEq, Eq, Hash)]
enum Text<'g> {
    Short(Cow<'g, [u8]>),
    Long(TextIdentity),
}

/// Text, for a truncated string its length and hash, for a cut one its size.
type Identity<'g> = (Text<'g>, Option<(Option<u64>, Option<u64>)>, Option<u64>);

/// Nodes with the same text, at least two.
pub(crate) struct DuplicateGroup {
    pub(crate) nodes: Vec<u32>,
    pub(crate) truncated: bool,
}

/// Groups in order of their first node.
pub(crate) fn compute(
    graph: &Graph,
    ropes: &Ropes,
    sameness: Sameness,
    size: impl Fn(u32) -> u64,
) -> Vec<DuplicateGroup> {
    let mut seen: HashMap<Identity<'_>, u32> = HashMap::new();
    let mut groups: Vec<DuplicateGroup> = Vec::new();
    // First node of a text, until a second one shows up and a group is made.
    const FIRST: u32 = 1 << 31;
    let mut firsts: Vec<u32> = Vec::new();
    for (ordinal, &ty) in graph.node_type.iter().enumerate() {
        let ordinal = ordinal as u32;
        if !matches!(ty, node::STRING | node::CONS_STRING) || size(ordinal) == 0 {
            continue;
        }
        if ty == node::CONS_STRING && is_flat(graph, ropes, ordinal) {
            continue;
        }
        let truncated = is_truncated(graph, ordinal);
        let extra = truncated
            .then(|| (number_behind(graph, ordinal, b"length"), number_behind(graph, ordinal, b"hash")));
        let whole = sameness == Sameness::Whole;
        let long = whole && ty == node::CONS_STRING && ropes.units(graph, ordinal) >= SHOWN as u64;
        let text = if long {
            Text::Long(ropes.identity(graph, ordinal))
        } else {
            Text::Short(names::display(graph, || ropes, ordinal))
        };
        let cut = whole && is_cut(graph, ordinal);
        let truncated = truncated || cut;
        let entry = seen.entry((text, extra, cut.then(|| graph.size(ordinal)))).or_insert(u32::MAX);
        if *entry == u32::MAX {
            *entry = FIRST | firsts.len() as u32;
            firsts.push(ordinal);
        } else if *entry & FIRST != 0 {
            let first = firsts[(*entry & !FIRST) as usize];
            *entry = groups.len() as u32;
            groups.push(DuplicateGroup { nodes: vec![first, ordinal], truncated });
        } else {
            groups[*entry as usize].nodes.push(ordinal);
        }
    }
    groups.sort_by_key(|g| (g.truncated, g.nodes[0]));
    groups
}

/// A concatenated string one of whose parts is empty has been flattened by V8; its other part is the text.
pub(crate) fn is_flat(graph: &Graph, ropes: &Ropes, ordinal: u32) -> bool {
    parts(graph, ordinal).into_iter().any(|part| part != 0 && ropes.units(graph, part) == 0)
}

pub(crate) fn internal_target(graph: &Graph, ordinal: u32, name: &[u8]) -> Option<u32> {
    let mut edges = graph.edges(ordinal);
    let found = edges
        .find(|&e| graph.edge_type[e] == edge::INTERNAL && graph.strings.bytes(graph.edge_name[e]) == name);
    found.map(|e| graph.edge_to[e])
}

/// V8 writes numbers and booleans of a string as nodes `int` and `bool` whose `value` is a string node.
fn value_text(graph: &Graph, ordinal: u32, kind: &[u8]) -> Option<Vec<u8>> {
    if graph.node_type[ordinal as usize] != node::NUMBER || graph.name_bytes(ordinal) != kind {
        return None;
    }
    internal_target(graph, ordinal, b"value").map(|value| graph.name_bytes(value).to_vec())
}

pub(crate) fn is_truncated(graph: &Graph, ordinal: u32) -> bool {
    let target = internal_target(graph, ordinal, b"truncated");
    target.and_then(|t| value_text(graph, t, b"bool")).is_some_and(|text| text == b"true")
}

/// The number as bits of a float, which compare as the numbers do.
fn number_behind(graph: &Graph, ordinal: u32, name: &[u8]) -> Option<u64> {
    let target = internal_target(graph, ordinal, name)?;
    js_parse_int(&value_text(graph, target, b"int")?).map(f64::to_bits)
}

/// The length of a string where the file gives it.
pub(crate) fn string_length(graph: &Graph, ordinal: u32) -> Option<u64> {
    number_behind(graph, ordinal, b"length").map(|bits| f64::from_bits(bits) as u64)
}
