//! Classes and their instances.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;

use super::{NodeInfo, Page, Paged};
use crate::bits::Bits;
use crate::error::{Error, Result};
use crate::passes::{aggregates, filters, native_contexts};
use crate::{Analysis, Filter, Location, NodeOrdinal};

/// A class as in DevTools' Summary view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassRow {
    /// `scriptId,line,column,Name` or `,Name`; the same for the same class in every snapshot of a program.
    pub key: String,
    /// What to show.
    pub name: String,
    /// Objects of non-zero size.
    pub count: u64,
    /// Smallest distance of an object of the class.
    pub distance: i32,
    /// Sum of self sizes in bytes.
    pub shallow_size: u64,
    /// Bytes that would be freed with all of them, none counted twice.
    pub retained_size: u64,
    /// Position of the constructor, if the snapshot has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// Order of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassSort {
    /// Largest retained size first, as DevTools does.
    #[default]
    RetainedSize,
    /// Largest shallow size first.
    ShallowSize,
    /// Most objects first.
    Count,
    /// Nearest first.
    Distance,
    /// By name.
    Name,
    /// In order of first appearance in the file.
    File,
}

/// All classes of a snapshot (or of a filtered part of it), in file order of their first object.
#[derive(Clone, Debug)]
pub struct ClassTable {
    /// The rows.
    pub rows: Vec<ClassRow>,
    /// Internal class of each row.
    pub(crate) class: Vec<u32>,
}

impl ClassTable {
    /// Rows in an order, ties by name and key.
    pub fn sorted(&self, sort: ClassSort, page: Page) -> Paged<ClassRow> {
        let mut order: Vec<&ClassRow> = self.rows.iter().collect();
        let by = |a: &ClassRow, b: &ClassRow| match sort {
            ClassSort::RetainedSize => b.retained_size.cmp(&a.retained_size),
            ClassSort::ShallowSize => b.shallow_size.cmp(&a.shallow_size),
            ClassSort::Count => b.count.cmp(&a.count),
            ClassSort::Distance => a.distance.cmp(&b.distance),
            ClassSort::Name => a.name.cmp(&b.name),
            ClassSort::File => std::cmp::Ordering::Equal,
        };
        if sort != ClassSort::File {
            order.sort_by(|a, b| by(a, b).then_with(|| a.name.cmp(&b.name)).then_with(|| a.key.cmp(&b.key)));
        }
        Paged::of(&order, page, |row| (*row).clone())
    }

    /// The row with a key.
    pub fn get(&self, key: &str) -> Option<&ClassRow> {
        self.rows.iter().find(|row| row.key == key)
    }

    /// Row numbers whose key, or else whose name, is `text`.
    fn find(&self, text: &str) -> Vec<usize> {
        let with = |f: &dyn Fn(&ClassRow) -> bool| {
            (0..self.rows.len()).filter(|&i| f(&self.rows[i])).collect::<Vec<_>>()
        };
        let exact = with(&|row| row.key == text);
        if exact.is_empty() { with(&|row| row.name == text) } else { exact }
    }
}

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

pub(crate) fn build_class_table(analysis: &Analysis<'_>, kept: Option<&Bits>) -> ClassTable {
    let snapshot = analysis.snapshot;
    let classes = snapshot.classes();
    let rows = aggregates::compute(
        classes,
        analysis.dominators(),
        analysis.retained(),
        analysis.tree(),
        &snapshot.reach().distance,
        analysis.size_fn(),
        |ordinal| kept.is_none_or(|kept| kept.get(ordinal)),
    );
    let mut table = ClassTable { rows: Vec::new(), class: Vec::new() };
    for (key, row) in aggregates::by_key(rows, &classes.list) {
        let class = &classes.list[row.class as usize];
        table.class.push(row.class);
        table.rows.push(ClassRow {
            key,
            name: String::from_utf8_lossy(&class.name).into_owned(),
            count: row.count,
            distance: row.distance,
            shallow_size: row.size,
            retained_size: row.retained,
            location: class.location,
        });
    }
    table
}

impl<'s> Analysis<'s> {
    /// The classes, all or of a part of the nodes.
    pub fn classes(&self, filter: Option<NodeFilter>) -> std::borrow::Cow<'s, ClassTable> {
        match filter {
            None => std::borrow::Cow::Borrowed(self.table()),
            Some(filter) => std::borrow::Cow::Owned(build_class_table(self, Some(&self.kept(filter)))),
        }
    }

    /// The nodes that a filter keeps.
    pub(crate) fn kept(&self, filter: NodeFilter) -> Bits {
        let (graph, snapshot) = (self.graph(), self.snapshot);
        let nodes = graph.node_type.len();
        match filter {
            NodeFilter::Named(filter) => filters::compute(
                graph,
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
            *by_owner.entry(owner).or_default() += size(ordinal as u32);
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

/// Sizes by native context.
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

/// One native context.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeContextSize {
    /// The context's own node.
    pub node: NodeInfo,
    /// Bytes that belong to it.
    pub attributed_size: u64,
}
