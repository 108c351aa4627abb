//! Verdicts over snapshots made by hand, and over ones that nobody could have made.

use stillheap_analysis::{Model, Snapshot};
use stillheap_snapshot::ReadOptions;
use stillheap_synth::{NodeId, RandomOptions, Snapshot as Synthetic, Variant, random_graph, random_pair};
use stillheap_verdict::{CauseKind, Leaks, NoSources, Options, leaks};

fn open(made: &Synthetic) -> Snapshot {
    stillheap_snapshot::read(std::io::Cursor::new(made.to_json()), ReadOptions::default())
        .map(Snapshot::new)
        .unwrap()
}

fn verdict(made: &[Synthetic]) -> Leaks {
    let opened: Vec<Snapshot> = made.iter().map(open).collect();
    let analyses: Vec<_> = opened.iter().map(|s| s.analysis(Model::Devtools)).collect();
    leaks(&analyses, &NoSources, Options::default())
}

/// A service with a Map in a module's variable.
fn with_map(entries: u64) -> Synthetic {
    let (mut s, _, _, global) = Synthetic::with_roots(Variant::Node22);
    let handler = s.node("closure", "handle", 64);
    s.location(handler, 7, 11, 15);
    let shared = s.node("code", "handle", 64);
    let script = s.node("code", "/srv/app/orders.js", 96);
    s.edge(handler, "internal", "shared", shared);
    s.edge(shared, "internal", "script", script);
    let context = s.node("object", "system / Context", 40);
    s.edge(handler, "internal", "context", context);
    s.property(global, "handle", handler);
    let map = s.node("object", "Map", 32);
    let table = s.node("array", "", 64);
    s.edge(context, "context", "orders", map);
    s.edge(map, "internal", "table", table);
    for i in 0..entries {
        let order = s.node("object", "Order", 200);
        s.edge(table, "internal", format!("{i}").as_str(), order);
    }
    s
}

#[test]
fn a_map_that_grows_is_named_by_its_variable() {
    let found = verdict(&[with_map(100), with_map(200), with_map(300)]);
    let [suspect] = &found.suspects[..] else { panic!("{found:?}") };
    assert_eq!(suspect.class_name.as_deref(), Some("Order"));
    assert_eq!(suspect.counts, [100, 200, 300]);
    assert_eq!(suspect.growth_per_step, 20_000);
    assert_eq!(suspect.cause.kind, CauseKind::Collection);
    assert_eq!(suspect.cause.variable.as_deref(), Some("orders"));
    let place = suspect.cause.location.as_ref().unwrap();
    assert_eq!((place.script.as_deref(), place.line), (Some("/srv/app/orders.js"), 12));
    let decisive: Vec<&str> =
        suspect.path.iter().filter(|step| step.decisive).map(|step| step.text.as_str()).collect();
    assert_eq!(decisive, ["variable orders of a function of orders.js: Map"]);
    assert!(found.verdict.contains("orders.js:12"), "{}", found.verdict);
}

#[test]
fn what_stays_shrinks_or_settles_is_no_leak() {
    for counts in [[300, 300, 300], [300, 200, 100], [100, 400, 300], [100, 1000, 1050], [300, 310, 320]] {
        let found = verdict(&counts.map(with_map));
        assert!(found.suspects.is_empty(), "{counts:?}: {}", found.verdict);
    }
}

#[test]
fn one_snapshot_tells_what_stands_out() {
    let found = verdict(&[with_map(5000)]);
    assert_eq!(found.suspects[0].class_name.as_deref(), Some("Order"));
    assert_eq!(found.suspects[0].cause.variable.as_deref(), Some("orders"));
    assert!(verdict(&[with_map(3)]).suspects.is_empty());
    assert!(leaks(&[], &NoSources, Options::default()).suspects.is_empty());
}

#[test]
fn little_growth_is_noise_unless_it_is_asked_for() {
    let opened: Vec<Snapshot> = [100, 110, 120].map(with_map).iter().map(open).collect();
    let analyses: Vec<_> = opened.iter().map(|s| s.analysis(Model::Devtools)).collect();
    let found = |least_growth| leaks(&analyses, &NoSources, Options { least_growth, ..Options::default() });
    assert!(found(None).suspects.is_empty());
    assert!(found(Some(3_000)).suspects.is_empty());
    assert_eq!(found(Some(1_000)).suspects[0].cause.variable.as_deref(), Some("orders"));
}

/// The lab's leak: each template's `send` keeps the context whose `original` is the template before.
fn with_templates(count: u64) -> Synthetic {
    let (mut s, _, _, global) = Synthetic::with_roots(Variant::Node22);
    let script = s.node("code", "/srv/app/mail.js", 96);
    let shared = s.node("code", "send", 64);
    s.edge(shared, "internal", "script", script);
    let refresh = s.node("closure", "refresh", 64);
    s.location(refresh, 7, 30, 4);
    s.property(global, "refresh", refresh);
    let of_refresh = s.node("code", "refresh", 64);
    let scope = s.node("code", "system / ScopeInfo", 64);
    s.edge(refresh, "internal", "shared", of_refresh);
    s.edge(of_refresh, "internal", "script", script);
    s.edge(of_refresh, "internal", "name_or_scope_info", scope);
    let mut previous: Option<NodeId> = None;
    for _ in 0..count {
        let template = s.node("object", "Template", 200);
        let context = s.node("object", "system / Context", 32);
        let send = s.node("closure", "", 64);
        s.location(send, 7, 33, 20);
        s.edge(send, "internal", "shared", shared);
        s.edge(send, "internal", "context", context);
        s.edge(context, "internal", "scope_info", scope);
        s.property(template, "send", send);
        if let Some(previous) = previous {
            s.edge(context, "context", "original", previous);
        }
        previous = Some(template);
    }
    if let Some(newest) = previous {
        s.property(global, "template", newest);
    }
    s
}

#[test]
fn a_shared_context_is_recognised_without_sources() {
    let found = verdict(&[with_templates(50), with_templates(150), with_templates(250)]);
    let [suspect] = &found.suspects[..] else { panic!("{found:?}") };
    assert_eq!(suspect.class_name.as_deref(), Some("Template"));
    assert_eq!(suspect.cause.kind, CauseKind::SharedContext);
    assert_eq!(suspect.cause.variable.as_deref(), Some("original"));
    assert_eq!(suspect.cause.function.as_deref(), Some("refresh"));
    assert_eq!(suspect.cause.location.as_ref().map(|l| l.line), Some(31));
    assert!(suspect.path.iter().any(|step| step.repeats > 1), "{:?}", suspect.path);
    assert!(suspect.path.len() < 20, "the chain is not folded: {}", suspect.path.len());
}

#[test]
fn a_long_list_is_no_trouble() {
    let found = verdict(&[with_templates(10_000), with_templates(60_000)]);
    assert_eq!(found.suspects[0].cause.kind, CauseKind::SharedContext);
}

#[test]
fn hostile_snapshots_give_an_answer() {
    let options = RandomOptions { hostile: true, ..RandomOptions::default() };
    for seed in 0..1500 {
        let (old, young) = random_pair(seed, &options);
        let newest = random_graph(seed + 10_000, &options);
        let found = verdict(&[old, young, newest]);
        assert!(found.suspects.len() <= 5);
        verdict(&[random_graph(seed, &options)]);
    }
}
