//! Dominators and retained sizes against the definition: d dominates v if v cannot be reached without d.

use stillheap_analysis::{ClassTree, Model, NodeOrdinal};

use super::builder::{Builder, Random};

/// Adjacency lists of what counts for dominators in these graphs (no pages, no WeakMaps).
type Edges = Vec<Vec<usize>>;

fn reached(edges: &Edges, without: usize) -> Vec<bool> {
    let mut seen = vec![false; edges.len()];
    let mut stack = vec![0];
    if without == 0 {
        return seen;
    }
    seen[0] = true;
    while let Some(from) = stack.pop() {
        for &to in &edges[from] {
            if to != without && !std::mem::replace(&mut seen[to], true) {
                stack.push(to);
            }
        }
    }
    seen
}

fn random(random: &mut Random) -> (Builder, Edges) {
    let nodes = 2 + random.below(24);
    let mut builder = Builder::new();
    for i in 1..nodes {
        builder.node("object", &format!("N{i}"), 1 + random.below(9) as u64 * 8);
    }
    let mut edges: Edges = vec![Vec::new(); nodes];
    for _ in 0..nodes + random.below(2 * nodes) {
        let (from, to) = (random.below(nodes), random.below(nodes));
        let ty =
            ["property", "property", "element", "internal", "context", "weak", "shortcut"][random.below(7)];
        // A shortcut of the root would make a page; leave that to the oracle.
        if from == 0 && ty == "shortcut" {
            continue;
        }
        builder.edge(from, ty, "1", to);
        if !matches!(ty, "weak" | "shortcut") && from != to {
            edges[from].push(to);
        }
    }
    (builder, edges)
}

/// The graph with the root holding whatever nothing else holds.
fn with_orphans(edges: &Edges) -> Edges {
    let mut edges = edges.clone();
    let seen = reached(&edges, usize::MAX);
    let mut pointed = vec![false; edges.len()];
    edges.iter().flatten().for_each(|&to| pointed[to] = true);
    let orphans: Vec<usize> = (1..edges.len()).filter(|&n| !seen[n] && !pointed[n]).collect();
    edges[0].extend(orphans);
    edges
}

#[test]
fn dominators_by_definition() {
    let mut numbers = Random(0x5eed);
    for round in 0..3000 {
        let (builder, edges) = random(&mut numbers);
        let edges = with_orphans(&edges);
        let nodes = edges.len();
        let alive = reached(&edges, usize::MAX);
        let without: Vec<Vec<bool>> = (0..nodes).map(|d| reached(&edges, d)).collect();
        let dominates = |d: usize, v: usize| d == v || d == 0 || (alive[v] && !without[d][v]);
        let snapshot = builder.snapshot();
        let gc = snapshot.analysis(Model::Gc);
        for (v, &reachable) in alive.iter().enumerate().skip(1) {
            let found = gc.dominator(NodeOrdinal(v as u32)).0 as usize;
            // Of the strict dominators the immediate one is dominated by all others.
            let strict: Vec<usize> = (0..nodes).filter(|&d| d != v && dominates(d, v)).collect();
            let expected = if reachable {
                strict.iter().copied().find(|&d| strict.iter().all(|&other| dominates(other, d))).unwrap()
            } else {
                0
            };
            assert_eq!(found, expected, "round {round}: dominator of {v}\n{}", builder.json());
        }
        for d in 0..nodes {
            let size = |v: usize| gc.self_size(NodeOrdinal(v as u32));
            let sum: u64 = (0..nodes).filter(|&v| v == d || dominates(d, v)).map(size).sum();
            assert_eq!(gc.retained_size(NodeOrdinal(d as u32)), sum, "round {round}: retained by {d}");
            let children = gc.dominated(NodeOrdinal(d as u32), stillheap_analysis::Page::ALL);
            let expected =
                (1..nodes).filter(|&v| v != d && gc.dominator(NodeOrdinal(v as u32)).0 as usize == d).count();
            assert_eq!(children.total, expected, "round {round}: children of {d}");
            assert!(children.items.windows(2).all(|w| w[0].retained_size >= w[1].retained_size));
        }
    }
}

/// Own sizes, groups and the deepest way of a tree; what is hidden counts with its holder.
fn check(tree: &ClassTree, way: &mut Vec<String>, count: &mut u64) {
    let hidden = tree.hidden.unwrap_or_default();
    let below: u64 = tree.children.iter().map(|c| c.retained_size).sum();
    assert_eq!(tree.retained_size, tree.self_size + below + hidden.retained_size);
    assert!(tree.children.windows(2).all(|w| w[0].retained_size >= w[1].retained_size));
    assert!(way.iter().filter(|class| **class == tree.class_name).count() < 2, "{way:?}");
    *count += tree.count;
    way.push(tree.class_name.clone());
    tree.children.iter().for_each(|child| check(child, way, count));
    way.pop();
}

#[test]
fn class_trees_hold_every_object_once() {
    let mut numbers = Random(0xc1a55);
    for _ in 0..500 {
        let nodes = 2 + numbers.below(60);
        let mut builder = Builder::new();
        for i in 1..nodes {
            builder.node("object", &format!("N{}", i % 4), 8 * numbers.below(3) as u64);
        }
        for _ in 0..nodes + numbers.below(2 * nodes) {
            builder.edge(numbers.below(nodes), "property", "p", numbers.below(nodes));
        }
        let snapshot = builder.snapshot();
        let gc = snapshot.analysis(Model::Gc);
        let sized = (1..nodes as u32).filter(|&n| gc.self_size(NodeOrdinal(n)) > 0).count() as u64;
        for limit in [0, 1, 5, usize::MAX] {
            let (tree, mut count) = (gc.class_tree(limit), 0);
            assert_eq!(tree.retained_size, gc.retained_size(snapshot.root()));
            check(&tree, &mut Vec::new(), &mut count);
            assert!(limit < usize::MAX || count == sized + 1, "the root and each object that has a size");
        }
    }
}

#[test]
fn paths_are_paths_and_the_first_is_shortest() {
    let mut numbers = Random(0xabcde);
    for round in 0..500 {
        let (builder, _) = random(&mut numbers);
        let snapshot = builder.snapshot();
        let a = snapshot.analysis(Model::Devtools);
        for v in (1..snapshot.node_count()).map(NodeOrdinal) {
            let paths = a.paths(v, 4, 0);
            let distance = a.distance(v);
            if distance > 0 && distance < stillheap_analysis::SYSTEM_DISTANCE {
                assert!(!paths.is_empty(), "round {round}: {v:?}");
                assert_eq!(paths[0].steps.len() as i32, distance - 1, "round {round}: {v:?}");
            }
            for pair in paths.windows(2) {
                assert!(pair[0].steps.len() <= pair[1].steps.len() || pair[0].user_root != pair[1].user_root);
                assert_ne!(
                    pair[0].steps.iter().map(|s| s.edge).collect::<Vec<_>>(),
                    pair[1].steps.iter().map(|s| s.edge).collect::<Vec<_>>()
                );
            }
            for path in paths {
                let mut at = path.node.ordinal;
                for step in path.steps {
                    let held =
                        a.children(step.node.ordinal, Default::default(), stillheap_analysis::Page::ALL);
                    assert!(held.items.iter().any(|c| c.edge == step.edge && c.node.ordinal == at));
                    at = step.node.ordinal;
                }
            }
        }
    }
}

/// A list of which every node is the only one to hold the next must not need a stack of its length.
#[test]
fn long_lists_on_a_small_stack() {
    let length = 300_000;
    let run = move || {
        let mut builder = Builder::new();
        let first = builder.node("object", "Item", 16);
        builder.edge(0, "shortcut", "global", first);
        for i in first..first + length - 1 {
            builder.node("object", "Item", 16);
            builder.edge(i, "property", "next", i + 1);
            builder.edge(i + 1, "property", "prev", i);
        }
        let snapshot = builder.snapshot();
        for model in [Model::Devtools, Model::Gc] {
            let a = snapshot.analysis(model);
            a.prepare();
            let middle = NodeOrdinal(length as u32 / 2);
            assert_eq!(a.retained_size(middle), 16 * (length as u64 - length as u64 / 2 + 1));
            assert_eq!(a.distance(NodeOrdinal(length as u32)), length as i32);
            assert_eq!(a.classes(None).get(",Item").unwrap().retained_size, 16 * length as u64);
            assert_eq!(a.dominator_chain(middle).len(), length / 2 + 1);
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

/// A long list whose tail holds what the root holds too: every climb to the dominator goes up the whole list.
/// Without skip pointers this takes a hundred million steps per thousand objects.
#[test]
fn climbs_are_not_quadratic() {
    let (length, shared) = (60_000, 60_000);
    let mut builder = Builder::new();
    let mut tail = builder.node("object", "Item", 16);
    let global = tail;
    builder.edge(0, "shortcut", "global", tail);
    for _ in 0..length {
        let next = builder.node("object", "Item", 16);
        builder.edge(tail, "property", "next", next);
        tail = next;
    }
    let table = builder.node("object", "Table", 16);
    for i in 0..shared {
        let item = builder.node("object", "Shared", 8);
        builder.edge(tail, "element", &i.to_string(), item);
        builder.edge(table, "element", &i.to_string(), item);
    }
    // Added last, so that the walk has gone down the list before it gets here.
    builder.edge(global, "property", "table", table);
    let snapshot = builder.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    for i in 0..shared as u32 {
        assert_eq!(a.dominator(NodeOrdinal(table as u32 + 1 + i)).0, global as u32);
    }
}
