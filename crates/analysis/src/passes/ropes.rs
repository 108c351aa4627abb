//! Concatenated strings as whole texts: each node's length, hash and where its shown beginning starts.
//!
//! A text built by `+=` is a tree as deep as it has parts, and every step of its building is a node of it. Walked from
//! each node anew, that is quadratic. Here every node is looked at once, parts before wholes: the hash of a whole is
//! computed from those of its parts (Karp and Rabin 1987: a polynomial modulo a prime, so that it doesn't depend on
//! where the text is divided). Time: one step per concatenated string, and one per byte of their flat parts. Memory:
//! 36 bytes per concatenated string.

use stillheap_graph::Graph;
use stillheap_graph::strings::{kind, utf16_len};
use stillheap_graph::types::{edge, node};

/// Characters up to which V8 writes a string, and DevTools joins parts.
pub(crate) const SHOWN: usize = 1024;
/// 2^61 - 1.
const PRIME: u64 = (1 << 61) - 1;
/// Any number between the largest byte and the prime.
const BASE: u64 = 0x1a2b_3c4d_5e6f_7081 % PRIME;

/// A whole text: two texts with the same value are the same, but for a chance of about one in 10^15 a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextIdentity {
    hash: u64,
    units: u64,
}

/// A hash that can be put together.
#[derive(Clone, Copy)]
struct Text {
    hash: u64,
    /// BASE to the power of the number of bytes.
    power: u64,
    /// UTF-16 units.
    units: u64,
}

const EMPTY: Text = Text { hash: 0, power: 1, units: 0 };

/// The concatenated strings of a snapshot.
pub(crate) struct Ropes {
    /// In ascending order.
    nodes: Vec<u32>,
    texts: Vec<Text>,
    /// The node further down the left side that begins with the same characters, as far as those are shown.
    begins: Vec<u32>,
}

/// The two parts. Without a part DevTools goes on with node 0, whose name is empty in V8's files.
pub(crate) fn parts(graph: &Graph, cons: u32) -> [u32; 2] {
    let (mut first, mut second) = (0, 0);
    for e in graph.edges(cons) {
        if first != 0 && second != 0 {
            break;
        }
        if graph.edge_type[e] == edge::INTERNAL {
            match graph.strings.kind(graph.edge_name[e]) {
                kind::FIRST => first = graph.edge_to[e],
                kind::SECOND => second = graph.edge_to[e],
                _ => {}
            }
        }
    }
    [first, second]
}

impl Ropes {
    pub(crate) fn compute(graph: &Graph) -> Ropes {
        let is_cons = |n: u32| graph.node_type[n as usize] == node::CONS_STRING;
        let nodes: Vec<u32> = (0..graph.node_count()).filter(|&n| is_cons(n)).collect();
        let mut ropes = Ropes { texts: vec![EMPTY; nodes.len()], begins: nodes.clone(), nodes };
        let mut done = vec![false; ropes.nodes.len()];
        let mut open = vec![false; ropes.nodes.len()];
        let mut stack = Vec::new();
        for top in 0..ropes.nodes.len() {
            stack.push(top);
            while let Some(&at) = stack.last() {
                if done[at] {
                    stack.pop();
                    continue;
                }
                let parts = parts(graph, ropes.nodes[at]);
                // Of a circle, which only a damaged file has, what is open already counts as empty.
                let waits = |ropes: &Ropes, open: &[bool]| {
                    let places = parts.into_iter().filter_map(|part| ropes.place(part));
                    places.filter(|&place| !done[place] && !open[place]).collect::<Vec<_>>()
                };
                if !open[at] {
                    open[at] = true;
                    let below = waits(&ropes, &open);
                    if !below.is_empty() {
                        stack.extend(below);
                        continue;
                    }
                }
                let [first, second] = parts.map(|part| ropes.part(graph, part));
                ropes.texts[at] = first.and(second);
                if first.units >= SHOWN as u64
                    && let Some(place) = ropes.place(parts[0])
                {
                    ropes.begins[at] = ropes.begins[place];
                }
                done[at] = true;
                stack.pop();
            }
        }
        ropes
    }

    fn place(&self, n: u32) -> Option<usize> {
        self.nodes.binary_search(&n).ok()
    }

    fn part(&self, graph: &Graph, n: u32) -> Text {
        self.place(n).map_or_else(|| flat(graph, n), |place| self.texts[place])
    }

    /// Where to begin joining the parts of a concatenated string for showing it.
    pub(crate) fn begin(&self, n: u32) -> u32 {
        self.place(n).map_or(n, |place| self.begins[place])
    }

    /// UTF-16 units of a string's text, as far as V8 has written its parts.
    pub(crate) fn units(&self, graph: &Graph, n: u32) -> u64 {
        self.part(graph, n).units
    }

    /// What a string's whole text is.
    pub(crate) fn identity(&self, graph: &Graph, n: u32) -> TextIdentity {
        let Text { hash, units, .. } = self.part(graph, n);
        TextIdentity { hash, units }
    }
}

/// A string in one piece. Of one that V8 has cut, the size tells how long it was.
fn flat(graph: &Graph, n: u32) -> Text {
    let bytes = graph.name_bytes(n);
    let text = bytes.iter().fold(EMPTY, |text, &byte| text.with(u64::from(byte) + 1));
    let units = utf16_len(bytes) as u64;
    let text = match graph.node_type[n as usize] {
        // Slices have no text in the file: each counts as one of its own.
        node::SLICED_STRING => text.with(u64::from(n) + 1),
        _ if is_cut(graph, n) => text.with(graph.size(n) % PRIME),
        _ => text,
    };
    Text { units, ..text }
}

/// Whether V8 may have left out the end of a string in one piece.
pub(crate) fn is_cut(graph: &Graph, n: u32) -> bool {
    graph.node_type[n as usize] == node::STRING
        && graph.name_bytes(n).len() >= SHOWN - 1
        && utf16_len(graph.name_bytes(n)) >= SHOWN - 1
}

impl Text {
    fn with(self, byte: u64) -> Text {
        let hash = (multiply(self.hash, BASE) + byte) % PRIME;
        Text { hash, power: multiply(self.power, BASE), units: self.units }
    }

    fn and(self, other: Text) -> Text {
        Text {
            hash: (multiply(self.hash, other.power) + other.hash) % PRIME,
            power: multiply(self.power, other.power),
            units: self.units.saturating_add(other.units),
        }
    }
}

fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let (low, high) = ((product as u64) & PRIME, (product >> 61) as u64);
    let sum = low + high;
    if sum >= PRIME { sum - PRIME } else { sum }
}
