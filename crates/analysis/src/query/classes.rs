//! Classes and their instances.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use stillheap_graph::sums::add;

use super::NodeInfo;
use crate::bits::Bits;
use crate::page::{Page, Paged};
use crate::passes::table::ClassTable;

use crate::passes::filters::Filter;
use crate::passes::{filters, native_contexts};
use crate::snapshot::{Analysis, NodeOrdinal};
use stillheap_graph::{Error, Result};

/// Which nodes to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFilter {
    /// One of DevTools' filters.
    Named(Filter),
    /// Nodes of one native context, given by its node.
    NativeContext(NodeOrdinal),
    /// Ids above the first and up to the second: what was allocated between two snapshots or samples.
    Ids(u64, u64),
    /// Nodes allocated by a call site of the trace tree (its row in the timeline).
    TraceNode(u32),
}

/// Order of instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeSort {
    /// Largest retained size first.
    #[default]
    RetainedSize,
    /// Largest self size first.
    SelfSize,
    /// Nearest first.
    Distance,
    /// By id: roughly the order of creation.
    Id,
}

impl<'s> Analysis<'s> {
    /// The classes, all or of a part of the nodes.
    pub fn classes(&self, filter: Option<NodeFilter>) -> std::borrow::Cow<'s, ClassTable> {
        match filter {
            None => std::borrow::Cow::Borrowed(self.table()),
            Some(filter) => std::borrow::Cow::Owned(self.table_of(Some(&self.kept(filter)))),
        }
    }

    /// The nodes that a filter keeps.
    pub(crate) fn kept(&self, filter: NodeFilter) -> Bits {
        let (graph, snapshot) = (self.graph(), self.snapshot);
        let nodes = graph.node_type.len();
        match filter {
            NodeFilter::Named(filter) => filters::compute(
                graph,
                || snapshot.ropes(),
                filter,
                &snapshot.reach().distance,
                || native_contexts::compute(graph),
                self.size_fn(),
            ),
            NodeFilter::NativeContext(context) => {
                let owner = &snapshot.native_contexts().owner;
                Bits::from_fn(nodes, |i| owner[i as usize] == context.0)
            }
            NodeFilter::Ids(above, up_to) => Bits::from_fn(nodes, |i| {
                let id = graph.id(i);
                above < id && id <= up_to
            }),
            NodeFilter::TraceNode(row) => {
                let wanted = graph.trace_tree.id.get(row as usize).copied();
                Bits::from_fn(nodes, |i| {
                    let trace = graph.node_trace.get(i as usize).copied().unwrap_or(0);
                    trace != 0 && Some(trace) == wanted
                })
            }
        }
    }

    /// Name of a node's class.
    pub fn class_name(&self, node: NodeOrdinal) -> String {
        let classes = self.snapshot.classes();
        String::from_utf8_lossy(&classes.list[classes.of_node[node.0 as usize] as usize].name).into_owned()
    }

    /// Key of a node's class.
    pub fn class_key(&self, node: NodeOrdinal) -> String {
        let classes = self.snapshot.classes();
        classes.list[classes.of_node[node.0 as usize] as usize].key()
    }

    /// All objects of a class, given by key or name. A name may stand for several classes; all count then.
    pub fn class_members(&self, class: &str) -> Result<Vec<NodeOrdinal>> {
        let table = self.table();
        let rows = table.find(class);
        if rows.is_empty() {
            return Err(Error::not_found(format!("no class `{class}` in this snapshot")));
        }
        let classes = self.snapshot.classes();
        let mut wanted = vec![false; classes.list.len()];
        for row in rows {
            wanted[table.class[row] as usize] = true;
        }
        let size = self.size_fn();
        let ordinals =
            (0..self.graph().node_count()).filter(|&n| wanted[classes.of_node[n as usize] as usize]);
        Ok(ordinals.filter(|&n| size(n) != 0).map(NodeOrdinal).collect())
    }

    /// Objects of a class in an order.
    pub fn instances(&self, class: &str, sort: NodeSort, page: Page) -> Result<Paged<NodeInfo>> {
        let mut members = self.class_members(class)?;
        self.sort_nodes(&mut members, sort);
        Ok(Paged::of(&members, page, |n| self.node(*n)))
    }

    /// Sorts nodes; ties stay in file order.
    pub fn sort_nodes(&self, nodes: &mut [NodeOrdinal], sort: NodeSort) {
        match sort {
            NodeSort::RetainedSize => nodes.sort_by_key(|n| std::cmp::Reverse(self.retained_size(*n))),
            NodeSort::SelfSize => nodes.sort_by_key(|n| std::cmp::Reverse(self.self_size(*n))),
            NodeSort::Distance => nodes.sort_by_key(|n| self.distance(*n)),
            NodeSort::Id => nodes.sort_by_key(|n| self.graph().id(n.0)),
        }
    }

    /// How much belongs to each native context (realm).
    pub fn native_contexts(&self) -> NativeContextSizes {
        let contexts = self.snapshot.native_contexts();
        let size = self.size_fn();
        let mut by_owner: HashMap<u32, u64> = HashMap::new();
        for (ordinal, &owner) in contexts.owner.iter().enumerate() {
            add(by_owner.entry(owner).or_default(), size(ordinal as u32));
        }
        let of = |owner: u32| by_owner.get(&owner).copied().unwrap_or(0);
        NativeContextSizes {
            contexts: contexts
                .list
                .iter()
                .map(|&n| NativeContextSize { node: self.node(NodeOrdinal(n)), attributed_size: of(n) })
                .collect(),
            shared_size: of(native_contexts::SHARED),
            no_attribution_size: of(native_contexts::NONE),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeContextSizes {
    /// The contexts in file order.
    pub contexts: Vec<NativeContextSize>,
    /// Bytes that several contexts reach.
    pub shared_size: u64,
    /// Bytes that none reaches.
    pub no_attribution_size: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeContextSize {
    /// The context's own node.
    pub node: NodeInfo,
    /// Bytes that belong to it.
    pub attributed_size: u64,
}
