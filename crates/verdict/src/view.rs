//! A snapshot as the detectors look at it: names, functions, contexts.

use std::borrow::Cow;

use stillheap_analysis::types::{edge, node};
use stillheap_analysis::{Analysis, EdgeOrdinal, Location, NodeOrdinal};

/// A snapshot with the questions that the detectors ask again and again.
#[derive(Clone, Copy)]
pub(crate) struct HeapView<'s> {
    pub(crate) analysis: Analysis<'s>,
}

impl<'s> HeapView<'s> {
    pub(crate) fn new(analysis: Analysis<'s>) -> HeapView<'s> {
        HeapView { analysis }
    }

    pub(crate) fn ty(&self, n: NodeOrdinal) -> u8 {
        self.analysis.type_code(n)
    }

    pub(crate) fn raw_name(&self, n: NodeOrdinal) -> &'s [u8] {
        self.analysis.text(self.analysis.name_index(n))
    }

    pub(crate) fn text(&self, n: NodeOrdinal) -> Cow<'s, str> {
        String::from_utf8_lossy(self.raw_name(n))
    }

    /// The edges of a node and where they lead, weak and invisible ones included.
    pub(crate) fn edges(&self, n: NodeOrdinal) -> impl Iterator<Item = (EdgeOrdinal, NodeOrdinal)> + use<'s> {
        let analysis = self.analysis;
        analysis.edge_range(n).map(move |e| (EdgeOrdinal(e), analysis.target(EdgeOrdinal(e))))
    }

    /// An edge's name as bytes; empty for elements.
    pub(crate) fn edge_bytes(&self, e: EdgeOrdinal) -> &'s [u8] {
        let name = self.analysis.edge_name_index(e).or_else(|| self.analysis.block_variable(e));
        name.map_or(b"", |name| self.analysis.text(name))
    }

    /// An edge's type; block-scoped variables, which V8 hides, are variables as well.
    pub(crate) fn edge_code(&self, e: EdgeOrdinal) -> u8 {
        if self.analysis.block_variable(e).is_some() { edge::CONTEXT } else { self.analysis.edge_code(e) }
    }

    pub(crate) fn internal(&self, n: NodeOrdinal, name: &str) -> Option<NodeOrdinal> {
        self.analysis.internal(n, name)
    }

    /// The names in a scope's information, in V8's order: of its variables, and last the function's.
    pub(crate) fn scope_strings(&self, scope: NodeOrdinal) -> Vec<NodeOrdinal> {
        let strings = self.edges(scope).filter(|&(_, to)| self.ty(to) == node::STRING);
        let number = |e| self.analysis.edge_name(e).parse().unwrap_or(u64::MAX);
        let mut found: Vec<(u64, EdgeOrdinal, NodeOrdinal)> =
            strings.map(|(e, to)| (number(e), e, to)).collect();
        found.sort_unstable();
        found.into_iter().map(|(.., to)| to).collect()
    }

    /// A context: the variables of a scope that its closures share.
    pub(crate) fn is_context(&self, n: NodeOrdinal) -> bool {
        matches!(self.ty(n), node::OBJECT | node::HIDDEN) && self.raw_name(n).starts_with(b"system / Context")
    }

    /// A block's context, as far as it can be told: V8 names none of its variables.
    pub(crate) fn is_block(&self, context: NodeOrdinal) -> bool {
        let of_type = |ty| self.edges(context).any(|(e, _)| self.analysis.edge_code(e) == ty);
        of_type(edge::HIDDEN) && !of_type(edge::CONTEXT)
    }

    pub(crate) fn is_closure(&self, n: NodeOrdinal) -> bool {
        self.ty(n) == node::CLOSURE
    }

    pub(crate) fn is_string(&self, n: NodeOrdinal) -> bool {
        is_string_type(self.ty(n))
    }

    /// V8's own parts of objects: tables, backing stores.
    pub(crate) fn is_part(&self, n: NodeOrdinal) -> bool {
        match self.ty(n) {
            node::ARRAY => true,
            node::HIDDEN => !self.is_context(n),
            _ => false,
        }
    }

    /// A context's variables: names and values.
    pub(crate) fn variables(
        &self,
        context: NodeOrdinal,
    ) -> impl Iterator<Item = (&'s [u8], NodeOrdinal)> + use<'s> {
        let view = *self;
        self.edges(context)
            .filter(move |&(e, _)| view.edge_code(e) == edge::CONTEXT)
            .map(move |(e, to)| (view.edge_bytes(e), to))
    }

    /// A closure's name: its own, or what V8 inferred.
    pub(crate) fn function_name(&self, closure: NodeOrdinal) -> Option<String> {
        let name = self.text(closure);
        (!name.is_empty()).then(|| name.into_owned())
    }

    /// Node of the script that a function, its shared info or a script-bound object belongs to.
    pub(crate) fn script_node(&self, closure: NodeOrdinal) -> Option<NodeOrdinal> {
        let shared = self.internal(closure, "shared").unwrap_or(closure);
        // Node 20 and older call the field differently.
        self.internal(shared, "script").or_else(|| self.internal(shared, "script_or_debug_info"))
    }

    pub(crate) fn location(&self, n: NodeOrdinal) -> Option<Location> {
        self.analysis.location(n)
    }

    /// The constructor of an object: by its prototype.
    pub(crate) fn constructor(&self, n: NodeOrdinal) -> Option<NodeOrdinal> {
        let prototype = self.analysis.named(n, "__proto__")?;
        self.analysis.named(prototype, "constructor").filter(|&c| self.is_closure(c))
    }

    /// A string's length in characters and bytes of its own, as far as the file has the text.
    pub(crate) fn string_text(&self, n: NodeOrdinal, limit: usize) -> Option<String> {
        self.analysis.string_value(n, limit).map(|value| value.text)
    }
}

pub(crate) fn is_string_type(ty: u8) -> bool {
    matches!(ty, node::STRING | node::CONS_STRING | node::SLICED_STRING)
}

/// A name that only consists of digits: an index.
pub(crate) fn is_index(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}

/// The WeakMap's table that an edge of a key-value pair names: `3 / part of key (…) -> value (…) pair in
/// WeakMap (table @123)`.
pub(crate) fn weak_table(name: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(name).ok()?;
    if !text.contains(" / part of key ") {
        return None;
    }
    let digits = text.rsplit_once("(table @")?.1.strip_suffix(')')?;
    digits.parse().ok()
}

/// What the two edges of a key-value pair in a WeakMap have in common: each has a number of its own before it.
pub(crate) fn weak_pair(name: &[u8]) -> Option<&[u8]> {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    weak_table(name).map(|_| &name[digits..])
}

/// Classes of the language and of Node, which say little about what leaks.
pub(crate) fn is_builtin(class: &str) -> bool {
    const NAMES: [&str; 38] = [
        "Object",
        "Array",
        "Map",
        "Set",
        "WeakMap",
        "WeakSet",
        "WeakRef",
        "Promise",
        "Generator",
        "AsyncGenerator",
        "Function",
        "Error",
        "Date",
        "RegExp",
        "Buffer",
        "ArrayBuffer",
        "SharedArrayBuffer",
        "DataView",
        "Uint8Array",
        "FastBuffer",
        "Symbol",
        "BigInt",
        "Number",
        "String",
        "Boolean",
        "Timeout",
        "Immediate",
        "TimersList",
        "AsyncResource",
        "AsyncContextFrame",
        "EventEmitter",
        "EventTarget",
        "Listener",
        "SafeMap",
        "SafeSet",
        "AsyncFunction",
        "FinalizationRegistry",
        "global",
    ];
    NAMES.contains(&class)
        || class.is_empty()
        || class.starts_with(['(', '{', '<'])
        || class.starts_with("system / ")
        || class.starts_with("Node / ")
        || class.starts_with("Detached ")
        || class.ends_with(" Iterator")
        || class.ends_with(" Helper")
        || class.starts_with("Intl.")
        || class.starts_with("Temporal.")
        || class.starts_with("WebAssembly.")
        || matches!(class, "console" | "Math" | "JSON" | "Reflect" | "Atomics" | "Intl" | "WebAssembly")
        || class.ends_with("Array") && class.chars().next().is_some_and(|c| "IUBF".contains(c))
}
