//! What moves without leaking: entries that come and go, tables that double, cells of registries. Each has a twin that
//! differs in one thing and leaks.

mod program;

use program::{Program, verdict};
use stillheap_synth::NodeId;

const CACHE: &str = "const cache = new Map();
function handle(order) {
  cache.set(order.id, order);
}";

/// A Map whose table has a size of its own.
fn map_of(p: &mut Program, table_size: u64, items: &[NodeId]) {
    let (map, table) = (p.object("Map", 32), p.s.node("array", "", table_size));
    p.s.edge(map, "internal", "table", table);
    for (i, &item) in items.iter().enumerate() {
        p.s.edge(table, "internal", i.to_string().as_str(), item);
    }
    p.variable("cache", map);
}

fn names_of_suspects(heap: impl Fn(&mut Program, u64)) -> Vec<String> {
    let suspects = verdict(CACHE, heap).suspects.into_iter();
    suspects.map(|suspect| suspect.cause.variable.unwrap_or_default()).collect()
}

/// Entries with keys from `first` on.
fn entries(p: &mut Program, first: u64, many: u64) -> Vec<NodeId> {
    let key = |p: &mut Program, n: u64| p.s.node("string", &format!("session-{n:012}"), 40);
    (first..first + many).flat_map(|n| [key(p, n), p.object("Session", 200)]).collect()
}

#[test]
fn entries_that_come_and_go_are_no_leak() {
    // 300, 350 and 400 sessions; of the first ones none is left.
    let coming = |p: &mut Program, rounds: u64| {
        let items = entries(p, rounds * 10, 250 + rounds / 2);
        map_of(p, 4_000, &items);
    };
    assert_eq!(names_of_suspects(coming), Vec::<String>::new());
    let staying = |p: &mut Program, rounds: u64| {
        let items = entries(p, 0, 250 + rounds / 2);
        map_of(p, 4_000, &items);
    };
    assert_eq!(names_of_suspects(staying), ["cache"]);
}

#[test]
fn a_table_that_doubles_for_the_same_entries_is_no_leak() {
    let doubles = |entries: fn(u64) -> u64| {
        move |p: &mut Program, rounds: u64| {
            // Plain objects: those of a class of which there are always equally many have a place of their own.
            let items: Vec<NodeId> = (0..entries(rounds)).map(|_| p.object("Object", 40)).collect();
            map_of(p, rounds * 200, &items);
        }
    };
    assert_eq!(names_of_suspects(doubles(|_| 600)), Vec::<String>::new());
    assert_eq!(names_of_suspects(doubles(|rounds| rounds * 3)), ["cache"]);
    // Numbers are in the table itself.
    assert_eq!(names_of_suspects(doubles(|_| 0)), ["cache"]);
}

#[test]
fn cells_of_a_registry_are_no_leak() {
    let of = |class: &'static str| {
        move |p: &mut Program, rounds: u64| {
            let object = p.object(class, rounds * 200);
            p.variable("cache", object);
        }
    };
    assert_eq!(names_of_suspects(of("FinalizationRegistry")), Vec::<String>::new());
    assert_eq!(names_of_suspects(of("Map")), ["cache"]);
}
