//! A path in words: each step as one would say it aloud. Sizes and numbers as people read them.

use stillheap_analysis::types::{edge, node};

use crate::case::Case;
use crate::report::{Owner, PathEdge, PathStep};
use crate::view::{is_index, weak_table};

/// Text of a string on a path at most, in characters.
const MOST_TEXT: usize = 40;

/// Bytes as people read them, in powers of 1000 as DevTools has them: `512 B`, `1.23 kB`, `45.6 MB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    for unit in ["kB", "MB", "GB", "TB"] {
        value /= 1000.0;
        // 999.6 would be written as 1000.
        if value < 999.5 || unit == "TB" {
            let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
            return format!("{value:.digits$} {unit}");
        }
    }
    unreachable!("the last unit returns")
}

/// A number with separators: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The steps of a case's path.
pub(crate) fn steps(case: &Case<'_, '_>, decisive: usize) -> Vec<PathStep> {
    let analysis = case.view.analysis;
    let mut owner = Owner::Root;
    (0..case.path.len())
        .map(|at| {
            let step = case.path[at];
            owner = case.source_index.owner(step.node).unwrap_or(if owner == Owner::Root {
                Owner::Runtime
            } else {
                owner
            });
            let location =
                if case.view.is_context(step.node) { None } else { case.source_index.location_of(step.node) };
            let location = location.filter(|_| owner != Owner::Runtime && owner != Owner::Root);
            let mut node = analysis.node(step.node);
            if node.name.len() > 4 * MOST_TEXT {
                node.name = shorten(&node.name);
            }
            PathStep {
                node,
                edge: step.edge.map(|e| PathEdge {
                    name: match analysis.block_variable(e) {
                        Some(name) => String::from_utf8_lossy(analysis.text(name)).into_owned(),
                        None => analysis.edge_name(e).into_owned(),
                    },
                    edge_type: analysis.edge_type(e).to_owned(),
                }),
                location,
                text: in_words(case, at),
                owner,
                decisive: at == decisive && at > 0,
                grows: at >= case.grows,
                repeats: if case.chain > 0 && at == case.grows { case.chain as u64 } else { 0 },
            }
        })
        .collect()
}

fn in_words(case: &Case<'_, '_>, at: usize) -> String {
    let what = object(case, at);
    let Some(e) = case.path[at].edge else { return what };
    let from = case.node(at - 1);
    let view = case.view;
    let name = String::from_utf8_lossy(case.edge(at)).into_owned();
    match view.edge_code(e) {
        edge::CONTEXT => {
            format!("variable {name} of {}: {what}", case.source_index.scope_called(from))
        }
        edge::PROPERTY if is_index(name.as_bytes()) => format!("element [{name}]: {what}"),
        edge::PROPERTY => format!("property {name}: {what}"),
        edge::ELEMENT => format!("element [{}]: {what}", view.analysis.edge_name(e)),
        _ if weak_table(name.as_bytes()).is_some() => format!("value of a live key: {what}"),
        edge::INTERNAL if name == "context" && view.is_context(case.node(at)) => {
            format!("its scope: {what}")
        }
        edge::INTERNAL if name == "previous" => format!("outer scope: {what}"),
        edge::INTERNAL if case.view.is_part(case.node(at)) => what,
        edge::INTERNAL if is_index(name.as_bytes()) => format!("entry: {what}"),
        edge::INTERNAL => format!("{}: {what}", name.replace('_', " ")),
        _ => what,
    }
}

fn object(case: &Case<'_, '_>, at: usize) -> String {
    let view = case.view;
    let n = case.node(at);
    let name = view.text(n);
    if view.is_context(n) {
        return format!("the context of {}", case.source_index.scope_called(n));
    }
    match view.ty(n) {
        node::OBJECT if matches!(&*name, "Generator" | "AsyncFunction") => {
            let function = view.internal(n, "function").and_then(|f| view.function_name(f));
            function.map_or_else(
                || "a suspended function".to_owned(),
                |name| format!("the suspended call of {name}()"),
            )
        }
        node::SYNTHETIC => name.trim_matches(['(', ')']).to_owned(),
        node::CLOSURE if name.is_empty() => case.source_index.closure_called(n),
        node::CLOSURE => format!("function {name}()"),
        node::STRING | node::CONS_STRING | node::SLICED_STRING => {
            let text = view.string_text(n, MOST_TEXT + 1).unwrap_or_default();
            format!("the string \"{}\"", shorten(&text))
        }
        node::ARRAY | node::HIDDEN if name.is_empty() || name.starts_with('(') => "internal table".to_owned(),
        node::OBJECT => view.analysis.class_name(n),
        _ => name.trim_start_matches("system / ").to_owned(),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
