//! Asks the core everything about a small snapshot and checks what must be true of any answer, whatever the graph.
//! Shared with the fuzz targets. Quadratic in places, so for graphs of some hundred nodes.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;

use stillheap_analysis::{
    Analysis, ClassSort, ClassTree, DiffSort, DuplicateSort, EdgeSort, Filter, GrowthSort, MatchedBy,
    Matching, Model, NodeFilter, NodeOrdinal, NodeSort, Page, Result, Sameness, SiteSort, Snapshot, compare,
    growth, series,
};
use stillheap_snapshot::ReadOptions;

const FILTERS: [Filter; 7] = [
    Filter::RetainedByContexts,
    Filter::RetainedByDetachedDomNodes,
    Filter::RetainedByConsole,
    Filter::RetainedByEventHandlers,
    Filter::DuplicatedStrings,
    Filter::SharedNativeContext,
    Filter::NoNativeContext,
];

/// Reads a file from memory, on one thread or two.
pub fn read(bytes: &[u8], salvage: bool, threads: usize) -> Result<Snapshot> {
    let options = ReadOptions { salvage, threads, ..ReadOptions::default() };
    stillheap_snapshot::read(Cursor::new(bytes.to_vec()), options).map(Snapshot::new)
}

/// Every question about one snapshot.
pub fn exercise(snapshot: &Snapshot) {
    for model in [Model::Devtools, Model::Gc] {
        let analysis = snapshot.analysis(model);
        analysis.prepare();
        check_sizes(&analysis);
        ask_about_all(&analysis);
        // Nodes from everywhere: the first, the last, and some in between.
        let count = snapshot.node_count();
        for ordinal in (0..count).step_by((count as usize / 40).max(1)).chain(count.checked_sub(1)) {
            ask_about_node(&analysis, NodeOrdinal(ordinal));
        }
    }
}

fn check_sizes(analysis: &Analysis<'_>) {
    let snapshot = analysis.snapshot();
    let nodes = || (0..snapshot.node_count()).map(NodeOrdinal);
    let root = snapshot.root();
    let in_file_order: Vec<u128> = nodes().map(|n| u128::from(analysis.self_size(n))).collect();
    let total: u128 = in_file_order.iter().sum();
    if total > 1 << 62 {
        // Sums of such sizes need not be right, they must only not bring anything down.
        return;
    }
    assert_eq!(u128::from(analysis.retained_size(root)), total, "the root retains everything");
    let mut below = vec![0_u128; in_file_order.len()];
    for node in nodes() {
        let mut at = node;
        for step in 0.. {
            assert!(step <= snapshot.node_count(), "node {} is its own ancestor", node.0);
            below[at.0 as usize] += in_file_order[node.0 as usize];
            if at == root {
                break;
            }
            at = analysis.dominator(at);
        }
    }
    for node in nodes() {
        assert_eq!(u128::from(analysis.retained_size(node)), below[node.0 as usize], "node {}", node.0);
    }
    check_classes(analysis, total);
    for limit in [1, 7, usize::MAX] {
        let tree = analysis.class_tree(limit);
        assert_eq!(u128::from(tree.retained_size), below[root.0 as usize]);
        check_class_tree(&tree);
    }
}

/// Every byte once, on every level.
fn check_class_tree(tree: &ClassTree) {
    let shown: u64 = tree.children.iter().map(|child| child.retained_size).sum();
    let hidden = tree.hidden.map_or(0, |hidden| hidden.retained_size);
    assert_eq!(tree.retained_size, tree.self_size + shown + hidden, "{}", tree.class_name);
    tree.children.iter().for_each(check_class_tree);
}

fn check_classes(analysis: &Analysis<'_>, total: u128) {
    let mut counts: HashMap<String, (u64, u64)> = HashMap::new();
    for node in (0..analysis.snapshot().node_count()).map(NodeOrdinal) {
        let size = analysis.self_size(node);
        if size > 0 {
            let sums = counts.entry(analysis.class_key(node)).or_default();
            *sums = (sums.0 + 1, sums.1 + size);
        }
    }
    let table = analysis.classes(None);
    assert_eq!(counts.len(), table.rows.len(), "a row for every key, and every key once");
    for row in &table.rows {
        let (count, size) = counts[&row.key];
        // Of two classes with one key DevTools shows the last: an object called `(system)` and what is hidden, an
        // object called `Detached x` and the detached native ones called `x`.
        assert!(row.count <= count && row.shallow_size <= size, "{}", row.key);
        if !row.name.starts_with('(') && !row.name.starts_with("Detached ") {
            assert_eq!((row.count, row.shallow_size), (count, size), "{}", row.key);
        }
        assert!(row.retained_size >= row.shallow_size && u128::from(row.retained_size) <= total);
    }
}

fn ask_about_all(analysis: &Analysis<'_>) {
    let page = Page { offset: 1, limit: 20 };
    // Not the sum of the whole table: where two classes have one key, a filter may show the larger one instead.
    let nodes = (0..analysis.snapshot().node_count()).map(NodeOrdinal);
    let whole = nodes.filter(|&node| analysis.self_size(node) > 0).count() as u64;
    let contexts =
        (0..analysis.snapshot().node_count()).map(NodeOrdinal).take(3).map(NodeFilter::NativeContext);
    let filters = FILTERS.into_iter().map(NodeFilter::Named).chain(contexts).chain([
        NodeFilter::Ids(3, 41),
        NodeFilter::Ids(9, 2),
        NodeFilter::TraceNode(0),
        NodeFilter::TraceNode(2),
        NodeFilter::TraceNode(u32::MAX),
    ]);
    for filter in filters {
        let some = analysis.classes(Some(filter));
        assert!(some.rows.iter().map(|row| row.count).sum::<u64>() <= whole, "{filter:?} adds nodes");
        analysis.search("a", true, Some(filter), page);
    }
    for sort in [ClassSort::RetainedSize, ClassSort::Name, ClassSort::File] {
        analysis.classes(None).sorted(sort, page);
    }
    for row in analysis.classes(None).rows.iter().take(20) {
        let members = analysis.class_members(&row.key).expect("a key of the table names a class");
        // The class also has members that folding has left without a size.
        assert!(members.len() as u64 >= row.count, "{}", row.key);
        analysis.instances(&row.key, NodeSort::Distance, page).expect("as above");
        analysis.merged_retainers(&row.key, page).expect("as above");
        analysis.retained_size_of_all(&members);
    }
    analysis.statistics();
    analysis.duplicate_strings(Sameness::Whole, DuplicateSort::Wasted, Page::ALL);
    analysis.closures(Page::ALL);
    analysis.native_contexts();
    analysis.samples();
    analysis.allocation_sites(SiteSort::LiveSize, Page::ALL);
}

fn ask_about_node(analysis: &Analysis<'_>, node: NodeOrdinal) {
    let detail = analysis.inspect(node, 100);
    let children = analysis.children(node, EdgeSort::File, Page::ALL);
    // Invisible edges are left out of what is shown.
    assert!(children.total <= detail.edge_count as usize);
    analysis.children(node, EdgeSort::Name, Page::first(5));
    let retainers = analysis.retainers(node, Page::ALL);
    assert!(retainers.total <= detail.retainer_count as usize);
    for path in analysis.paths(node, 3, 2000) {
        let mut at = path.node.ordinal;
        for step in &path.steps {
            let held = analysis.children(step.node.ordinal, EdgeSort::File, Page::ALL);
            assert!(held.items.iter().any(|edge| edge.edge == step.edge && edge.node.ordinal == at));
            at = step.node.ordinal;
        }
    }
    let chain = analysis.dominator_chain(node);
    assert!(chain.len() <= analysis.snapshot().node_count() as usize);
    analysis.dominated(node, Page::first(5));
    analysis.string_value(node, 7);
    analysis.allocation_stack(node);
    assert_eq!(analysis.id(node), detail.info.id);
}

/// Every way to compare two snapshots.
pub fn exercise_pair(old: &Snapshot, young: &Snapshot) {
    let unique = |snapshot: &Snapshot| {
        let analysis = snapshot.analysis(Model::Gc);
        let ids: HashSet<u64> = (0..snapshot.node_count()).map(|n| analysis.id(NodeOrdinal(n))).collect();
        ids.len() == snapshot.node_count() as usize
    };
    let unique = (unique(old), unique(young));
    for model in [Model::Devtools, Model::Gc] {
        let (a, b) = (old.analysis(model), young.analysis(model));
        for matching in [Matching::Auto, Matching::Id, Matching::Class] {
            let comparison = compare(&a, &b, matching);
            assert!(matching != Matching::Id || comparison.matched_by == MatchedBy::Id);
            for row in &comparison.rows {
                assert_eq!(row.added_count as i64 - row.removed_count as i64, row.count_delta, "{}", row.key);
                let changed = row.added_count + row.removed_count > 0;
                if matching == Matching::Id && unique == (true, true) {
                    // What both have is what is left of either.
                    assert_eq!(
                        row.old_count + row.added_count,
                        row.new_count + row.removed_count,
                        "{}",
                        row.key
                    );
                }
                // Matched by class, sizes may change alone.
                assert!(changed || (comparison.matched_by == MatchedBy::Class && row.size_delta != 0));
            }
            comparison.totals();
            comparison.sorted(DiffSort::CountDelta, Page::first(10));
            growth(&a, &b, matching, GrowthSort::RetainedSize, Page::first(10));
        }
        let steps = series(&[a, b, a]);
        steps.sorted(stillheap_analysis::SeriesSort::default(), Page::ALL);
        // A file's comparison with itself is empty, unless ids are given twice.
        if unique.0 {
            assert!(compare(&a, &a, Matching::Id).rows.is_empty());
        }
    }
}
