//! Who holds a node, and who holds the objects of a class.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;

use super::{EdgeInfo, NodeInfo};
use crate::page::{Page, Paged};
use crate::snapshot::{Analysis, EdgeOrdinal, NodeOrdinal};
use stillheap_graph::Result;
use stillheap_graph::types::edge;

/// One kind of holder of a class's objects.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MergedRetainer {
    /// Class of the holders.
    pub class_key: String,
    pub class_name: String,
    /// Property, variable or field that holds; indices are merged as `[]`.
    pub edge: String,
    /// V8's edge type.
    pub edge_type: String,
    /// Objects of the class held this way.
    pub objects: u64,
    pub holders: u64,
    pub edges: u64,
    /// Smallest distance of a holder.
    pub distance: i32,
    /// One holder to look at, the nearest.
    pub example: NodeInfo,
}

impl<'s> Analysis<'s> {
    /// Whether DevTools shows the edge among retainers.
    pub(crate) fn retains(&self, e: u32, from: u32) -> bool {
        let graph = self.graph();
        from != graph.root && !matches!(graph.edge_type[e as usize], edge::WEAK | edge::INVISIBLE)
    }

    /// (edge, holder) pairs in DevTools' order: by distance, then larger holders first.
    pub(crate) fn retainer_edges(&self, node: NodeOrdinal) -> Vec<(u32, u32)> {
        let (distance, size) = (&self.snapshot.reach().distance, self.size_fn());
        // DevTools keeps them in reverse file order, which decides between equals.
        let retainers = self.snapshot.retainers().of(self.graph(), node.0).rev();
        let mut list: Vec<(u32, u32)> = retainers.filter(|&(e, from)| self.retains(e, from)).collect();
        list.sort_by_key(|&(_, from)| (distance[from as usize], std::cmp::Reverse(size(from))));
        list
    }

    /// Who holds a node, without root, weak and invisible edges; nearest first. The Retainers view.
    pub fn retainers(&self, node: NodeOrdinal, page: Page) -> Paged<EdgeInfo> {
        Paged::of(&self.retainer_edges(node), page, |&(e, from)| self.edge_info(e, from))
    }

    /// Who holds the objects of a class, merged by the holders' class and the edge's name; most objects first.
    pub fn merged_retainers(&self, class: &str, page: Page) -> Result<Paged<MergedRetainer>> {
        Ok(self.merged_retainers_of(&self.class_members(class)?, page))
    }

    /// The same for any set of nodes.
    pub fn merged_retainers_of(&self, nodes: &[NodeOrdinal], page: Page) -> Paged<MergedRetainer> {
        struct Sum {
            objects: u64,
            last_object: u32,
            edges: u64,
            holders: Vec<u32>,
            nearest: u32,
            edge: u32,
        }
        let (graph, snapshot) = (self.graph(), self.snapshot);
        let classes = snapshot.classes();
        let distance = &snapshot.reach().distance;
        let retainers = snapshot.retainers();
        let mut sums: HashMap<(u32, u8, u32), Sum> = HashMap::new();
        for node in nodes {
            for (e, from) in retainers.of(graph, node.0).filter(|&(e, from)| self.retains(e, from)) {
                let ty = graph.edge_type[e as usize];
                let name = match self.block_variable_of(NodeOrdinal(from), EdgeOrdinal(e)) {
                    None if !stillheap_graph::types::has_string_name(ty) => None,
                    None => Some(graph.edge_name[e as usize]),
                    variable => variable,
                };
                let name = name.filter(|&name| !is_index(graph.strings.bytes(name)));
                let merged_name = name.unwrap_or(u32::MAX);
                let sum = sums.entry((classes.of_node[from as usize], ty, merged_name)).or_insert(Sum {
                    objects: 0,
                    last_object: u32::MAX,
                    edges: 0,
                    holders: Vec::new(),
                    nearest: from,
                    edge: e,
                });
                sum.edges += 1;
                if std::mem::replace(&mut sum.last_object, node.0) != node.0 {
                    sum.objects += 1;
                }
                if sum.holders.last() != Some(&from) {
                    sum.holders.push(from);
                }
                if distance[from as usize] < distance[sum.nearest as usize] {
                    sum.nearest = from;
                }
            }
        }
        let mut rows: Vec<((u32, u8, u32), Sum)> = sums.into_iter().collect();
        rows.sort_by_key(|(key, sum)| {
            (std::cmp::Reverse(sum.objects), distance[sum.nearest as usize], sum.edge, *key)
        });
        let total = rows.len();
        let items = rows.drain(page.range(total)).map(|((class, ty, name), mut sum)| {
            sum.holders.sort_unstable();
            sum.holders.dedup();
            let class = &classes.list[class as usize];
            let numbered = name == u32::MAX;
            MergedRetainer {
                class_key: class.key(),
                class_name: String::from_utf8_lossy(&class.name).into_owned(),
                edge: if numbered { "[]".to_owned() } else { graph.strings.text(name).into_owned() },
                edge_type: graph.edge_type_name(ty).to_owned(),
                objects: sum.objects,
                holders: sum.holders.len() as u64,
                edges: sum.edges,
                distance: distance[sum.nearest as usize],
                example: self.node(NodeOrdinal(sum.nearest)),
            }
        });
        Paged { items: items.collect(), total }
    }
}

fn is_index(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}
