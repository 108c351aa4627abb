//! Sizes that nobody vouches for: every question, and the page, over graphs whose sums don't fit into 64 bits. Tests
//! are built with checks for overflow, so that a sum that forgets to stop is a panic here.

use stillheap_analysis::{Model, Snapshot};
use stillheap_graph::types::{edge, node};
use stillheap_graph::{GraphBuilder, Location, NewNode};
use stillheap_questions::{DiffRequest, LeaksRequest, Opened, Scripts, answer, diff, leaks};

/// A chain of nodes of all types with the largest sizes that there can be; all of one type share a name, and so do
/// the strings' texts, so that they are added up in every way there is.
fn opened(objects: u32, model: Model) -> Opened {
    let mut builder = GraphBuilder::new();
    let names = ["", "a", "Leak", "Array", "system / JSArrayBufferData", "elements", "context", "(GC roots)"];
    for name in names {
        builder.string(name.as_bytes()).unwrap();
    }
    let types = node::NAMES.len() as u32;
    builder.node(NewNode { node_type: node::SYNTHETIC, name: 0, id: 1, ..NewNode::default() }).unwrap();
    builder.edge(edge::SHORTCUT, 1, 1).unwrap();
    for n in 1..=objects {
        let new = NewNode {
            node_type: (n % types) as u8,
            name: (n / types) % 5,
            id: u64::from(2 * n + 1),
            self_size: u64::MAX - u64::from(n % 3),
            trace_id: 1 + n % 2,
            ..NewNode::default()
        };
        builder.node(new).unwrap();
        let next = if n == objects { 1 } else { n + 1 };
        builder.edge(edge::PROPERTY, 2, next).unwrap();
        builder.edge(edge::INTERNAL, 5 + n % 2, (n * 7) % objects + 1).unwrap();
        builder.edge(edge::ELEMENT, n, (n * 13) % objects + 1).unwrap();
        builder.location(n, Location { script_id: 1, line: i64::MAX, column: i64::MIN });
    }
    builder.header_entry("extra_native_bytes", u64::MAX.into());
    Opened::new(Snapshot::new(builder.finish().unwrap()), model, "hostile")
}

#[test]
fn no_sum_overflows() {
    for model in [Model::Devtools, Model::Gc] {
        let files = [opened(400, model), opened(900, model), opened(1_300, model)];
        for opened in &files {
            let questions = [
                ("summary", r#"{"limit":0}"#),
                ("summary", r#"{"filter":["duplicatedStrings"]}"#),
                ("statistics", "{}"),
                ("instances", r#"{"class":"Leak"}"#),
                ("instances", r#"{"class":"(string)"}"#),
                ("inspect", r#"{"id":"@7"}"#),
                ("retainers", r#"{"target":"@7","depth":5}"#),
                ("retainers", r#"{"target":"Leak"}"#),
                ("dominators", r#"{"depth":5}"#),
                ("containment", r#"{"depth":5}"#),
                ("strings", "{}"),
                ("strings", r#"{"duplicates":true}"#),
                ("closures", "{}"),
                ("timeline", "{}"),
                ("query", r#"{"expression":"self > 1 and retained > 1 or retainedBy(class = Leak)"}"#),
            ];
            for (question, request) in questions {
                // An answer or a refusal, whatever it says.
                let outcome = answer(opened, question, request);
                assert!(
                    outcome.as_ref().err().is_none_or(|f| f.code != "ERR_STILLHEAP_INTERNAL"),
                    "{question} {request}: {outcome:?}"
                );
            }
        }
        let all: Vec<&Opened> = files.iter().collect();
        let conditions = ["total:size>1", "Leak:grows", "*:newSize>5"].map(str::to_owned).to_vec();
        for files in [all.clone(), all.iter().rev().copied().collect()] {
            diff(&files, &DiffRequest { fail_on: conditions.clone(), ..DiffRequest::default() }).unwrap();
            leaks(&files, &LeaksRequest::default(), &Scripts::new(None)).unwrap();
            stillheap_report::make(&files, true, &Scripts::new(None)).unwrap();
        }
    }
}
