//! Small graphs whose answers are worked out by hand.

use stillheap_analysis::*;

use super::builder::{Builder, ask_everything, read};

fn node(a: &Analysis<'_>, id: u64) -> NodeOrdinal {
    a.snapshot().node_by_id(id).unwrap()
}

/// The leak that one context shared by two closures makes: each object's `send` keeps the one before it.
fn leak(steps: usize) -> (Builder, Vec<usize>) {
    let mut b = Builder::new();
    let global = b.node("object", "global", 100);
    b.edge(0, "shortcut", "1", global);
    let script = b.node("code", "/srv/app.js", 8);
    let shared_send = b.node("code", "send", 8);
    let shared_unused = b.node("code", "unused", 8);
    b.edge(shared_send, "internal", "script", script);
    b.edge(shared_unused, "internal", "script", script);
    let mut previous = None;
    let mut objects = Vec::new();
    for _ in 0..steps {
        let context = b.node("object", "system / Context", 24);
        let object = b.node("object", "EmailTemplate", 48);
        let send = b.node("closure", "send", 32);
        let body = b.node("string", &"x".repeat(50), 1000);
        b.edge(object, "property", "send", send);
        b.edge(object, "property", "body", body);
        b.edge(send, "internal", "context", context);
        b.edge(send, "internal", "shared", shared_send);
        let unused = b.node("closure", "unused", 32);
        b.edge(unused, "internal", "context", context);
        b.edge(unused, "internal", "shared", shared_unused);
        b.edge(context, "context", "unused", unused);
        if let Some(previous) = previous {
            b.edge(context, "context", "original", previous);
        }
        b.locations.push((send, 7, 10, 4));
        b.locations.push((unused, 7, 8, 4));
        previous = Some(object);
        objects.push(object);
    }
    b.edge(global, "property", "template", previous.unwrap());
    (b, objects)
}

/// A block's context with its scope: names of all places, and what the pointers among them lead to (a number from V8's
/// count, an object's type and its name). The variables as the core names them.
fn block(header: &str, names: &[&str], pointers: &[(&str, &str, &str)]) -> Vec<Option<String>> {
    let mut b = Builder::new();
    b.header = header.to_owned();
    let context = b.node("object", "system / Context", 40);
    b.edge(0, "shortcut", "1", context);
    let scope = b.node("code", "system / ScopeInfo", 40);
    b.edge(context, "internal", "scope_info", scope);
    for (i, name) in names.iter().enumerate() {
        let name = b.node("string", name, 16);
        b.edge(scope, "hidden", &i.to_string(), name);
    }
    let outer = b.node("code", "system / ScopeInfo", 40);
    b.edge(scope, "hidden", &names.len().to_string(), outer);
    for (number, ty, name) in pointers {
        let value = b.node(ty, name, 16);
        b.edge(context, "hidden", number, value);
    }
    let snapshot = b.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    let children = a.children(NodeOrdinal(context as u32), EdgeSort::File, Page::ALL).items;
    children.into_iter().filter(|e| e.edge_type == "hidden").map(|e| e.variable).collect()
}

#[test]
fn block_scoped_variables_have_their_names() {
    let name = |text: &str| Some(text.to_owned());
    let redacted = ",\"stillheap\":{\"redacted\":{\"source\":true,\"key\":\"5e\"}}";
    let two = [("0", "object", "Array"), ("1", "object", "Map")];
    assert_eq!(block("", &["list", "map"], &two), [name("list"), name("map")]);
    // null is a pointer that has no edge.
    assert_eq!(
        block("", &["list", "nothing", "map"], &[two[0], ("2", "object", "Map")]),
        [name("list"), name("map")]
    );
    // One integer, before, between or behind.
    assert_eq!(block("", &["a", "b", "c"], &two), [None, None]);
    // It comes before the class, and so is not behind.
    let class = [("0", "object", "Array"), ("1", "closure", "Visit"), ("2", "object", "Map")];
    assert_eq!(block("", &["a", "b", "Visit", "map"], &class), [None, name("Visit"), name("map")]);
    // And here it comes after it.
    assert_eq!(block("", &["list", "Visit", "a", "b"], &class), [name("list"), name("Visit"), None]);
    // More pointers than names, and a scope without names: not understood.
    assert_eq!(block("", &["a"], &two), [None, None]);
    assert_eq!(block("", &[], &two), [None, None]);
    let far = [("4294967295", "object", "Array")];
    assert_eq!(block("", &["a", "b"], &far), [None]);
    let many: Vec<(&str, &str, &str)> = std::iter::repeat_n(two[0], 300).collect();
    assert_eq!(block("", &["a"], &many), vec![None; 300]);
    // Placeholders are no names.
    assert_eq!(block(redacted, &["list", "map"], &two), [None, None]);
}

#[test]
fn closures_name_the_function_and_the_variable() {
    let (builder, objects) = leak(5);
    let snapshot = builder.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    let rows = a.closures(Page::ALL);
    assert_eq!(rows.total, 2);
    let send = rows.items.iter().find(|r| r.name == "send").unwrap();
    assert_eq!((send.count, send.contexts), (5, 5));
    let position = send.position.clone().unwrap();
    assert_eq!((position.script.as_deref(), position.line, position.column), (Some("/srv/app.js"), 11, 5));
    assert_eq!(send.shared_with.len(), 1);
    assert_eq!((send.shared_with[0].name.as_str(), send.shared_with[0].contexts), ("unused", 5));
    let original = &send.variables[0];
    assert_eq!((original.name.as_str(), original.objects), ("original", 4));
    // Four objects hang on the newest context: each 48 + 32 + 1000 + 24 + 32.
    assert_eq!(original.retained_size, 4 * (48 + 32 + 1000 + 24 + 32));
    assert_eq!(original.example.ordinal.0 as usize, objects[3]);

    let inspected = a.inspect(NodeOrdinal(objects[4] as u32 + 1), 100);
    let function = inspected.function.unwrap();
    assert_eq!(function.name, "send");
    assert_eq!(function.context.unwrap().name, "system / Context");
}

#[test]
fn a_class_tree_puts_equal_objects_together() {
    let (builder, _) = leak(1000);
    let snapshot = builder.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    let tree = a.class_tree(usize::MAX);
    assert_eq!(tree.retained_size, a.statistics().total);
    let below = |tree: &ClassTree, class: &str| {
        let found = tree.children.iter().find(|c| c.class_name == class);
        found.unwrap_or_else(|| panic!("no {class} in {tree:?}")).clone()
    };
    // The list is two templates deep, and the second stands for all the earlier ones.
    let first = below(&below(&tree, "global"), "EmailTemplate");
    assert_eq!((first.count, first.self_size), (1, 48));
    assert_eq!(below(&first, "(string)").self_size, 1000);
    let context = below(&below(&first, "Function"), "system / Context");
    let others = below(&context, "EmailTemplate");
    assert_eq!((others.count, others.self_size), (999, 999 * 48));
    assert_eq!(below(&others, "(string)").count, 999);
    assert_eq!(first.largest.retained_size, first.retained_size);

    // Cut short, what is missing is said, and no byte is lost.
    let cut = a.class_tree(3);
    let shown = below(&below(&cut, "global"), "EmailTemplate");
    assert!(shown.children.is_empty());
    let hidden = shown.hidden.unwrap();
    assert_eq!((hidden.groups, hidden.retained_size), (2, shown.retained_size - shown.self_size));
}

#[test]
fn merged_retainers_and_paths_of_a_class() {
    let (builder, objects) = leak(5);
    let snapshot = builder.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    let merged = a.merged_retainers("EmailTemplate", Page::ALL).unwrap();
    assert_eq!(merged.total, 2);
    let first = &merged.items[0];
    assert_eq!((first.class_name.as_str(), first.edge.as_str()), ("system / Context", "original"));
    assert_eq!((first.objects, first.holders, first.edges), (4, 4, 4));
    let path = &a.paths(NodeOrdinal(objects[3] as u32), 1, 0)[0];
    let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["original", "context", "send", "template"]);
    assert!(path.user_root);
    assert_eq!(a.merged_retainers("NoSuchClass", Page::ALL).unwrap_err().kind(), ErrorKind::NotFound);
    let class = a.classes(None).get(",EmailTemplate").cloned().unwrap();
    assert_eq!((class.count, class.shallow_size), (5, 240));
    assert_eq!(class.retained_size, a.retained_size(NodeOrdinal(objects[4] as u32)));
}

#[test]
fn the_gc_model_neither_folds_nor_splits_weakmap_values() {
    let mut b = Builder::new();
    let global = b.node("object", "global", 10);
    b.edge(0, "shortcut", "1", global);
    let key = b.node("object", "Key", 10);
    let map = b.node("object", "WeakMap", 10);
    let table = b.node("array", "", 64);
    let value = b.node("object", "Value", 1000);
    b.edge(global, "property", "key", key);
    b.edge(global, "property", "map", map);
    b.edge(map, "internal", "table", table);
    let id = |n: usize| 2 * n + 1;
    let shared = format!(
        " / part of key (Key @{}) -> value (Value @{}) pair in WeakMap (table @{})",
        id(key),
        id(value),
        id(table)
    );
    b.edge(key, "internal", &format!("1{shared}"), value);
    b.edge(table, "internal", &format!("2{shared}"), value);
    b.edge(table, "weak", "3", key);
    let snapshot = b.snapshot();
    let at = |n: usize| NodeOrdinal(n as u32);
    let devtools = snapshot.analysis(Model::Devtools);
    assert_eq!(devtools.dominator(at(value)), at(key), "the key owns the value");
    assert_eq!(devtools.self_size(at(map)), 74, "the table counts to its map");
    assert_eq!(devtools.retained_size(at(key)), 1010);
    // Key and table are both at distance 2 or 3; the value is behind the farther one.
    assert_eq!(devtools.distance(at(value)), 4);
    let gc = snapshot.analysis(Model::Gc);
    assert_eq!(gc.dominator(at(value)), at(global), "key and table hold it together");
    assert_eq!((gc.self_size(at(map)), gc.self_size(at(table))), (10, 64));
    assert_eq!(devtools.statistics().total, gc.statistics().total);
}

#[test]
fn strings_are_joined_and_duplicates_counted() {
    let mut b = Builder::new();
    let global = b.node("object", "global", 10);
    b.edge(0, "shortcut", "1", global);
    let (hello, world) = (b.node("string", "hello ", 24), b.node("string", "world", 24));
    let cons = b.node("concatenated string", "(concatenated string)", 32);
    b.edge(cons, "internal", "first", hello);
    b.edge(cons, "internal", "second", world);
    let same = b.node("string", "hello world", 40);
    let slice = b.node("sliced string", "(sliced string)", 32);
    b.edge(slice, "internal", "parent", same);
    // A loop of empty parts, which makes DevTools give up.
    let cycle = b.node("concatenated string", "(concatenated string)", 32);
    b.edge(cycle, "internal", "first", cycle);
    b.edge(cycle, "internal", "second", cycle);
    for (i, n) in [cons, same, slice, cycle].into_iter().enumerate() {
        b.edge(global, "element", &i.to_string(), n);
    }
    let snapshot = b.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    assert_eq!(a.name(NodeOrdinal(cons as u32)), "hello world");
    let groups = a.duplicate_strings(Sameness::Whole, DuplicateSort::Wasted, Page::ALL);
    assert_eq!(groups.total, 1);
    let group = &groups.items[0];
    assert_eq!((group.value.as_str(), group.count), ("hello world", 2));
    assert_eq!((group.total_self_size, group.total_retained_size, group.wasted_size), (72, 120, 80));
    let text = |n: usize| a.string_value(NodeOrdinal(n as u32), 5).unwrap();
    assert_eq!((text(slice).text.as_str(), text(slice).truncated), ("hello", true));
    assert_eq!(text(cycle).text, "");
    assert_eq!(a.search("HELLO W", false, None, Page::ALL).total, 2);
    assert_eq!(a.search("HELLO W", true, None, Page::ALL).total, 0);
    ask_everything(&snapshot);
}

#[test]
fn two_snapshots_by_id_and_by_class() {
    let (old, _) = leak(3);
    let (new, _) = leak(5);
    let (old_snapshot, new_snapshot) = (old.snapshot(), new.snapshot());
    let (o, n) = (old_snapshot.analysis(Model::Devtools), new_snapshot.analysis(Model::Devtools));
    let by_id = compare(&o, &n, Matching::Auto);
    assert_eq!(by_id.matched_by, MatchedBy::Id);
    let row = by_id.rows.iter().find(|r| r.key == ",EmailTemplate").unwrap();
    assert_eq!((row.added_count, row.removed_count, row.old_count, row.new_count), (2, 0, 3, 5));
    assert_eq!(row.added_ids.len(), 2);

    // The same two files, but a header says that ids were cleared in between.
    let mut cleared = new.clone();
    cleared.header = ",\"stillheap\":{\"objectIds\":\"cleared\",\"pid\":7}".to_owned();
    let cleared = cleared.snapshot();
    let comparison = compare(&o, &cleared.analysis(Model::Devtools), Matching::Auto);
    assert_eq!(comparison.matched_by, MatchedBy::Class, "{}", comparison.reason);
    let row = comparison.rows.iter().find(|r| r.key == ",EmailTemplate").unwrap();
    assert_eq!((row.count_delta, row.size_delta), (2, 96));
    assert!(row.added_ids.is_empty());
    assert!(
        growth(&o, &cleared.analysis(Model::Devtools), Matching::Auto, GrowthSort::SelfSize, Page::ALL)
            .is_none()
    );
    for (header, fits) in [
        (",\"stillheap\":{\"pid\":8,\"objectIds\":\"kept\",\"mode\":\"inline\"}", false),
        (",\"stillheap\":{\"pid\":7,\"objectIds\":\"kept\",\"mode\":\"fork\"}", false),
        (",\"stillheap\":{\"pid\":7,\"objectIds\":\"kept\",\"mode\":\"inline\"}", true),
    ] {
        let mut first = old.clone();
        first.header = ",\"stillheap\":{\"pid\":7,\"objectIds\":\"kept\",\"mode\":\"inline\"}".to_owned();
        let mut second = new.clone();
        second.header = header.to_owned();
        let (by, reason) = decide(&first.snapshot(), &second.snapshot(), Matching::Auto);
        assert_eq!(by == MatchedBy::Id, fits, "{header}: {reason}");
    }
    // Ids that are made of addresses, in any file, and ids that V8 counted don't mean the same.
    let of = |ids: &str, mode: &str, space: &str| {
        format!(
            ",\"stillheap\":{{\"pid\":7,\"objectIds\":\"{ids}\",\"mode\":\"{mode}\",\"processId\":\"{space}\"}}"
        )
    };
    for (one, other, fits) in [
        (of("addresses", "fork", "a"), of("addresses", "fork", "a"), true),
        (of("addresses", "fork", "a"), of("addresses", "fork", "b"), false),
        (of("addresses", "fork", "a"), of("kept", "inline", "a"), false),
        (of("kept", "inline", "a"), of("addresses", "fork", "a"), false),
    ] {
        let (mut first, mut second) = (old.clone(), new.clone());
        (first.header, second.header) = (one, other);
        let (by, reason) = decide(&first.snapshot(), &second.snapshot(), Matching::Auto);
        assert_eq!(by == MatchedBy::Id, fits, "{} and {}: {reason}", first.header, second.header);
    }
}

#[test]
fn a_map_that_grows_and_a_series() {
    let file = |entries: usize| {
        let mut b = Builder::new();
        let global = b.node_with_id("object", "global", 10, 3);
        b.edge(0, "shortcut", "1", global);
        let map = b.node_with_id("object", "Map", 16, 5);
        b.edge(global, "property", "cache", map);
        let table = b.node_with_id("array", "", 8 * entries as u64, 1001 + entries as u64 * 2);
        b.edge(map, "internal", "table", table);
        for i in 0..entries {
            let entry = b.node_with_id("object", "Entry", 32, 2001 + 2 * i as u64);
            b.edge(table, "internal", &i.to_string(), entry);
        }
        b.snapshot()
    };
    let files = [file(3), file(5), file(9)];
    let analyses: Vec<Analysis<'_>> = files.iter().map(|f| f.analysis(Model::Devtools)).collect();
    let grown = growth(&analyses[0], &analyses[2], Matching::Auto, GrowthSort::SelfSize, Page::ALL).unwrap();
    let map = &grown.items[0];
    assert_eq!((map.node.name.as_str(), map.old_elements, map.elements), ("Map", Some(3), Some(9)));
    assert_eq!((map.self_size_delta, map.retained_size_delta), (48, 48 + 6 * 32));
    let series = series(&analyses);
    let rows = series.sorted(SeriesSort::Steady, Page::ALL);
    assert_eq!(
        (rows.items[0].name.as_str(), rows.items[0].counts.as_slice()),
        ("Entry", [3, 5, 9].as_slice())
    );
    assert!(rows.items[0].count_grows_always && rows.items[0].size_grows_always);
    let map = rows.items.iter().find(|c| c.name == "Map").unwrap();
    assert!(!map.count_grows_always && map.size_grows_always);
    let global = rows.items.iter().find(|c| c.name == "global").unwrap();
    assert!(!global.size_grows_always);
}

#[test]
fn large_values_survive() {
    let mut b = Builder::new();
    let global = b.node_with_id("object", "global", 5_000_000_000, 9_007_199_254_740_991);
    b.edge(0, "shortcut", "1", global);
    let data = b.node("array", "", 6_000_000_000);
    b.edge(global, "internal", "elements", data);
    let snapshot = b.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    let n = node(&a, 9_007_199_254_740_991);
    assert_eq!(a.self_size(n), 11_000_000_000, "folded sizes do not wrap");
    assert_eq!(snapshot.analysis(Model::Gc).self_size(n), 5_000_000_000);
    assert_eq!(a.retained_size(n), 11_000_000_000);
}

#[test]
fn timelines_have_samples_and_stacks() {
    let text = r#"{"snapshot":{"meta":{
        "node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],
        "node_types":[["synthetic","object"],"string","number","number","number","number","number"],
        "edge_fields":["type","name_or_index","to_node"],"edge_types":[["element","property"],"string_or_number","node"],
        "trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],
        "trace_node_fields":["id","function_info_index","count","size","children"],
        "sample_fields":["timestamp_us","last_assigned_id"],"location_fields":[]},
        "node_count":3,"edge_count":2,"trace_function_count":1},
        "nodes":[0,0,1,0,1,0,0, 1,1,3,16,1,2,0, 1,1,9,32,0,3,0],
        "edges":[0,1,7, 1,1,14],
        "trace_function_infos":[0,0,0,0,-1,-1, 5,2,3,42,9,4],
        "trace_tree":[1,0,0,0,[2,1,5,500,[3,1,7,700,[]],4,0,0,0,[]]],
        "samples":[1000,4, 2000,9],
        "locations":[],
        "strings":["","Thing","make","/srv/app.js"]}"#;
    let snapshot = read(text.as_bytes().to_vec(), 0).unwrap();
    assert!(!snapshot.completeness().trace_function_count_matches);
    let a = snapshot.analysis(Model::Devtools);
    let samples = a.samples();
    assert_eq!(samples.iter().map(|s| (s.live_size, s.live_count)).collect::<Vec<_>>(), [(16, 2), (32, 1)]);
    let sites = a.allocation_sites(SiteSort::LiveSize, Page::ALL);
    assert_eq!(sites.total, 2);
    let inner = &sites.items[0];
    assert_eq!((inner.row, inner.count, inner.size, inner.live_size), (2, 7, 700, 32));
    assert_eq!(inner.stack.len(), 2);
    let position = inner.stack[0].position.clone().unwrap();
    assert_eq!((position.script.as_deref(), position.line), (Some("/srv/app.js"), 10));
    assert_eq!(a.allocation_stack(NodeOrdinal(2)).unwrap().len(), 2);
    assert!(a.allocation_stack(NodeOrdinal(0)).is_none());
    let only = a.classes(Some(NodeFilter::TraceNode(2)));
    assert_eq!(only.rows[0].shallow_size, 32);
    ask_everything(&snapshot);
}

/// A text built by `+=` from pieces, held by the global object; the last node of it.
fn rope(b: &mut Builder, global: usize, pieces: usize, last: &str) -> usize {
    let mut text = b.node("string", "", 16);
    for i in 0..pieces {
        let words = if i + 1 == pieces { last.to_owned() } else { format!("piece number {i}, ") };
        let piece = b.node("string", &words, 32);
        if i == 0 {
            text = piece;
            continue;
        }
        let longer = b.node("concatenated string", "(concatenated string)", 32);
        b.edge(longer, "internal", "first", text);
        b.edge(longer, "internal", "second", piece);
        text = longer;
    }
    b.edge(global, "element", &text.to_string(), text);
    text
}

#[test]
fn texts_of_many_parts_are_the_same_only_as_a_whole() {
    let mut b = Builder::new();
    let global = b.node("object", "global", 10);
    b.edge(0, "shortcut", "1", global);
    // 200 pieces are more than the 1024 characters that are shown.
    let one = rope(&mut b, global, 200, "the end");
    let snapshot = b.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    assert_eq!(
        a.duplicate_strings(Sameness::Whole, DuplicateSort::Wasted, Page::ALL).total,
        0,
        "ever longer ones are no copies"
    );
    assert!(a.name(NodeOrdinal(one as u32)).starts_with("piece number 0, piece number 1, "));

    let mut b = Builder::new();
    let global = b.node("object", "global", 10);
    b.edge(0, "shortcut", "1", global);
    let one = rope(&mut b, global, 200, "the end");
    let same = rope(&mut b, global, 200, "the end");
    let other = rope(&mut b, global, 200, "an end");
    let snapshot = b.snapshot();
    let a = snapshot.analysis(Model::Devtools);
    let identity = |n: usize| a.text_identity(NodeOrdinal(n as u32));
    assert_eq!(identity(one), identity(same));
    assert_ne!(identity(one), identity(other));
    let rows = a.duplicate_strings(Sameness::Whole, DuplicateSort::Wasted, Page::ALL).items;
    let wasted: u64 = rows.iter().map(|row| row.wasted_size).sum();
    assert!(wasted > 0 && wasted <= a.retained_size(snapshot.root()), "{wasted}");
}
