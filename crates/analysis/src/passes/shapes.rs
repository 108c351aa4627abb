//! Shapes of plain objects: `{a, b, c}` classes inferred from their properties.
//!
//! Plain objects with the same sequence of property names are grouped first (one hash look-up per object), and
//! everything after that happens once per distinct sequence. Time: linear in the property edges of plain
//! objects. Memory: 8 bytes per plain object, 4 per name in a distinct sequence.

use foldhash::{HashMap, HashMapExt};

use super::names::format_property;
use stillheap_graph::Graph;
use stillheap_graph::strings::{kind, utf16_len};
use stillheap_graph::types::{edge, node};

/// No shape fits.
pub(crate) const NO_SHAPE: u32 = u32::MAX;

const NAME_LIMIT: usize = 120;

/// A class of plain objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// `{a, b, c}`, WTF-8.
    pub(crate) name: Vec<u8>,
    pub(crate) properties: Vec<Vec<u8>>,
}

/// All plain objects, grouped by their property sequences.
#[derive(Default)]
pub(crate) struct PlainObjects {
    /// Ordinals in file order.
    pub(crate) objects: Vec<u32>,
    /// Sequence of each.
    pub(crate) sequence_of: Vec<u32>,
    /// Name indices of each distinct sequence, `__proto__` included, in order of first appearance.
    sequences: Vec<Box<[u32]>>,
    counts: Vec<u32>,
}

impl PlainObjects {
    pub(crate) fn collect(graph: &Graph) -> PlainObjects {
        let mut out = PlainObjects::default();
        let mut known: HashMap<Box<[u32]>, u32> = HashMap::new();
        let mut names: Vec<u32> = Vec::new();
        // Neighbours in the file often look alike.
        let mut last = u32::MAX;
        for (ordinal, &ty) in graph.node_type.iter().enumerate() {
            if ty != node::OBJECT || graph.name_kind(ordinal as u32) != kind::OBJECT {
                continue;
            }
            let range = graph.edges(ordinal as u32);
            names.clear();
            let edges = graph.edge_type[range.clone()].iter().zip(&graph.edge_name[range]);
            names.extend(edges.filter(|(ty, _)| **ty == edge::PROPERTY).map(|(_, name)| *name));
            let same = out.sequences.get(last as usize).is_some_and(|s| **s == *names);
            if !same {
                last = match known.get(names.as_slice()) {
                    Some(&sequence) => sequence,
                    None => {
                        let sequence = out.sequences.len() as u32;
                        out.sequences.push(names.as_slice().into());
                        out.counts.push(0);
                        known.insert(names.as_slice().into(), sequence);
                        sequence
                    }
                };
            }
            out.counts[last as usize] += 1;
            out.objects.push(ordinal as u32);
            out.sequence_of.push(last);
        }
        out
    }

    /// The shapes worth a class of their own, most used first.
    pub(crate) fn infer(&self, graph: &Graph) -> Vec<Definition> {
        let mut by_name: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut candidates: Vec<(Definition, u64)> = Vec::new();
        for (sequence, &count) in self.sequences.iter().zip(&self.counts) {
            let Some(definition) = candidate(graph, sequence) else { continue };
            match by_name.get(&definition.name) {
                Some(&at) => candidates[at].1 += count as u64,
                None => {
                    by_name.insert(definition.name.clone(), candidates.len());
                    candidates.push((definition, count as u64));
                }
            }
        }
        candidates.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let total = self.objects.len() as u64;
        candidates.retain(|(_, count)| *count >= 2 && count * 1000 >= total);
        candidates.into_iter().map(|(definition, _)| definition).collect()
    }

    /// For each distinct sequence the definition that fits best, or [`NO_SHAPE`].
    ///
    /// A definition fits if its properties are among the object's (as often as it lists them); the one with
    /// most properties wins, the earlier one among equals.
    pub(crate) fn apply(&self, graph: &Graph, definitions: &[Definition]) -> Vec<u32> {
        // (name, how often seen before in this object) → definitions that list it.
        let mut names: HashMap<&[u8], u32> = HashMap::new();
        let mut wanted_by: HashMap<(u32, u32), Vec<u32>> = HashMap::new();
        for (index, definition) in definitions.iter().enumerate() {
            let mut times: HashMap<u32, u32> = HashMap::new();
            for property in &definition.properties {
                let next = names.len() as u32;
                let name = *names.entry(property).or_insert(next);
                let nth = times.entry(name).or_insert(0);
                wanted_by.entry((name, *nth)).or_default().push(index as u32);
                *nth += 1;
            }
        }
        // Names are compared as text: some producers list the same text twice in the string table.
        let mut name_of_string: HashMap<u32, u32> = HashMap::new();
        let mut found = vec![0u32; definitions.len()];
        let mut touched: Vec<u32> = Vec::new();
        let mut times: HashMap<u32, u32> = HashMap::new();
        let fit = |sequence: &[u32]| {
            times.clear();
            for &string in sequence {
                let name = *name_of_string
                    .entry(string)
                    .or_insert_with(|| names.get(graph.strings.bytes(string)).copied().unwrap_or(u32::MAX));
                if name == u32::MAX {
                    continue;
                }
                let nth = times.entry(name).or_insert(0);
                for &definition in wanted_by.get(&(name, *nth)).into_iter().flatten() {
                    if found[definition as usize] == 0 {
                        touched.push(definition);
                    }
                    found[definition as usize] += 1;
                }
                *nth += 1;
            }
            let (mut best, mut best_len) = (NO_SHAPE, 0);
            for definition in touched.drain(..) {
                let len = definitions[definition as usize].properties.len();
                let complete = std::mem::take(&mut found[definition as usize]) as usize == len;
                if complete && (len > best_len || (len == best_len && definition < best)) {
                    (best, best_len) = (definition, len);
                }
            }
            best
        };
        let mut fit = fit;
        self.sequences.iter().map(|sequence| fit(sequence)).collect()
    }
}

fn candidate(graph: &Graph, sequence: &[u32]) -> Option<Definition> {
    let mut name = b"{".to_vec();
    let mut length = 1;
    let mut properties = Vec::new();
    for &string in sequence {
        if graph.strings.kind(string) == kind::PROTO {
            continue;
        }
        let property = graph.strings.bytes(string);
        let formatted = format_property(property);
        let formatted_len = utf16_len(&formatted);
        if length > 1 && length + formatted_len > NAME_LIMIT {
            break;
        }
        if length != 1 {
            name.extend_from_slice(b", ");
            length += 2;
        }
        name.extend_from_slice(&formatted);
        length += formatted_len;
        properties.push(property.to_vec());
    }
    name.push(b'}');
    (!properties.is_empty()).then_some(Definition { name, properties })
}

#[cfg(test)]
mod tests;
