//! Closures by function: which variables their contexts keep alive, and how much.
//!
//! V8 makes one context per scope and shares it between all closures made there; a variable that one of them
//! uses stays alive as long as any of them. So each function lists the variables of its context whether it
//! uses them or not, and the functions that share the context with it.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use stillheap_graph::sums::add;

use super::{NodeInfo, SourcePosition};
use crate::page::{Page, Paged};
use crate::passes::duplicates;
use crate::snapshot::{Analysis, NodeOrdinal};
use stillheap_graph::types::{edge, node};

/// All closures of one function.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosureRow {
    /// Function name, empty for an anonymous one.
    pub name: String,
    /// Where the function is.
    pub position: Option<SourcePosition>,
    /// Closures of the function.
    pub count: u64,
    /// Different contexts that they hold.
    pub contexts: u64,
    /// Bytes that those contexts retain, nothing counted twice.
    pub retained_size: u64,
    /// The contexts' variables, largest retained size first.
    pub variables: Vec<ContextVariable>,
    /// Other functions whose closures hold one of the same contexts.
    pub shared_with: Vec<SharedFunction>,
    /// One closure to look at, the one with the largest context.
    pub example: NodeInfo,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextVariable {
    pub name: String,
    /// Different objects it holds, over all contexts.
    pub objects: u64,
    /// Bytes that those retain, nothing counted twice.
    pub retained_size: u64,
    /// The largest of them.
    pub example: NodeInfo,
}

/// A function that shares a context with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SharedFunction {
    /// Function name, empty for an anonymous one.
    pub name: String,
    /// Where the function is.
    pub position: Option<SourcePosition>,
    /// Contexts that both hold.
    pub contexts: u64,
}

struct Function {
    closures: Vec<u32>,
    contexts: Vec<u32>,
}

impl<'s> Analysis<'s> {
    /// Functions that have closures, largest retained size of their contexts first.
    pub fn closures(&self, page: Page) -> Paged<ClosureRow> {
        let graph = self.graph();
        // By the function's shared info where there is one, else by the closure's own position.
        let mut index: HashMap<u64, u32> = HashMap::new();
        let mut functions: Vec<Function> = Vec::new();
        let mut users: HashMap<u32, Vec<u32>> = HashMap::new();
        for closure in (0..graph.node_count()).filter(|&n| graph.node_type[n as usize] == node::CLOSURE) {
            let Some(context) = duplicates::internal_target(graph, closure, b"context") else { continue };
            let key = match duplicates::internal_target(graph, closure, b"shared") {
                Some(shared) => shared as u64,
                None => 1 << 32 | closure as u64,
            };
            let next = functions.len() as u32;
            let at = *index.entry(key).or_insert(next);
            if at == next {
                functions.push(Function { closures: Vec::new(), contexts: Vec::new() });
            }
            let function = &mut functions[at as usize];
            function.closures.push(closure);
            function.contexts.push(context);
            let users = users.entry(context).or_default();
            if !users.contains(&at) {
                users.push(at);
            }
        }
        for function in &mut functions {
            function.contexts.sort_unstable();
            function.contexts.dedup();
        }
        let mut order: Vec<(u64, u32)> = functions
            .iter()
            .enumerate()
            .map(|(i, f)| (self.retained_by_all(&f.contexts), i as u32))
            .collect();
        order.sort_by_key(|&(retained, i)| (std::cmp::Reverse(retained), i));
        Paged::of(&order, page, |&(retained, i)| self.closure_row(&functions, &users, i, retained))
    }

    fn closure_row(
        &self,
        functions: &[Function],
        users: &HashMap<u32, Vec<u32>>,
        i: u32,
        retained: u64,
    ) -> ClosureRow {
        let graph = self.graph();
        let function = &functions[i as usize];
        let label = |f: &Function| {
            (self.name(NodeOrdinal(f.closures[0])).into_owned(), self.closure_position(f.closures[0]))
        };
        let mut shared: HashMap<u32, u64> = HashMap::new();
        for other in function.contexts.iter().filter_map(|c| users.get(c)).flatten().filter(|&&o| o != i) {
            *shared.entry(*other).or_default() += 1;
        }
        let mut shared: Vec<(u32, u64)> = shared.into_iter().collect();
        shared.sort_by_key(|&(other, contexts)| (std::cmp::Reverse(contexts), other));
        let largest = function.closures.iter().copied().max_by_key(|&c| {
            let context = duplicates::internal_target(graph, c, b"context");
            (context.map(|c| self.retained_size(NodeOrdinal(c))), std::cmp::Reverse(c))
        });
        let (name, position) = label(function);
        ClosureRow {
            name,
            position,
            count: function.closures.len() as u64,
            contexts: function.contexts.len() as u64,
            retained_size: retained,
            variables: self.context_variables(&function.contexts),
            shared_with: shared
                .into_iter()
                .map(|(other, contexts)| {
                    let (name, position) = label(&functions[other as usize]);
                    SharedFunction { name, position, contexts }
                })
                .collect(),
            example: self.node(NodeOrdinal(largest.unwrap_or(function.closures[0]))),
        }
    }

    /// Variables of contexts, merged by name.
    fn context_variables(&self, contexts: &[u32]) -> Vec<ContextVariable> {
        let graph = self.graph();
        let mut by_name: HashMap<u32, Vec<u32>> = HashMap::new();
        for &context in contexts {
            for e in graph.edges(context).filter(|&e| graph.edge_type[e] == edge::CONTEXT) {
                by_name.entry(graph.edge_name[e]).or_default().push(graph.edge_to[e]);
            }
            for (e, name) in self.block_variables(context) {
                by_name.entry(name).or_default().push(graph.edge_to[e as usize]);
            }
        }
        let mut variables: Vec<(u32, ContextVariable)> = by_name
            .into_iter()
            .map(|(name, mut targets)| {
                targets.sort_unstable();
                targets.dedup();
                let largest = targets
                    .iter()
                    .copied()
                    .max_by_key(|&t| (self.retained_size(NodeOrdinal(t)), std::cmp::Reverse(t)));
                let variable = ContextVariable {
                    name: graph.strings.text(name).into_owned(),
                    objects: targets.len() as u64,
                    retained_size: self.retained_by_all(&targets),
                    example: self.node(NodeOrdinal(largest.unwrap_or(graph.root))),
                };
                (name, variable)
            })
            .collect();
        variables.sort_by_key(|(name, v)| (std::cmp::Reverse(v.retained_size), *name));
        variables.into_iter().map(|(_, variable)| variable).collect()
    }

    /// Position of a closure with its script's name.
    fn closure_position(&self, closure: u32) -> Option<SourcePosition> {
        self.graph().location(closure).map(|l| self.position(l))
    }

    /// Bytes that a set of nodes retains: what one of them dominates counts once.
    pub(crate) fn retained_by_all(&self, nodes: &[u32]) -> u64 {
        let (dominators, tree, retained) = (self.dominators(), self.tree(), self.retained());
        let mut parts: Vec<(u32, u32)> = nodes
            .iter()
            .map(|&n| {
                let number = dominators.number[n as usize];
                (tree.position(number), number)
            })
            .collect();
        parts.sort_unstable();
        let (mut covered, mut sum) = (0, 0);
        for (position, number) in parts {
            if position >= covered {
                add(&mut sum, retained[number as usize]);
                covered = position + tree.span[number as usize];
            }
        }
        sum
    }

    /// Bytes that a set of nodes retains together (nothing counted twice).
    pub fn retained_size_of_all(&self, nodes: &[NodeOrdinal]) -> u64 {
        let ordinals: Vec<u32> = nodes.iter().map(|n| n.0).collect();
        self.retained_by_all(&ordinals)
    }

    /// Name of a script: from the functions tracked with allocations, or from a closure of the script.
    pub(crate) fn script_name(&self, script_id: i64) -> Option<String> {
        self.snapshot.scripts().get(&script_id).cloned()
    }
}
