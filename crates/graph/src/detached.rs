//! Detachedness: which native (DOM) nodes hang in no document.
//!
//! V8 marks a few nodes; the mark spreads through native nodes only, attached first, over edges that are not
//! hidden, invisible or weak. Detached native nodes are renamed `Detached …`, which changes their class, so
//! this runs once at load. Files without the field: natives whose name starts with `Detached `.
//! Time: linear in the edges of marked nodes, nothing when no node is marked. Memory: 2 bytes per node then.

use foldhash::{HashMap, HashMapExt};

use crate::graph::Graph;
use crate::strings::kind;
use crate::types::{edge, node};

const ATTACHED: u8 = 1;
const DETACHED: u8 = 2;

pub fn propagate(graph: &mut Graph, has_field: bool) {
    if !has_field {
        graph.detached = from_names(graph).into();
        return;
    }
    if graph.detached.is_empty() {
        return;
    }
    let mut spread = Spread {
        visited: vec![false; graph.node_type.len()],
        attached: Vec::new(),
        detached: Vec::new(),
        renamed: HashMap::new(),
    };
    for ordinal in 0..graph.node_count() {
        let state = graph.detached[ordinal as usize];
        if state != 0 {
            spread.process(graph, ordinal, state);
        }
    }
    while let Some(parent) = spread.attached.pop() {
        spread.children(graph, parent, ATTACHED);
    }
    while let Some(parent) = spread.detached.pop() {
        spread.children(graph, parent, DETACHED);
    }
}

fn from_names(graph: &Graph) -> Vec<u8> {
    let mut states = Vec::new();
    for ordinal in 0..graph.node_count() {
        if graph.node_type[ordinal as usize] != node::NATIVE {
            continue;
        }
        let named = matches!(
            graph.name_kind(ordinal),
            kind::DETACHED | kind::DETACHED_TAG | kind::DETACHED_NATIVE_CONTEXT
        );
        if named {
            states.resize(graph.node_type.len(), 0);
            states[ordinal as usize] = DETACHED;
        }
    }
    states
}

struct Spread {
    visited: Vec<bool>,
    attached: Vec<u32>,
    detached: Vec<u32>,
    /// Old name index to the index of its detached form.
    renamed: HashMap<u32, u32>,
}

impl Spread {
    fn process(&mut self, graph: &mut Graph, ordinal: u32, state: u8) {
        let i = ordinal as usize;
        if std::mem::replace(&mut self.visited[i], true) || graph.node_type[i] != node::NATIVE {
            return;
        }
        graph.detached.edit()[i] = state;
        match state {
            ATTACHED => self.attached.push(ordinal),
            DETACHED => {
                let old = graph.node_name[i];
                let strings = &mut graph.strings;
                let new = *self.renamed.entry(old).or_insert_with(|| {
                    let name = [b"Detached ", strings.bytes(old)].concat();
                    strings.push(&name)
                });
                graph.node_name.edit()[i] = new;
                self.detached.push(ordinal);
            }
            _ => {}
        }
    }

    fn children(&mut self, graph: &mut Graph, parent: u32, state: u8) {
        for e in graph.edges(parent) {
            if !matches!(graph.edge_type[e], edge::HIDDEN | edge::INVISIBLE | edge::WEAK) {
                let child = graph.edge_to[e];
                self.process(graph, child, state);
            }
        }
    }
}
