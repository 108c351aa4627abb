//! Each detector on heaps made by hand: what it has to recognise, and what looks much like it and is something else.

mod program;

use program::{Program, SCRIPT, verdict};
use stillheap_synth::{Node, NodeId};
use stillheap_verdict::{CauseKind, Suspect};

/// The first suspect's kind, variable and line: the one that begins with `line`, or none.
#[track_caller]
fn expect(
    (kind, variable, line): (CauseKind, Option<&str>, Option<&str>),
    source: &'static str,
    heap: impl Fn(&mut Program, u64),
) -> Suspect {
    let found = verdict(source, heap);
    let Some(first) = found.suspects.first() else { panic!("no suspect: {}", found.verdict) };
    let cause = &first.cause;
    assert_eq!((cause.kind, cause.variable.as_deref()), (kind, variable), "{}", found.verdict);
    let at = cause.location.as_ref().map(|l| (l.script.as_deref().unwrap_or_default(), l.line));
    let numbered = |text| source.lines().position(|l| l.trim_start().starts_with(text)).unwrap() as u64 + 1;
    assert_eq!(at, line.map(|text| (SCRIPT, numbered(text))), "{}", found.verdict);
    assert!(first.path.iter().filter(|step| step.decisive).count() == 1, "{:?}", first.path);
    for text in [&cause.detail, &first.explanation, &first.advice] {
        assert!(!text.is_empty() && !text.contains("  "), "{text}");
    }
    first.clone()
}

const ORDERS: &str = "const orders = make();
function handle(order) {
  orders.push(order);
  orders.set(order.id, order);
}";

fn orders(p: &mut Program, rounds: u64) -> Vec<NodeId> {
    (0..rounds).map(|_| p.object("Order", 200)).collect()
}

#[test]
fn collections() {
    for class in ["Array", "Map", "Set", "Object"] {
        expect((CauseKind::Collection, Some("orders"), Some("orders.push")), ORDERS, |p, rounds| {
            let items = orders(p, rounds);
            let collection = p.filled(class, &items);
            p.variable("orders", collection);
        });
    }
    // A dictionary with few keys of much.
    expect((CauseKind::Collection, Some("orders"), Some("orders.push")), ORDERS, |p, rounds| {
        let items: Vec<NodeId> = (0..rounds / 5).map(|_| p.object("Order", 2_000)).collect();
        let collection = p.filled("Object", &items);
        p.variable("orders", collection);
    });
    // The same as a global variable.
    expect((CauseKind::Global, Some("orders"), None), ORDERS, |p, rounds| {
        let items = orders(p, rounds);
        let collection = p.filled("Array", &items);
        p.s.property(p.global, "orders", collection);
    });
}

#[test]
fn what_two_collections_hold_is_named_by_its_class() {
    // The keys belong to one map and are most of it; what leaks is what both maps hold.
    let source = "const unit = make();
function handle(entity) {
  unit.identityMap.set(entity.key, entity);
}";
    let first = expect(
        (CauseKind::Collection, Some("identityMap"), Some("unit.identityMap")),
        source,
        |p, rounds| {
            let invoices: Vec<NodeId> = (0..rounds).map(|_| p.object("Invoice", 150)).collect();
            let keys: Vec<NodeId> =
                (0..rounds).map(|n| p.s.node("string", &format!("Invoice:{n}"), 200)).collect();
            let both: Vec<NodeId> =
                keys.iter().zip(&invoices).flat_map(|(&key, &value)| [key, value]).collect();
            let (identities, originals) = (p.filled("Map", &both), p.filled("Map", &invoices));
            let unit = p.object("UnitOfWork", 40);
            p.s.property(unit, "identityMap", identities);
            p.s.property(unit, "originals", originals);
            p.variable("unit", unit);
        },
    );
    assert_eq!(first.class_name.as_deref(), Some("Invoice"));
}

#[test]
fn block_scoped_variables() {
    let source = "function handle(queue) {
  for (const seen of [[]]) {
    let count = 0;
    queue.on('order', (order) => {
      count += 1;
      seen.push(order);
    });
  }
}";
    // As V8 writes the variables of a block: numbered, and the names in the scope only. An integer has no edge.
    let heap = |before: u64, names: &'static [&'static str]| {
        move |p: &mut Program, rounds: u64| {
            let items = orders(p, rounds);
            let seen = p.filled("Array", &items);
            let block = p.part("object", "system / Context");
            let scope = p.part("code", "system / ScopeInfo");
            p.s.edge(block, "internal", "scope_info", scope);
            for (i, name) in (0u64..).zip(names) {
                let name = p.s.node("string", name, 0);
                p.s.edge(scope, "hidden", i, name);
            }
            for i in 0..before {
                let other = p.object("Other", 16);
                p.s.edge(block, "hidden", i, other);
            }
            p.s.edge(block, "hidden", before, seen);
            let listener = p.function("", "queue.on('order', ", block);
            p.variable("listener", listener);
        }
    };
    let kind = CauseKind::Collection;
    let found = expect((kind, Some("seen"), Some("seen.push")), source, heap(0, &["seen"]));
    assert!(found.path.iter().any(|step| step.text.starts_with("variable seen")), "{:?}", found.path);
    expect((kind, Some("seen"), Some("seen.push")), source, heap(1, &["other", "seen"]));
    // One of the two is an integer: which one, nothing tells.
    let unknown = verdict(source, heap(0, &["count", "seen"])).suspects.remove(0);
    assert_ne!(unknown.cause.variable.as_deref(), Some("count"));
}

#[test]
fn weak_maps() {
    let source =
        "const notes = new WeakMap();\nfunction handle(connection) {\n  notes.set(connection, []);\n}";
    expect((CauseKind::WeakMap, Some("notes"), Some("notes.set")), source, |p, rounds| {
        let notes = p.object("WeakMap", 32);
        let table = p.part("array", "");
        p.s.edge(notes, "internal", "table", table);
        p.variable("notes", notes);
        let connections: Vec<NodeId> = (0..rounds).map(|_| p.object("Connection", 40)).collect();
        for (i, &key) in connections.iter().enumerate() {
            let note = p.object("Note", 400);
            p.s.ephemeron(table, key, note, i as u64);
            p.s.edge(p.roots, "internal", format!("{i}").as_str(), key);
        }
    });
}

#[test]
fn what_holds_the_keys_of_a_weak_map_holds_its_values() {
    let source = "const notes = new WeakMap();
const open = [];
function handle(connection) {
  open.push(connection);
  notes.set(connection, []);
}";
    expect((CauseKind::Collection, Some("open"), Some("open.push")), source, |p, rounds| {
        let notes = p.object("WeakMap", 32);
        let table = p.part("array", "");
        p.s.edge(notes, "internal", "table", table);
        p.variable("notes", notes);
        // So small that the connections themselves are no suspect.
        let connections: Vec<NodeId> = (0..rounds).map(|_| p.object("Connection", 8)).collect();
        let open = p.filled("Array", &connections);
        p.variable("open", open);
        for (i, &key) in connections.iter().enumerate() {
            let note = p.object("Note", 4_000);
            // V8 numbers the edges of each object: the two of a pair have different numbers.
            let pair =
                format!("part of key (Connection @{i}) -> value (Note @{i}) pair in WeakMap (table @9)");
            p.s.edge(key, "internal", format!("7 / {pair}").as_str(), note);
            p.s.edge(table, "internal", format!("{i} / {pair}").as_str(), note);
        }
    });
}

#[test]
fn what_node_lists_beside_a_suspect_is_left_out() {
    let heap = |listed: u64| {
        move |p: &mut Program, rounds: u64| {
            let items = orders(p, rounds);
            let collection = p.filled("Array", &items);
            p.variable("orders", collection);
            // A list of Node's own, which nobody's line can be named of.
            let records: Vec<NodeId> = (0..rounds).map(|_| p.part("object", "Object")).collect();
            let list = p.filled("Array", &records);
            p.s.edge(list, "internal", "elements", records[0]);
            let owner = p.part("object", "AsyncHook");
            p.s.property(owner, "records", list);
            for _ in 0..listed {
                p.s.edge(p.roots, "internal", "1", owner);
            }
        }
    };
    let suspects = verdict(ORDERS, heap(1)).suspects;
    assert_eq!(suspects.len(), 1, "{:?}", suspects.iter().map(|s| &s.cause).collect::<Vec<_>>());
}

const CHAIN: &str = "let state = null;
class State {
  constructor(previous) {
    this.previous = previous;
  }
}
function handle() {
  state = new State(state);
}";

#[test]
fn chains() {
    let states = |p: &mut Program, rounds: u64, linked: bool| {
        let all: Vec<NodeId> = (0..rounds).map(|_| p.object("State", 200)).collect();
        let class = p.function("State", "class State {\n  constructor", p.scope);
        let prototype = p.object("State", 16);
        p.s.property(prototype, "constructor", class);
        for pair in all.windows(2) {
            p.s.property(pair[1], "__proto__", prototype);
            if linked {
                p.s.property(pair[1], "previous", pair[0]);
            }
        }
        all
    };
    let found = expect((CauseKind::Chain, Some("previous"), Some("this.previous")), CHAIN, |p, rounds| {
        let all = states(p, rounds, true);
        p.variable("state", all[all.len() - 1]);
    });
    assert!(found.path.iter().any(|step| step.repeats >= 6));
    // All of them in a list, where each is reached without the others: a collection.
    expect((CauseKind::Collection, Some("state"), Some("let state")), CHAIN, |p, rounds| {
        let all = states(p, rounds, true);
        let list = p.filled("Array", &all);
        p.variable("state", list);
    });
}

#[test]
fn chains_whose_end_is_held_elsewhere_each_time() {
    let found = expect((CauseKind::Chain, Some("previous"), Some("this.previous")), CHAIN, |p, rounds| {
        let class = p.function("State", "class State {\n  constructor", p.scope);
        let prototype = p.object("State", 16);
        p.s.property(prototype, "constructor", class);
        let mut newest = p.object("State", 200);
        for _ in 1..rounds {
            let next = p.object("State", 200);
            p.s.property(next, "previous", newest);
            p.s.property(next, "__proto__", prototype);
            newest = next;
        }
        match rounds {
            100 => p.variable("state", newest),
            200 => {
                let timer = p.object("Timeout", 80);
                p.s.property(timer, "store", newest);
                p.s.property(p.global, "timer", timer);
            }
            _ => p.s.edge(p.roots, "internal", "5", newest),
        }
    });
    assert!(found.path.iter().any(|step| step.repeats >= 200), "{:?}", found.path);
}

const TEMPLATES: &str = "let template;
function handle() {
  const original = template;
  const log = () => original.name;
  template = new Template();
  template.send = (to) => to;
  template.reply = (to) => original.send(to);
}";

#[test]
fn shared_contexts() {
    let templates = |marker: &'static str| {
        move |p: &mut Program, rounds: u64| {
            let mut newest = p.object("Template", 200);
            for _ in 0..rounds {
                let context = p.context("original", newest);
                let send = p.function("", marker, context);
                newest = p.object("Template", 200);
                p.s.property(newest, "send", send);
            }
            p.variable("template", newest);
        }
    };
    let found = expect(
        (CauseKind::SharedContext, Some("original"), Some("const original")),
        TEMPLATES,
        templates("template.send = "),
    );
    assert!(found.cause.related.iter().any(|r| r.what.contains("uses original")), "{:?}", found.cause);
    // A function that does read the variable keeps it rightly: a chain.
    expect(
        (CauseKind::Chain, Some("original"), Some("const original")),
        TEMPLATES,
        templates("template.reply = "),
    );
}

#[test]
fn chains_side_by_side() {
    // 31 subscribers, each with a chain of its own: many of the objects have little above them.
    let found = expect(
        (CauseKind::SharedContext, Some("original"), Some("const original")),
        TEMPLATES,
        |p, rounds| {
            let subscribers: Vec<NodeId> = (0..31)
                .map(|_| {
                    let mut newest = p.object("Template", 200);
                    for _ in 0..rounds / 31 {
                        let context = p.context("original", newest);
                        let send = p.function("", "template.send = ", context);
                        newest = p.object("Template", 200);
                        p.s.property(newest, "send", send);
                    }
                    p.context("template", newest)
                })
                .collect();
            let jobs = p.filled("Array", &subscribers);
            p.variable("template", jobs);
        },
    );
    assert!(found.path.iter().any(|step| step.repeats >= 6), "{:?}", found.path);
}

const EVENTS: &str = "const bus = new EventEmitter();
function handle(client) {
  bus.on('settings', () => client.reload());
}";

#[test]
fn listeners() {
    let held = |property: &'static str| {
        move |p: &mut Program, rounds: u64| {
            let bus = p.object("EventEmitter", 64);
            let events = p.object("Object", 32);
            let listeners: Vec<NodeId> = (0..rounds)
                .map(|_| {
                    let client = p.object("Client", 300);
                    let context = p.context("client", client);
                    p.function("", "bus.on('settings', ", context)
                })
                .collect();
            let list = p.filled("Array", &listeners);
            p.s.property(events, "settings", list);
            p.s.property(bus, property, events);
            p.variable("bus", bus);
        }
    };
    let found = expect((CauseKind::Listeners, Some("bus"), Some("bus.on")), EVENTS, held("_events"));
    assert!(found.cause.detail.contains("'settings'"), "{}", found.cause.detail);
    assert_eq!(found.class_name.as_deref(), Some("Client"));
    // One listener that keeps more and more is none of them.
    let (collection, seen) = (CauseKind::Collection, Some("seen"));
    expect((collection, seen, Some("bus.on")), EVENTS, |p, rounds| {
        let clients = orders(p, rounds);
        let list = p.filled("Array", &clients);
        let context = p.context("seen", list);
        let listener = p.function("", "bus.on('settings', ", context);
        let (bus, events) = (p.object("EventEmitter", 64), p.object("Object", 32));
        p.s.property(events, "settings", listener);
        p.s.property(bus, "_events", events);
        p.variable("bus", bus);
    });
    // Functions in a table of one's own are a collection.
    expect((CauseKind::Collection, Some("settings"), Some("const bus")), EVENTS, held("handlers"));
}

const TIMERS: &str = "function handle(download) {
  setInterval(() => download.check(), 1000);
}";

#[test]
fn timers() {
    let held = |class: &'static str| {
        move |p: &mut Program, rounds: u64| {
            let timers: Vec<NodeId> = (0..rounds)
                .map(|_| {
                    let timer = p.object(class, 80);
                    let download = p.object("Download", 300);
                    let context = p.context("download", download);
                    let callback = p.function("", "setInterval(", context);
                    p.s.property(timer, "_onTimeout", callback);
                    p.s.property(timer, "_repeat", p.scope);
                    timer
                })
                .collect();
            let list = p.filled("Array", &timers);
            p.variable("list", list);
        }
    };
    let expected = (CauseKind::Timer, Some("download"), Some("setInterval"));
    let found = expect(expected, TIMERS, held("Timeout"));
    assert!(found.advice.contains("clearInterval"), "{}", found.advice);
    assert_eq!(verdict(TIMERS, held("Job")).suspects[0].cause.kind, CauseKind::Collection);
}

const SHUTDOWN: &str = "const shutdown = new Promise(() => {});
async function handle(job) {
  await Promise.race([job.done, shutdown]);
}";

#[test]
fn promises() {
    // Each reaction to a promise holds the one before.
    expect((CauseKind::Promise, Some("shutdown"), Some("await Promise.race")), SHUTDOWN, |p, rounds| {
        let shutdown = p.object("Promise", 40);
        let mut newest = None;
        for _ in 0..rounds {
            let reaction = p.part("hidden", "system / PromiseReaction");
            let result = p.object("JobResult", 200);
            p.s.edge(reaction, "internal", "promise_or_capability", result);
            if let Some(before) = newest {
                p.s.edge(reaction, "hidden", 0, before);
            }
            newest = Some(reaction);
        }
        p.s.edge(shutdown, "internal", "reactions_or_result", newest.unwrap());
        p.variable("shutdown", shutdown);
    });
    // Promises that have settled are in a list like anything else.
    expect((CauseKind::Collection, Some("shutdown"), Some("const shutdown")), SHUTDOWN, |p, rounds| {
        let settled: Vec<NodeId> = (0..rounds)
            .map(|_| {
                let promise = p.object("Promise", 40);
                let result = p.object("JobResult", 200);
                p.s.edge(promise, "internal", "reactions_or_result", result);
                promise
            })
            .collect();
        let list = p.filled("Array", &settled);
        p.variable("shutdown", list);
    });
}

#[test]
fn suspended_calls() {
    let source = "let first;\nfunction handle() {}\nasync function consume() {\n  await consume();\n}";
    let found = expect((CauseKind::Promise, None, Some("async function consume")), source, |p, rounds| {
        let consume = p.function("consume", "async function consume", p.scope);
        let mut waiting: Option<NodeId> = None;
        for _ in 0..rounds {
            let call = p.object("Generator", 200);
            let promise = p.object("Promise", 40);
            let reaction = p.part("hidden", "system / PromiseReaction");
            p.s.edge(promise, "internal", "reactions_or_result", reaction);
            p.s.edge(reaction, "hidden", 1, call);
            p.s.edge(call, "internal", "function", consume);
            if let Some(waiting) = waiting {
                p.s.edge(call, "hidden", 3, waiting);
            }
            waiting = Some(promise);
        }
        p.variable("first", waiting.unwrap());
    });
    assert_eq!(found.cause.function.as_deref(), Some("consume"));
}

#[test]
fn async_contexts() {
    let source = "const handles = new Set();\nfunction handle() {\n  handles.add(open());\n}";
    let held = |store: &'static str| {
        move |p: &mut Program, rounds: u64| {
            let handles: Vec<NodeId> = (0..rounds)
                .map(|_| {
                    let handle = p.object("AsyncResource", 40);
                    let context = p.object("RequestContext", 500);
                    p.s.property(handle, store, context);
                    handle
                })
                .collect();
            let set = p.filled("Set", &handles);
            p.variable("handles", set);
        }
    };
    let expected = (CauseKind::AsyncContext, Some("handles"), Some("handles.add"));
    let found = expect(expected, source, held("<symbol kResourceStore>"));
    assert_eq!(found.class_name.as_deref(), Some("RequestContext"));
    expect((CauseKind::Collection, Some("handles"), Some("handles.add")), source, held("request"));
}

const PARTS: &str = "const parts = [];\nfunction handle(part) {\n  parts.push(part);\n}";

#[test]
fn memory_of_buffers() {
    let buffers = |bytes: u64| {
        move |p: &mut Program, rounds: u64| {
            let all: Vec<NodeId> = (0..rounds)
                .map(|_| {
                    let buffer = p.object("Buffer", 96);
                    let data = p.s.node("native", "system / JSArrayBufferData", bytes);
                    p.s.edge(buffer, "internal", "backing_store", data);
                    buffer
                })
                .collect();
            let list = p.filled("Array", &all);
            p.variable("parts", list);
        }
    };
    expect((CauseKind::ExternalMemory, Some("parts"), Some("parts.push")), PARTS, buffers(16_000));
    expect((CauseKind::Collection, Some("parts"), Some("parts.push")), PARTS, buffers(8));
}

#[test]
fn detached_trees() {
    let panels = |held: bool| {
        move |p: &mut Program, rounds: u64| {
            let document = p.object("Document", 64);
            p.variable("document", document);
            let leaves: Vec<NodeId> = (0..rounds)
                .map(|i| {
                    let [top, leaf] = [300, 100].map(|size| p.object("Element", size));
                    p.s.property(leaf, "parentNode", top);
                    p.s.edge(top, "element", 0, leaf);
                    if held {
                        p.s.edge(document, "element", i, top);
                    }
                    leaf
                })
                .collect();
            let list = p.filled("Array", &leaves);
            p.variable("parts", list);
        }
    };
    let expected = (CauseKind::DetachedTree, Some("parts"), Some("parts.push"));
    expect(expected, PARTS, panels(false));
    // Trees that are part of the document are the document's.
    assert_ne!(verdict(PARTS, panels(true)).suspects[0].cause.kind, CauseKind::DetachedTree);
    // V8 says so itself of a browser's elements.
    expect(expected, PARTS, |p, rounds| {
        let all: Vec<NodeId> = (0..rounds)
            .map(|i| {
                let (kind, name) = ("native".to_owned(), "HTMLDivElement".to_owned());
                let id = 1_000_001 + 2 * i;
                p.s.add(Node { kind, name, id, self_size: 200, detachedness: 2, trace_node: 0 })
            })
            .collect();
        let list = p.filled("Array", &all);
        p.variable("parts", list);
    });
}

/// Strings of a type, each with a text and parts.
fn texts(
    p: &mut Program,
    rounds: u64,
    kind: &'static str,
    text: impl Fn(u64) -> String,
    parts: &[(&'static str, u64)],
) {
    let all: Vec<NodeId> = (0..rounds)
        .map(|i| {
            let string = p.s.node(kind, &text(i), 100);
            for &(name, size) in parts {
                let part = p.s.node("string", &format!("{name} of {i}"), size);
                p.s.edge(string, "internal", name, part);
            }
            string
        })
        .collect();
    let list = p.filled("Array", &all);
    p.variable("parts", list);
}

#[test]
fn strings() {
    let own = |i: u64| format!("text {i}");
    let (found, line) = (Some("parts"), Some("parts.push"));
    expect((CauseKind::SlicedString, found, line), PARTS, |p, rounds| {
        texts(p, rounds, "sliced string", own, &[("parent", 5_000)]);
    });
    // Slices of what is hardly longer cost nothing.
    expect((CauseKind::Collection, found, line), PARTS, |p, rounds| {
        texts(p, rounds, "sliced string", own, &[("parent", 20)]);
    });
    expect((CauseKind::DuplicateStrings, found, line), PARTS, |p, rounds| {
        texts(p, rounds, "string", |i| format!("Lisbon {}", i % 3), &[]);
    });
    expect((CauseKind::Collection, found, line), PARTS, |p, rounds| {
        texts(p, rounds, "string", own, &[]);
    });
    // Many strings that were put together are many strings; one that is put together ever again is one.
    expect((CauseKind::Collection, found, line), PARTS, |p, rounds| {
        texts(p, rounds, "concatenated string", own, &[("first", 60), ("second", 60)]);
    });
    let log = "let text = '';\nfunction handle(request) {\n  text += request.url;\n}";
    expect((CauseKind::ConcatenatedString, Some("text"), Some("text +=")), log, |p, rounds| {
        let mut text = p.s.node("string", "GET", 24);
        for i in 0..rounds {
            let (longer, part) = (p.part("concatenated string", "GET"), p.s.node("string", &own(i), 100));
            p.s.edge(longer, "internal", "first", text);
            p.s.edge(longer, "internal", "second", part);
            text = longer;
        }
        p.variable("text", text);
    });
}

#[test]
fn strings_that_are_internalized_belong_to_who_holds_them() {
    expect((CauseKind::Collection, Some("parts"), Some("parts.push")), PARTS, |p, rounds| {
        texts(p, rounds, "string", |i| format!("text {i}"), &[]);
        let table = p.s.node("synthetic", "(Internalized strings)", 0);
        p.s.edge(p.roots, "element", 22, table);
        let all: Vec<NodeId> =
            p.s.nodes()
                .iter()
                .enumerate()
                .filter(|(_, n)| n.kind == "string")
                .map(|(i, _)| NodeId(i))
                .collect();
        for (i, string) in all.into_iter().enumerate() {
            p.s.edge(table, "internal", format!("{i}").as_str(), string);
        }
    });
}

#[test]
fn native_code() {
    let source = "function handle() {\n  console.log(new Report());\n}";
    let handles = |label: &'static str, group: &'static str, native: bool| {
        move |p: &mut Program, rounds: u64| {
            let root = p.s.node("synthetic", group, 0);
            p.s.edge(p.roots, "element", 9, root);
            for i in 0..rounds {
                let report = p.object("Report", 300);
                let data = p.part(if native { "native" } else { "object" }, "Node / Port");
                p.s.property(report, "data", data);
                p.s.edge(root, "internal", format!("{i}{label}").as_str(), report);
            }
        }
    };
    let is = |kind| (kind, None, None);
    expect(is(CauseKind::Inspector), source, handles(" / DevTools console", "(Global handles)", true));
    let made = (CauseKind::NativeHandle, None, Some("console.log(new Report()"));
    expect(made, source, handles("", "(Global handles)", true));
    // The stack holds things, too, but none of them can be closed.
    expect(is(CauseKind::Growth), source, handles("", "(Stack roots)", true));
}

const RULES: &str = "function handle(version) {
  delete require.cache[file];
  require('./fixed.js');
  require(file);
  import('./fixed.mjs');
  import(`./rules.mjs?v=${version}`);
}";

fn module(p: &mut Program, file: &str) -> NodeId {
    let module = p.object("Module", 100);
    let (exports, children) = (p.object("Object", 300), p.object("Array", 16));
    let name = p.s.node("string", file, 40);
    p.s.property(module, "exports", exports);
    p.s.property(module, "children", children);
    p.s.property(module, "filename", name);
    module
}

#[test]
fn modules() {
    // Required anew by one module, which lists them all.
    let children = |class: &'static str| {
        move |p: &mut Program, rounds: u64| {
            let all: Vec<NodeId> = (0..rounds)
                .map(
                    |_| if class == "Module" { module(p, "/srv/app/rules.js") } else { p.object(class, 500) },
                )
                .collect();
            let main = p.object("Module", 100);
            let name = p.s.node("string", SCRIPT, 40);
            let list = p.filled("Array", &all);
            let exports = p.object("Object", 16);
            p.s.property(main, "filename", name);
            p.s.property(main, "exports", exports);
            p.s.property(main, "children", list);
            p.variable("main", main);
        }
    };
    let found = expect(
        (CauseKind::ModuleCache, Some("children"), Some("delete require.cache")),
        RULES,
        children("Module"),
    );
    assert_eq!(found.cause.detail, "rules.js is loaded repeatedly, and Node.js retains all 300 copies");
    assert_eq!(verdict(RULES, children("Order")).suspects[0].cause.kind, CauseKind::Collection);

    // Imported under ever new URLs.
    let imported = |class: &'static str| {
        move |p: &mut Program, rounds: u64| {
            let jobs: Vec<NodeId> = (0..rounds)
                .map(|i| {
                    let job = p.object("ModuleJob", 300);
                    let url = p.s.node("string", &format!("file:///srv/app/rules.mjs?v={i}"), 60);
                    p.s.property(job, "url", url);
                    job
                })
                .collect();
            let cache = p.filled(class, &jobs);
            p.variable("loadCache", cache);
        }
    };
    let found = expect((CauseKind::ModuleCache, None, Some("import(`")), RULES, imported("LoadCache"));
    assert!(found.cause.detail.starts_with("rules.mjs is loaded"), "{}", found.cause.detail);
    assert_eq!(verdict(RULES, imported("Map")).suspects[0].cause.kind, CauseKind::Collection);
}

#[test]
fn strings_put_together_are_no_growth() {
    // 400 texts, of which V8 has put more and more together; the next collection takes the halves away.
    let source = "const texts = make();\nfunction handle(n) {\n  texts[n % 400] = `text ${n}`;\n}";
    let found = verdict(source, |p, rounds| {
        let empty = p.s.node("string", "", 16);
        let texts: Vec<NodeId> = (0..400)
            .map(|i| {
                let whole = p.s.node("string", &format!("text {i} of many"), 40);
                if i >= rounds {
                    return whole;
                }
                let text = p.s.node("concatenated string", "(concatenated string)", 32);
                p.s.edge(text, "internal", "first", whole);
                p.s.edge(text, "internal", "second", empty);
                text
            })
            .collect();
        let list = p.filled("Array", &texts);
        p.variable("texts", list);
    });
    assert!(found.suspects.is_empty(), "{}", found.verdict);
}
