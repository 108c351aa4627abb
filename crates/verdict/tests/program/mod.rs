//! A small program's heap: a script whose text is in the snapshot, a function of it that the global object holds, and
//! that function's variables.
#![allow(dead_code)] // Each test file uses a part of it.

use stillheap_analysis::{Model, Snapshot};
use stillheap_snapshot::ReadOptions;
use stillheap_synth::{NodeId, Snapshot as Synthetic, Variant};
use stillheap_verdict::{Leaks, NoSources, Options, leaks};

pub const SCRIPT: &str = "/srv/app/main.js";

pub struct Program {
    pub s: Synthetic,
    pub roots: NodeId,
    pub global: NodeId,
    script: NodeId,
    source: &'static str,
    /// The context of the script.
    pub scope: NodeId,
}

impl Program {
    pub fn new(source: &'static str) -> Program {
        let (mut s, _, roots, global) = Synthetic::with_roots(Variant::Node22);
        let script = s.node("code", SCRIPT, 96);
        let text = s.node("string", source, 2_000);
        s.edge(script, "internal", "source", text);
        let scope = s.node("object", "system / Context", 40);
        let mut program = Program { s, roots, global, script, source, scope };
        let handle = program.function("handle", "function handle", scope);
        program.s.property(global, "handle", handle);
        program
    }

    /// A function that is in the source right behind `marker`, with the variables around it.
    pub fn function(&mut self, name: &str, marker: &str, context: NodeId) -> NodeId {
        let closure = self.s.node("closure", name, 64);
        let shared = self.s.node("code", name, 64);
        let before = self.source.split_inclusive(marker).next().unwrap();
        assert!(before.ends_with(marker), "{marker} is not in the source");
        let line = before.matches('\n').count() as u64;
        let column = before.rsplit('\n').next().unwrap().len() as u64;
        self.s.location(closure, 7, line, column);
        self.s.edge(closure, "internal", "shared", shared);
        self.s.edge(shared, "internal", "script", self.script);
        self.s.edge(closure, "internal", "context", context);
        closure
    }

    /// Variables of a call: a context with a name for one of them.
    pub fn context(&mut self, variable: &str, value: NodeId) -> NodeId {
        let context = self.s.node("object", "system / Context", 40);
        self.s.edge(context, "context", variable, value);
        context
    }

    pub fn object(&mut self, class: &str, size: u64) -> NodeId {
        self.s.node("object", class, size)
    }

    /// An object of Node's own class, which has no place in the application's source.
    pub fn part(&mut self, kind: &str, name: &str) -> NodeId {
        self.s.node(kind, name, 64)
    }

    /// A variable of the script.
    pub fn variable(&mut self, name: &'static str, value: NodeId) {
        self.s.edge(self.scope, "context", name, value);
    }

    /// Puts `items` into a new collection of a class, as V8 lays it out.
    pub fn filled(&mut self, class: &str, items: &[NodeId]) -> NodeId {
        let collection = self.s.node("object", class, 32);
        let table = self.s.node("array", "", 64);
        let link = if class == "Array" { "elements" } else { "table" };
        if class != "Object" {
            self.s.edge(collection, "internal", link, table);
        }
        for (i, &item) in items.iter().enumerate() {
            match class {
                "Array" => self.s.edge(collection, "element", i as u64, item),
                "Object" => self.s.property(collection, &format!("key-{i}"), item),
                _ => self.s.edge(table, "internal", i.to_string().as_str(), item),
            }
        }
        collection
    }
}

pub fn open(json: Vec<u8>) -> Snapshot {
    stillheap_snapshot::read(std::io::Cursor::new(json), ReadOptions::default()).map(Snapshot::new).unwrap()
}

pub fn judge(files: Vec<Vec<u8>>) -> Leaks {
    let opened: Vec<Snapshot> = files.into_iter().map(open).collect();
    let analyses: Vec<_> = opened.iter().map(|s| s.analysis(Model::Devtools)).collect();
    leaks(&analyses, &NoSources, Options::default())
}

/// The verdict over a program that has done its work 100, 200 and 300 times. It must be the same whatever the order of
/// nodes and edges in the files.
pub fn verdict(source: &'static str, heap: impl Fn(&mut Program, u64)) -> Leaks {
    let built = [100, 200, 300].map(|rounds| {
        let mut program = Program::new(source);
        heap(&mut program, rounds);
        program.s
    });
    let found = judge(built.iter().map(Synthetic::to_json).collect());
    for seed in 1..4 {
        let shuffled = built.iter().zip(seed..).map(|(s, seed)| s.shuffled(seed).to_json());
        assert_eq!(said(&judge(shuffled.collect())), said(&found), "in another order (seed {seed})");
    }
    found
}

/// What somebody reads of a verdict.
fn said(leaks: &Leaks) -> Vec<String> {
    let suspects = leaks.suspects.iter().map(|suspect| {
        let path: Vec<&str> = suspect.path.iter().map(|step| step.text.as_str()).collect();
        format!("{:?} {:?} {:?} {path:?}", suspect.class_name, suspect.counts, suspect.cause)
    });
    std::iter::once(leaks.verdict.clone()).chain(suspects).collect()
}
