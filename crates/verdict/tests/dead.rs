//! Variables that no live function reads: which are found, and what must not be called dead.

mod program;

use program::{Program, SCRIPT, open};
use stillheap_analysis::Model;
use stillheap_synth::NodeId;
use stillheap_verdict::{DeadVariable, NoSources, dead_variables};

const SOURCE: &str = "function handle(order) {
  const body = read(order);
  const log = [];
  const total = () => body.length;
  const late = () => log.length;
  const any = (name) => eval(name);
  const inner = () => { const body = 1; return body; };
}";

/// Ten calls of `handle`, of each of which the functions behind `alive` are alive, and what is dead then.
fn dead(alive: &[&str], more: impl Fn(&mut Program, NodeId, NodeId)) -> Vec<DeadVariable> {
    let mut p = Program::new(SOURCE);
    let scope_info = p.part("code", "system / ScopeInfo");
    let kept: Vec<NodeId> = (0..10)
        .flat_map(|_| {
            let (body, log) = (p.object("Body", 5_000), p.object("Array", 2_000));
            let context = p.context("body", body);
            p.s.edge(context, "context", "log", log);
            p.s.edge(context, "internal", "scope_info", scope_info);
            p.s.edge(context, "internal", "previous", p.scope);
            more(&mut p, context, body);
            alive.iter().map(|marker| p.function("", marker, context)).collect::<Vec<_>>()
        })
        .collect();
    let list = p.filled("Array", &kept);
    p.variable("list", list);
    dead_variables(open(p.s.to_json()).analysis(Model::Devtools), &NoSources)
}

#[test]
fn a_variable_whose_reader_is_gone_is_dead() {
    let found = dead(&["late = "], |_, _, _| ());
    let names: Vec<&str> = found.iter().map(|dead| dead.name.as_str()).collect();
    assert_eq!(names, ["body"]);
    assert_eq!((found[0].contexts, found[0].retained_size), (10, 50_000));
    let at = found[0].location.as_ref().map(|at| (at.script.as_deref(), at.line));
    assert_eq!(at, Some((Some(SCRIPT), 2)));
    assert_eq!(found[0].example.name, "Body");
}

#[test]
fn what_may_be_read_is_not_called_dead() {
    let none: Vec<String> = Vec::new();
    let names = |found: Vec<DeadVariable>| found.into_iter().map(|dead| dead.name).collect::<Vec<_>>();
    assert_eq!(names(dead(&["late = ", "total = "], |_, _, _| ())), none, "each has its reader");
    assert_eq!(names(dead(&["late = ", "any = "], |_, _, _| ())), none, "eval reads what it likes");
    assert_eq!(
        names(dead(&["late = ", "inner = "], |_, _, _| ())),
        none,
        "in doubt, a name is that variable"
    );
    assert_eq!(
        names(dead(&["late = "], |p, context, _| p.s.edge(p.roots, "element", 9, context))),
        none,
        "it runs"
    );
    let elsewhere = |p: &mut Program, _: NodeId, body: NodeId| {
        let kept = p.object("Array", 16);
        p.s.property(p.global, "kept", kept);
        p.s.edge(kept, "element", 0, body);
    };
    assert_eq!(names(dead(&["late = "], elsewhere)), none, "it would stay alive anyhow");
}
