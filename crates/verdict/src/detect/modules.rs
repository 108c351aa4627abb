//! Modules that are loaded again and again: to Node each is a new one, and it gives none up.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use stillheap_analysis::NodeOrdinal;

use super::{Finding, cause_at};
use crate::case::Case;
use crate::report::{CauseKind, Owner};
use crate::source_index::CodeSite;
use crate::words::count;

/// Objects whose file or URL is looked at.
const MOST_NAMED: usize = 500;
/// Steps behind the first growing object among which the module is.
const NEAR: usize = 4;
/// Scripts in which the call that loads is looked for.
const MOST_SCRIPTS: usize = 300;
/// Characters of a file name or URL.
const MOST_NAME: usize = 1_000;

/// What holds the modules.
enum ModuleHolder {
    /// The list of what another module has required: its file.
    Children(Option<String>),
    /// `require.cache`.
    Cache,
    /// The tables of `import`, by URL.
    Urls,
}

pub(crate) fn detect(case: &Case<'_, '_>) -> Option<Finding> {
    let holder = holder(case)?;
    let name = loaded(case).unwrap_or_else(|| "a module".to_owned());
    let copies = *case.tree.counts(case.head.entry).last().unwrap_or(&0);
    let (place, variable, happens, advice) = match &holder {
        ModuleHolder::Children(file) => (
            place(case, file.as_deref(), "require"),
            Some("children".to_owned()),
            "A module that is taken out of require.cache and required again is a new one. The module that requires it \
             lists each of them in its module.children, and so retains them with everything that their code has created.",
            "Require it once. To read data anew, use fs.readFile and JSON.parse; run code that changes in a worker or \
             a process that can be replaced. If it has to be required anew, take it out of module.children as well.",
        ),
        ModuleHolder::Cache => (
            place(case, None, "require"),
            Some("_cache".to_owned()),
            "require keeps every module that it has loaded, by its file, and more and more files are required.",
            "Don't write files in order to require them. To read data, use fs.readFile and JSON.parse; run code that \
             is made at run time in a worker or process that ends.",
        ),
        ModuleHolder::Urls => (
            place(case, None, "import"),
            None,
            "import() keeps a module for each URL that it has loaded, as long as the program runs. A URL that \
             differs each time (by a query such as ?v=1, or a data: URL) makes a new module each time.",
            "Import each module once, by a URL that stays the same. To read data anew, use fs.readFile and JSON.parse; \
             run code that changes in a worker that ends.",
        ),
    };
    let detail = format!("{name} is loaded repeatedly, and Node.js retains all {} copies", count(copies));
    let cause = cause_at(CauseKind::ModuleCache, variable, place, detail);
    let (explanation, advice) = (happens.to_owned(), advice.to_owned());
    Some(Finding { cause, explanation, advice, decisive: case.holder })
}

fn holder(case: &Case<'_, '_>) -> Option<ModuleHolder> {
    let view = case.view;
    let by_url = |i: usize| matches!(view.raw_name(case.node(i)), b"LoadCache" | b"ResolveCache");
    if (case.holder.saturating_sub(2)..=case.holder).any(by_url) {
        return Some(ModuleHolder::Urls);
    }
    let behind = case.grows..case.path.len().min(case.grows.saturating_add(NEAR));
    if !behind.into_iter().any(|i| is_module(case, case.node(i))) {
        return None;
    }
    match case.edge(case.holder) {
        b"children" if is_module(case, case.node(case.holder.saturating_sub(1))) => {
            Some(ModuleHolder::Children(text(case, case.node(case.holder.saturating_sub(1)), "filename")))
        }
        b"_cache" => Some(ModuleHolder::Cache),
        _ => None,
    }
}

/// Node's own record of a module that has been required.
fn is_module(case: &Case<'_, '_>, n: NodeOrdinal) -> bool {
    let has = |name| case.view.analysis.named(n, name).is_some();
    case.view.raw_name(n) == b"Module" && has("children") && has("exports")
}

fn text(case: &Case<'_, '_>, n: NodeOrdinal, property: &str) -> Option<String> {
    let string = case.view.analysis.named(n, property).filter(|&s| case.view.is_string(s))?;
    case.view.string_text(string, MOST_NAME)
}

/// The file, or URL without what differs, that most of the modules are from; its last part.
fn loaded(case: &Case<'_, '_>) -> Option<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let named =
        case.objects().into_iter().filter_map(|n| text(case, n, "filename").or_else(|| text(case, n, "url")));
    for name in named.take(MOST_NAMED) {
        let stable = if name.starts_with("data:") { "a data: URL" } else { name.split(['?', '#']).next()? };
        let last = stable.trim_end_matches('/').rsplit(['/', '\\']).next()?;
        *seen.entry(last.to_owned()).or_default() += 1;
    }
    seen.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0))).map(|(name, _)| name)
}

/// Where it is loaded: in a file, else in any of the application's scripts.
fn place(case: &Case<'_, '_>, file: Option<&str>, word: &str) -> CodeSite {
    let view = case.view;
    let mut scripts = HashSet::new();
    let mut names = HashSet::new();
    let nodes = (0..view.analysis.snapshot().node_count()).map(NodeOrdinal);
    let of_script = |n: NodeOrdinal| Some((view.script_node(n)?, n));
    let mut all: Vec<(NodeOrdinal, NodeOrdinal)> = nodes
        .filter(|&n| view.is_closure(n))
        .filter_map(of_script)
        .filter(|(script, _)| scripts.insert(*script))
        .collect();
    all.sort_by_key(|&(script, _)| (view.raw_name(script), view.analysis.id(script)));
    for (script, n) in all {
        if file.is_none() && case.source_index.owner(n) != Some(Owner::Application) {
            continue;
        }
        // The copies of what is loaded are scripts, too.
        let name = view.text(script).into_owned();
        let stable = name.split('?').next().unwrap_or_default().trim_start_matches("file://").to_owned();
        if names.contains(&stable) || file.is_some_and(|file| file != stable) {
            continue;
        }
        names.insert(stable);
        if names.len() > MOST_SCRIPTS {
            break;
        }
        let cleared =
            (word == "require").then(|| case.source_index.call(n, &["require", ".", "cache", "["])).flatten();
        if let Some(place) = cleared.or_else(|| case.source_index.dynamic_call(n, word)) {
            return place;
        }
    }
    CodeSite::default()
}
