//! Names of block-scoped variables.
//!
//! V8 names a context's variables only where the context is a function's, a script's or a module's. Those of a block
//! (`{ const cache = []; … }`, the body of a loop, a `catch`, a `switch`, a class) it writes as hidden edges with a
//! number that counts pointers: a small integer takes a place in the context, but no number. The context's scope lists
//! the names of all places in order. So a pointer's place is its number, plus the small integers before it; where the
//! scope has as many names as there are pointers there are none, and a function that has the name of its place tells
//! how many come before it. What may still be one of several is not named.
//!
//! A redacted file has placeholders instead of these names, so there nothing is named.
//!
//! Time: the edges of the context and of its scope, for each question. DevTools shows such edges by their number.

use crate::passes::duplicates::internal_target;
use crate::snapshot::{Analysis, EdgeOrdinal, NodeOrdinal};
use stillheap_graph::Graph;
use stillheap_graph::types::{edge, node};

/// More edges than V8 gives a block's context or its scope: it keeps no more than 75 names there in order.
const MOST_EDGES: usize = 256;

impl Analysis<'_> {
    /// Name of the block-scoped variable that a hidden edge of a context is, as a number for [`Analysis::text`]; None
    /// for every other edge, and where it could be one of several.
    pub fn block_variable(&self, edge: EdgeOrdinal) -> Option<u32> {
        let graph = self.graph();
        let hidden = graph.edge_type[edge.0 as usize] == edge::HIDDEN;
        hidden.then(|| self.block_variable_of(NodeOrdinal(graph.source(edge.0)), edge)).flatten()
    }

    /// The same where the node that the edge comes from is known, which saves looking for it.
    pub fn block_variable_of(&self, from: NodeOrdinal, edge: EdgeOrdinal) -> Option<u32> {
        let graph = self.graph();
        if graph.edge_type[edge.0 as usize] != edge::HIDDEN {
            return None;
        }
        self.block_variables(from.0).into_iter().find(|&(e, _)| e == edge.0).map(|(_, name)| name)
    }

    /// Edges of a block's context that are variables, with their names.
    pub(crate) fn block_variables(&self, context: u32) -> Vec<(u32, u32)> {
        let is_redacted = || {
            let ours = self.snapshot.header().stillheap();
            ours.and_then(|ours| ours.get("redacted")).is_some_and(|redacted| !redacted.is_null())
        };
        named(self.graph(), context).filter(|_| !is_redacted()).unwrap_or_default()
    }
}

fn named(graph: &Graph, context: u32) -> Option<Vec<(u32, u32)>> {
    let is_context = matches!(graph.node_type[context as usize], node::OBJECT | node::HIDDEN)
        && graph.name_bytes(context).starts_with(b"system / Context");
    if !is_context || graph.edges(context).len() > MOST_EDGES {
        return None;
    }
    if graph.edges(context).any(|e| graph.edge_type[e] == edge::CONTEXT) {
        return None;
    }
    let pointers = numbered(graph, context);
    let last = pointers.last()?.0;
    let scope = internal_target(graph, context, b"scope_info")?;
    if graph.edges(scope).len() > MOST_EDGES {
        return None;
    }
    let names: Vec<u32> = numbered(graph, scope)
        .into_iter()
        .map(|(_, e)| graph.edge_to[e as usize])
        .filter(|&to| graph.node_type[to as usize] == node::STRING)
        .map(|to| graph.node_name[to as usize])
        .collect();
    let integers = (names.len() as u32).checked_sub(last.checked_add(1)?)?;
    // Least and most integers before each pointer.
    let mut bounds: Vec<(u32, u32)> = vec![(0, integers); pointers.len()];
    let mut least = 0;
    for (&(number, e), bound) in pointers.iter().zip(&mut bounds) {
        let to = graph.edge_to[e as usize];
        if graph.node_type[to as usize] == node::CLOSURE {
            let name = graph.node_name[to as usize];
            let mut own = (least..=integers).filter(|before| names[(number + before) as usize] == name);
            if let (Some(before), None) = (own.next(), own.next()) {
                *bound = (before, before);
            }
        }
        bound.0 = bound.0.max(least);
        least = bound.0;
    }
    let mut most = integers;
    for bound in bounds.iter_mut().rev() {
        bound.1 = bound.1.min(most);
        most = bound.1;
    }
    let certain = pointers.into_iter().zip(bounds).filter(|(_, (least, most))| least == most);
    Some(certain.map(|((number, e), (before, _))| (e, names[(number + before) as usize])).collect())
}

/// A node's hidden edges: their numbers, ascending, and themselves.
fn numbered(graph: &Graph, from: u32) -> Vec<(u32, u32)> {
    let hidden = graph.edges(from).filter(|&e| graph.edge_type[e] == edge::HIDDEN);
    let mut found: Vec<(u32, u32)> = hidden.map(|e| (graph.edge_name[e], e as u32)).collect();
    found.sort_unstable();
    found
}
