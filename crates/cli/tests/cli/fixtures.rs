//! The small snapshots that the tests look at, and the program that writes them.
//!
//! `leak`: the shape of the lab's leak. Each `EmailTemplate` has a method `send` whose context it shares with
//! the function that runs every second; that context's `original` keeps the template before. `leak-after` and
//! `leak-later` are the same process with more of them. `tracked`: allocation stacks and samples.

use stillheap_synth::{Node, NodeId, Snapshot, TraceFunction, TraceNode, Variant};

const SCRIPT: u64 = 42;

/// Every fixture and its bytes.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let leak = leak(3, 8).to_json();
    let mut truncated = leak.clone();
    truncated.truncate(leak.len() * 2 / 3);
    let mut malformed = leak.clone();
    let edges = find(&leak, b"\"edges\":[") + b"\"edges\":[".len();
    malformed[edges] = b'x';
    vec![
        ("leak-after.heapsnapshot", self::leak(5, 20).to_json()),
        ("leak-later.heapsnapshot", self::leak(9, 32).to_json()),
        ("growing-1.heapsnapshot", growing(10).to_json()),
        ("growing-2.heapsnapshot", growing(20).to_json()),
        ("growing-3.heapsnapshot", growing(30).to_json()),
        ("malformed.heapsnapshot", malformed),
        ("truncated.heapsnapshot", truncated),
        ("not-a-snapshot.json", b"{\"hello\": \"world\"}\n".to_vec()),
        ("tracked.heaptimeline", tracked().to_json()),
        ("leak.heapsnapshot", leak),
    ]
}

fn find(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len()).position(|w| w == part).expect("the fixture has that section")
}

/// The lab's leak with so many templates, and a Map with so many entries.
fn leak(templates: u64, entries: u64) -> Snapshot {
    let (mut s, _, gc_roots, global) = Snapshot::with_roots(Variant::Node22);
    let add = |s: &mut Snapshot, kind: &str, name: &str, id: u64, self_size: u64| {
        s.add(Node {
            kind: kind.to_owned(),
            name: name.to_owned(),
            id,
            self_size,
            detachedness: 0,
            trace_node: 0,
        })
    };
    let script = add(&mut s, "code", "system / Script", 101, 96);
    let file = add(&mut s, "string", "/srv/app/email.js", 103, 40);
    s.edge(script, "internal", "name", file);
    let function = |s: &mut Snapshot, name: &str, id: u64| {
        let shared = add(s, "code", name, id, 64);
        s.edge(shared, "internal", "script", file);
        shared
    };
    let tick = function(&mut s, "replaceTemplate", 105);
    let send = function(&mut s, "send", 107);
    let class = add(&mut s, "closure", "EmailTemplate", 109, 64);
    s.location(class, SCRIPT, 3, 6);
    s.property(global, "EmailTemplate", class);

    // An empty name, one that would clear a terminal, one that would turn its line around.
    let evil = add(&mut s, "string", "\u{1b}[2J\u{9b}31mred\nnext \u{202e}enil", 111, 48);
    s.property(global, "evil", evil);
    let user = add(&mut s, "string", "ann@example.com", 113, 32);
    for i in 0..3 {
        let options = add(&mut s, "object", "Object", 115 + 4 * i, 32);
        let html = add(&mut s, "string", "<p>Hello, hello, hello</p>", 117 + 4 * i, 48);
        s.property(options, "html", html);
        s.property(options, "user", user);
        s.property(global, &format!("options{i}"), options);
    }
    let map = add(&mut s, "object", "Map", 141, 32);
    let table = add(&mut s, "array", "", 143, 24 + 32 * entries);
    s.property(global, "cache", map);
    s.edge(map, "internal", "table", table);
    for i in 0..entries {
        let entry = add(&mut s, "object", "CacheEntry", 201 + 2 * i, 24);
        s.edge(table, "internal", format!("{i}").as_str(), entry);
        s.location(entry, SCRIPT, 40, 2);
    }
    let detached = s.add(Node {
        kind: "native".to_owned(),
        name: "<div class=\"row\">".to_owned(),
        id: 150,
        self_size: 120,
        detachedness: 2,
        trace_node: 0,
    });
    s.property(global, "row", detached);
    let system = add(&mut s, "hidden", "system / FreeSpace", 151, 16);
    s.edge(gc_roots, "element", 1, system);

    let mut previous: Option<NodeId> = None;
    for i in 0..templates {
        let id = 1001 + 100 * i;
        let template = add(&mut s, "object", "EmailTemplate", id, 56);
        let context = add(&mut s, "object", "system / Context", id + 2, 32);
        let sender = add(&mut s, "closure", "send", id + 4, 64);
        let ticker = add(&mut s, "closure", "", id + 6, 64);
        let list = add(&mut s, "object", "Array", id + 8, 16);
        let elements = add(&mut s, "array", "(object elements)", id + 10, 16 + 8 * 4);
        for node in 0..4 {
            let part = add(&mut s, "object", "EmailTemplateNode", id + 12 + 2 * node, 40);
            s.location(part, SCRIPT, 20, 8);
            s.edge(list, "element", node, part);
            s.edge(elements, "internal", format!("{node}").as_str(), part);
        }
        s.property(template, "send", sender);
        s.property(template, "nodes", list);
        s.edge(list, "internal", "elements", elements);
        for (closure, shared, line) in [(sender, send, 33), (ticker, tick, 30)] {
            s.edge(closure, "internal", "context", context);
            s.edge(closure, "internal", "shared", shared);
            s.location(closure, SCRIPT, line, 10);
        }
        s.edge(gc_roots, "element", 10 + i, ticker);
        s.location(template, SCRIPT, 3, 6);
        if let Some(previous) = previous {
            s.edge(context, "context", "original", previous);
        }
        previous = Some(template);
    }
    if let Some(newest) = previous {
        s.property(global, "current", newest);
    }
    s
}

/// The lab's leak with templates of 5 kB each, so that they are worth a verdict.
fn growing(templates: u64) -> Snapshot {
    let mut s = leak(templates, 8);
    let large: Vec<usize> =
        s.nodes().iter().enumerate().filter(|(_, n)| n.name == "EmailTemplate").map(|(i, _)| i).collect();
    for template in large {
        let node = s.node_mut(NodeId(template));
        if node.kind == "object" {
            node.self_size = 5_000;
        }
    }
    s
}

/// Six objects from two functions, over three samples.
fn tracked() -> Snapshot {
    let (mut s, _, _, global) = Snapshot::with_roots(Variant::Node22);
    let function = |name: &str, line: u64| TraceFunction {
        function_id: line,
        name: name.to_owned(),
        script_name: "/srv/app/email.js".to_owned(),
        script_id: SCRIPT,
        line,
        column: 4,
    };
    let main = s.trace_function(function("", 0));
    let render = s.trace_function(function("render", 11));
    let fill = s.trace_function(function("fillCache", 29));
    let call = |id, function, count, size, children| TraceNode { id, function, count, size, children };
    let fill = call(3, fill, 40, 1600, vec![]);
    let render = call(2, render, 10, 900, vec![fill]);
    s.trace_tree(call(1, main, 0, 0, vec![render]));
    for i in 0..6 {
        let node = s.add(Node {
            kind: "object".to_owned(),
            name: if i < 4 { "CacheEntry" } else { "Page" }.to_owned(),
            id: 11 + 10 * i,
            self_size: 40 + 10 * i,
            detachedness: 0,
            trace_node: if i < 4 { 3 } else { 2 },
        });
        s.edge(global, "element", i, node);
    }
    for (time, id) in [(0, 5), (500_000, 31), (1_000_000, 41), (1_500_000, 91)] {
        s.sample(time, id);
    }
    s
}
