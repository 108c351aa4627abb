//! Who holds the objects of a class, taken together: by kind of holder, and by path to a root.
//!
//! Paths: of each object the nearest holder is followed up, as DevTools orders them; equal ways (same classes,
//! same edge names, indices not told apart) count together, and a stretch that repeats itself (a list's `next`)
//! counts once. A way ends at a root, or at another object of the class, so that a linked list of N objects costs
//! N steps and not N². At most [`MOST_EXAMINED`] objects are followed, spread evenly, each for at most
//! [`LONGEST`] steps. Memory: 8 bytes per node met, 100 per different way.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use stillheap_analysis::{
    Analysis, EdgeOrdinal, MergedRetainer, NodeInfo, NodeOrdinal, Page, SYSTEM_DISTANCE, UNREACHABLE_DISTANCE,
};

use super::{ClassRetainers, HolderOrder, RetainersRequest};
use crate::failure::Failure;
use crate::opened::View;
use crate::pattern::patterns;
use crate::trees::{MOST_ROWS, TreeShape};

/// Objects whose ways are followed.
const MOST_EXAMINED: usize = 20_000;
/// Steps of a way.
const LONGEST: usize = 64;

/// A way as the numbers of its steps, each with whether it repeats itself.
type Way = Vec<(u32, bool)>;
/// An edge up and the holder.
type Step = (EdgeOrdinal, NodeOrdinal);

/// A kind of holder, and who holds those.
#[derive(Serialize)]
pub struct MergedTree {
    /// The kind.
    #[serde(flatten)]
    pub holder: MergedRetainer,
    /// Who holds these holders; left out above the depth asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retainers: Option<Vec<MergedTree>>,
    /// How many more kinds hold them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<usize>,
}

/// A way to a root that several objects have in common.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MergedPath {
    /// How many of the examined objects.
    pub count: usize,
    /// What stands at its end.
    pub ends_at: PathEnd,
    /// The steps, from the object up.
    pub steps: Vec<MergedStep>,
    /// One of the objects.
    pub example: NodeInfo,
}

/// What stands at the end of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PathEnd {
    /// A global object.
    UserRoot,
    /// A root of the system: a handle, the stack, V8 itself.
    SystemRoot,
    /// Another object of the class.
    SameClass,
    /// It goes on; only its first steps are given.
    Cut,
    /// Nobody holds the last one.
    Unreachable,
}

/// A step of a way.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MergedStep {
    /// Property, variable or field that holds; indices show as `[]`.
    pub edge: String,
    /// V8's edge type.
    pub edge_type: String,
    /// Class of the holder.
    pub class_name: String,
    pub class_key: String,
    /// Name of the holder, if it is a function; empty for an anonymous one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_name: Option<String>,
    /// The step belongs to a stretch that repeats itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
}

impl View<'_> {
    pub(super) fn class_retainers(&self, request: &RetainersRequest) -> Result<ClassRetainers, Failure> {
        let analysis = self.analysis();
        let patterns = patterns(&request.filter)?;
        let members = self.members(&request.target)?;
        let class = self.class_totals(&request.target, &members);
        let (rows, page) = if patterns.is_empty() && request.sort == HolderOrder::Best {
            let found = analysis.merged_retainers_of(&members, request.window.page());
            (found.items, request.window.of(found.total))
        } else {
            let mut all = analysis.merged_retainers_of(&members, Page::ALL).items;
            all.retain(|row| patterns.iter().all(|p| p.matches(&row.class_name)));
            match request.sort {
                HolderOrder::Best => {}
                HolderOrder::Distance => all.sort_by_key(|row| row.distance),
                HolderOrder::Retained => all.sort_by_key(|row| std::cmp::Reverse(row.example.retained_size)),
            }
            let total = all.len();
            request.window.cut(all, total)
        };
        let mut budget = MOST_ROWS;
        let mut seen: HashSet<NodeOrdinal> = members.iter().copied().collect();
        let retainers = rows
            .into_iter()
            .map(|row| self.merged_tree(row, &members, request.shape, 1, &mut seen, &mut budget))
            .collect();
        let (paths, paths_total, examined) = match request.paths {
            0 => (Vec::new(), 0, 0),
            most => merged_paths(analysis, &members, most),
        };
        Ok(ClassRetainers { class, retainers, page, paths, paths_total, examined })
    }

    /// `seen` are the nodes further down, which as holders would only close a cycle.
    fn merged_tree(
        &self,
        row: MergedRetainer,
        held: &[NodeOrdinal],
        shape: TreeShape,
        level: usize,
        seen: &mut HashSet<NodeOrdinal>,
        budget: &mut usize,
    ) -> MergedTree {
        if level >= shape.depth || *budget == 0 {
            return MergedTree { holder: row, retainers: None, more: None };
        }
        let analysis = self.analysis();
        let class = analysis.class_number(row.example.ordinal);
        let mut holders: Vec<NodeOrdinal> = held
            .iter()
            .flat_map(|&n| analysis.holders(n))
            .filter(|&(e, from)| {
                analysis.class_number(from) == class
                    && analysis.edge_type(e) == row.edge_type
                    && merged_name(analysis, e) == row.edge
            })
            .map(|(_, from)| from)
            .collect();
        holders.sort_unstable();
        holders.dedup();
        holders.retain(|&n| analysis.distance(n) > 1 && seen.insert(n));
        let found = analysis.merged_retainers_of(&holders, Page::first(shape.branch));
        *budget = budget.saturating_sub(found.items.len());
        let more = found.total - found.items.len();
        let above = found
            .items
            .into_iter()
            .map(|row| self.merged_tree(row, &holders, shape, level + 1, seen, budget))
            .collect();
        for n in &holders {
            seen.remove(n);
        }
        MergedTree { holder: row, retainers: Some(above), more: Some(more).filter(|&more| more > 0) }
    }
}

/// An edge's name, indices as `[]`.
fn merged_name(analysis: Analysis<'_>, edge: EdgeOrdinal) -> String {
    if let Some(variable) = analysis.block_variable(edge) {
        return String::from_utf8_lossy(analysis.text(variable)).into_owned();
    }
    let name = analysis.edge_name(edge);
    let is_index = matches!(analysis.edge_type(edge), "element" | "hidden")
        || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()));
    if is_index { "[]".to_owned() } else { name.into_owned() }
}

/// The holder to follow: nearest to a root, then the larger one, then the last in the file, as DevTools has them.
fn nearest(analysis: Analysis<'_>, node: NodeOrdinal) -> Option<Step> {
    let mut best: Option<((i32, std::cmp::Reverse<u64>), Step)> = None;
    for (e, from) in analysis.holders(node) {
        let distance = analysis.distance(from);
        // What cannot be reached itself keeps nothing alive.
        let distance = if distance == UNREACHABLE_DISTANCE { i32::MAX } else { distance };
        let key = (distance, std::cmp::Reverse(analysis.self_size(from)));
        if best.as_ref().is_none_or(|(least, _)| key <= *least) {
            best = Some((key, (e, from)));
        }
    }
    best.map(|(_, found)| found)
}

/// The ways of a class's objects, most objects first; how many there are, and how many objects were followed.
fn merged_paths(
    analysis: Analysis<'_>,
    members: &[NodeOrdinal],
    most: usize,
) -> (Vec<MergedPath>, usize, usize) {
    let of_class: HashSet<NodeOrdinal> = members.iter().copied().collect();
    let step_by = members.len().div_ceil(MOST_EXAMINED).max(1);
    let mut kinds: HashMap<(u32, &str, String, Option<String>), u32> = HashMap::new();
    let mut steps: Vec<MergedStep> = Vec::new();
    let mut up: HashMap<NodeOrdinal, Option<(u32, NodeOrdinal)>> = HashMap::new();
    let mut ways: HashMap<(PathEnd, Way), (usize, NodeOrdinal)> = HashMap::new();
    let mut examined = 0;
    for &member in members.iter().step_by(step_by) {
        examined += 1;
        let mut way: Vec<u32> = Vec::new();
        let mut at = member;
        let end = loop {
            let distance = analysis.distance(at);
            if at != member && of_class.contains(&at) {
                break PathEnd::SameClass;
            }
            if distance == 0 || distance == 1 {
                break PathEnd::UserRoot;
            }
            if distance == SYSTEM_DISTANCE || distance == SYSTEM_DISTANCE + 1 {
                break PathEnd::SystemRoot;
            }
            if way.len() == LONGEST {
                break PathEnd::Cut;
            }
            let next = *up.entry(at).or_insert_with(|| {
                let (e, from) = nearest(analysis, at)?;
                // All functions are of one class, but the way through another one is another way.
                let function =
                    (analysis.node_type(from) == "closure").then(|| analysis.name(from).into_owned());
                let (class, edge_type) = (analysis.class_number(from), analysis.edge_type(e));
                let key = (class, edge_type, merged_name(analysis, e), function);
                let kind = *kinds.entry(key).or_insert_with_key(|(_, edge_type, edge, function)| {
                    steps.push(MergedStep {
                        edge: edge.clone(),
                        edge_type: (*edge_type).to_owned(),
                        class_name: analysis.class_name(from),
                        class_key: analysis.class_key(from),
                        function_name: function.clone(),
                        repeats: false,
                    });
                    steps.len() as u32 - 1
                });
                Some((kind, from))
            });
            match next {
                Some((kind, from)) => {
                    way.push(kind);
                    at = from;
                }
                None if distance == UNREACHABLE_DISTANCE => break PathEnd::Unreachable,
                None => break PathEnd::SystemRoot,
            }
        };
        ways.entry((end, fold_repeats(&way))).or_insert((0, member)).0 += 1;
    }
    let mut found: Vec<_> = ways.into_iter().collect();
    found.sort_by(|((end_a, way_a), (count_a, _)), ((end_b, way_b), (count_b, _))| {
        count_b.cmp(count_a).then(way_a.len().cmp(&way_b.len())).then(end_a.cmp(end_b)).then(way_a.cmp(way_b))
    });
    let total = found.len();
    let paths = found.into_iter().take(most).map(|((ends_at, way), (count, example))| MergedPath {
        count,
        ends_at,
        steps: way
            .into_iter()
            .map(|(kind, repeats)| MergedStep { repeats, ..steps[kind as usize].clone() })
            .collect(),
        example: analysis.node(example),
    });
    (paths.collect(), total, examined)
}

/// Writes stretches of up to three steps that follow themselves once, marked.
fn fold_repeats(way: &[u32]) -> Way {
    let mut out = Vec::with_capacity(way.len());
    let mut at = 0;
    'next: while at < way.len() {
        for period in 1..=3 {
            let times = way[at..].chunks_exact(period).take_while(|c| *c == &way[at..at + period]).count();
            if times > 1 {
                out.extend(way[at..at + period].iter().map(|&kind| (kind, true)));
                at += times * period;
                continue 'next;
            }
        }
        out.push((way[at], false));
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::fold_repeats;

    #[test]
    fn stretches_that_repeat_are_written_once() {
        let plain = |way: &[u32]| fold_repeats(way).iter().map(|&(k, _)| k).collect::<Vec<_>>();
        assert_eq!(plain(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(fold_repeats(&[1, 1, 1, 2]), [(1, true), (2, false)]);
        assert_eq!(fold_repeats(&[9, 1, 2, 1, 2, 3]), [(9, false), (1, true), (2, true), (3, false)]);
        assert_eq!(plain(&[1, 2, 3, 1, 2, 3, 1]), [1, 2, 3, 1]);
        assert!(plain(&[]).is_empty());
    }
}
