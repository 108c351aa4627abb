//! Where things are in the source: functions, contexts, variables, properties.
//!
//! What the snapshot knows comes first: positions of closures and constructors, and the scope that a context was
//! made for, which its function's shared info names as well. The source text adds the line on which something is
//! declared or filled; it comes from the snapshot where that has all of it (V8 cuts strings at 1024 characters),
//! else from the caller, and is believed only if it begins as the snapshot says.

use std::cell::RefCell;
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt};
use stillheap_analysis::types::node;
use stillheap_analysis::{Location, NodeOrdinal};

use crate::report::{Owner, Related, SourceLocation};
use crate::sources::Sources;
use crate::view::View;
use stillheap_jsscan::{Function, Text};

/// V8 writes no more of a string than this many UTF-16 units.
const STRING_LIMIT: usize = 1024;
/// Holders of a context or function that are looked at.
const MOST_HOLDERS: usize = 400;

/// A place in the code, and what surrounds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) function: Option<String>,
    /// The variable's original name, where the script is compiled and a source map has it.
    pub(crate) variable: Option<String>,
    pub(crate) location: Option<SourceLocation>,
    pub(crate) related: Vec<Related>,
}

/// Looks things up in the source, and keeps what it has read.
pub(crate) struct Desk<'a, 's> {
    pub(crate) view: View<'s>,
    sources: &'a dyn Sources,
    texts: RefCell<HashMap<u32, Option<Rc<Text>>>>,
}

impl<'a, 's> Desk<'a, 's> {
    pub(crate) fn new(view: View<'s>, sources: &'a dyn Sources) -> Desk<'a, 's> {
        Desk { view, sources, texts: RefCell::new(HashMap::new()) }
    }

    /// A script's text.
    fn text_of(&self, script: NodeOrdinal) -> Option<Rc<Text>> {
        if let Some(known) = self.texts.borrow().get(&script.0) {
            return known.clone();
        }
        let text = self.read(script).map(|text| Rc::new(Text::new(text)));
        self.texts.borrow_mut().insert(script.0, text.clone());
        text
    }

    fn read(&self, script: NodeOrdinal) -> Option<String> {
        let source = self.view.internal(script, "source")?;
        let begin = self.view.string_text(source, STRING_LIMIT)?;
        if begin.encode_utf16().count() < STRING_LIMIT - 1 {
            return Some(begin);
        }
        let name = self.view.text(script);
        let whole = self.sources.text(&name)?;
        let whole = whole.strip_prefix('\u{feff}').map_or(whole.clone(), str::to_owned);
        // A character cut in two at the limit does not count against it.
        let mut told = begin.chars();
        told.next_back();
        whole.starts_with(told.as_str()).then_some(whole)
    }

    /// A closure's function in the text.
    pub(crate) fn function(&self, closure: NodeOrdinal) -> Option<(Rc<Text>, Function)> {
        let location = self.view.location(closure)?;
        let text = self.text_of(self.view.script_node(closure)?)?;
        let line = u64::try_from(location.line).ok()?;
        let function = text.function_at(line, u64::try_from(location.column).ok()?)?.clone();
        Some((text, function))
    }

    /// Whether a closure mentions a variable; None where its text is not at hand.
    pub(crate) fn uses(&self, closure: NodeOrdinal, variable: &str) -> Option<bool> {
        let (text, function) = self.function(closure)?;
        Some(text.uses(&function, variable))
    }

    /// A position of the snapshot as it is reported.
    pub(crate) fn location(&self, location: Location, closure: Option<NodeOrdinal>) -> SourceLocation {
        let script = self.view.analysis.script(location.script_id).map(str::to_owned);
        let (line, column) = (
            (location.line.saturating_add(1)).max(1) as u64,
            (location.column.saturating_add(1)).max(1) as u64,
        );
        let text = closure.and_then(|c| self.view.script_node(c)).and_then(|s| self.text_of(s));
        self.original(script, line, column, text.and_then(|text| text.line(line)))
    }

    /// Through the source map, where there is one.
    fn original(
        &self,
        script: Option<String>,
        line: u64,
        column: u64,
        text: Option<String>,
    ) -> SourceLocation {
        match script.as_deref().and_then(|name| self.sources.original(name, line, column)) {
            Some(found) => {
                let script = Some(found.script);
                SourceLocation { script, line: found.line, column: found.column, text: found.text }
            }
            None => SourceLocation { script, line, column, text },
        }
    }

    /// The original name of a word, where a source map has it.
    fn original_name(&self, text: &Text, script: NodeOrdinal, token: usize) -> Option<String> {
        let (line, column) = text.position(token);
        self.sources.original(&self.view.text(script), line, column)?.name
    }

    /// The name of the function around a token, original where a source map has it.
    fn function_around(&self, text: &Text, script: NodeOrdinal, token: usize) -> Option<String> {
        let name = text.function_name(token)?;
        let original = text.name_token(token).and_then(|t| self.original_name(text, script, t));
        Some(original.unwrap_or(name))
    }

    fn token_location(&self, text: &Text, script: NodeOrdinal, token: usize) -> SourceLocation {
        let (line, column) = text.position(token);
        self.original(Some(self.view.text(script).into_owned()), line, column, text.line(line))
    }

    /// Position of a closure, or of an object's constructor.
    pub(crate) fn location_of(&self, n: NodeOrdinal) -> Option<SourceLocation> {
        let function = if self.view.is_closure(n) { Some(n) } else { self.view.constructor(n) };
        if let Some(location) = self.view.location(n) {
            return Some(self.location(location, function));
        }
        let function = function.filter(|&f| f != n)?;
        Some(self.location(self.view.location(function)?, Some(function)))
    }

    /// Closures that hold a context.
    pub(crate) fn closures_of(&self, context: NodeOrdinal) -> Vec<NodeOrdinal> {
        let view = self.view;
        let holders = view.analysis.holders(context).take(MOST_HOLDERS);
        holders.filter(|&(_, from)| view.is_closure(from)).map(|(_, from)| from).collect()
    }

    /// A closure of the function whose variables a context holds, if one is alive.
    fn maker(&self, context: NodeOrdinal) -> Option<NodeOrdinal> {
        let view = self.view;
        let mut scope = view.internal(context, "scope_info")?;
        // Blocks have scopes of their own; the function's is further out.
        for _ in 0..8 {
            let shared = view.analysis.holders(scope).take(MOST_HOLDERS).find(|&(e, from)| {
                view.ty(from) == node::CODE && view.edge_bytes(e) == b"name_or_scope_info"
            });
            if let Some((_, shared)) = shared {
                let mut closures = view.analysis.holders(shared).take(MOST_HOLDERS);
                return closures.find(|&(_, from)| view.is_closure(from)).map(|(_, from)| from);
            }
            let is_scope = |&(_, to): &(_, NodeOrdinal)| view.raw_name(to) == b"system / ScopeInfo";
            scope = view.edges(scope).find(is_scope)?.1;
        }
        None
    }

    /// Name of the function whose variables a context holds: of a closure of it, else what its scope says.
    pub(crate) fn scope_name(&self, context: NodeOrdinal) -> Option<String> {
        let view = self.view;
        if let Some(name) = self.maker(context).and_then(|closure| view.function_name(closure)) {
            return Some(name);
        }
        if view.is_block(context) {
            return None;
        }
        let scope = view.internal(context, "scope_info")?;
        let variables: Vec<&[u8]> = view.variables(context).map(|(name, _)| name).collect();
        let names = view.edges(scope).filter(|&(_, to)| view.ty(to) == node::STRING).map(|(_, to)| to);
        let others = names.filter(|&n| {
            let name = view.raw_name(n);
            !name.is_empty() && !variables.contains(&name)
        });
        // Variables that hold numbers are not in the file, so only the last names can be the function's.
        others.last().map(|n| view.text(n).into_owned())
    }

    /// Where a context variable is filled, declared, and in which function.
    pub(crate) fn variable(&self, context: NodeOrdinal, variable: &str) -> Place {
        let closures = self.closures_of(context);
        let mut place = Place { function: self.scope_name(context), ..Place::default() };
        for &closure in &closures {
            let Some((text, function)) = self.function(closure) else { continue };
            let Some(script) = self.view.script_node(closure) else { continue };
            let around = text.around_function(&function);
            let scope = text.declaring(&around, variable).cloned();
            let Some(declared) = text.declaration(scope.as_ref(), variable) else { continue };
            let inside = |&t: &usize| scope.as_ref().is_none_or(|scope| text.inside(t, scope));
            let filled = text.fillings(variable, false).into_iter().find(inside);
            let at = filled.unwrap_or(declared);
            place.function = self.function_around(&text, script, at).or(place.function);
            place.variable = self.original_name(&text, script, declared);
            place.location = Some(self.token_location(&text, script, at));
            if filled.is_some() {
                let location = self.token_location(&text, script, declared);
                place.related.push(Related { what: format!("{variable} is declared"), location });
            }
            return place;
        }
        let known = self.maker(context).into_iter().chain(closures).find_map(|c| self.location_of(c));
        place.location = known;
        place
    }

    /// Where a property of an object is filled or set, and in which function.
    pub(crate) fn property(&self, object: NodeOrdinal, property: &str) -> Place {
        let class = self.view.text(object).into_owned();
        let constructor = self.view.constructor(object);
        let Some(constructor) = constructor.filter(|&c| self.view.location(c).is_some()) else {
            return Place::default();
        };
        let mut place = Place {
            function: Some(class.clone()),
            location: self.location_of(constructor),
            ..Place::default()
        };
        let Some(script) = self.view.script_node(constructor) else { return place };
        let Some(text) = self.text_of(script) else { return place };
        if let Some(found) = self.in_text(&text, script, property, text.class(&class)) {
            place = found;
        }
        place
    }

    /// Where a property is filled anywhere in the script of a function.
    pub(crate) fn property_in(&self, closure: NodeOrdinal, property: &str) -> Option<Place> {
        let script = self.view.script_node(closure)?;
        let text = self.text_of(script)?;
        self.in_text(&text, script, property, None)
    }

    fn in_text(
        &self,
        text: &Text,
        script: NodeOrdinal,
        property: &str,
        class: Option<&Function>,
    ) -> Option<Place> {
        let nearest = |found: Vec<usize>| {
            let inside = found.iter().copied().find(|&t| class.is_some_and(|c| text.inside(t, c)));
            inside.or_else(|| found.first().copied())
        };
        let filled = nearest(text.fillings(property, true));
        let assigned = nearest(text.assignments(property, true));
        let at = filled.or(assigned)?;
        let mut related = Vec::new();
        if let (Some(_), Some(assigned)) = (filled, assigned) {
            let location = self.token_location(text, script, assigned);
            related.push(Related { what: format!("{property} is made"), location });
        }
        let function = self.function_around(text, script, at);
        let variable = self.original_name(text, script, at);
        Some(Place { function, variable, location: Some(self.token_location(text, script, at)), related })
    }

    /// The function around a closure: where it was made.
    pub(crate) fn made_in(&self, closure: NodeOrdinal) -> Place {
        let location = self.location_of(closure);
        let function = match self.function(closure) {
            Some((text, function)) => text
                .function_name(text.start(&function).saturating_sub(1))
                .filter(|name| !name.is_empty())
                .or_else(|| (!function.name.is_empty()).then(|| function.name.clone())),
            None => self.view.internal(closure, "context").and_then(|c| self.scope_name(c)),
        };
        let function = function.or_else(|| self.view.function_name(closure));
        Place { function, location, ..Place::default() }
    }

    /// Functions beside a closure that use a variable of its context, as far as the text is at hand.
    pub(crate) fn users(&self, closure: NodeOrdinal, variable: &str) -> Vec<Related> {
        let (Some((text, function)), Some(script)) = (self.function(closure), self.view.script_node(closure))
        else {
            return Vec::new();
        };
        let around = text.around_function(&function);
        let Some(scope) = text.declaring(&around, variable).or_else(|| around.first().copied()) else {
            return Vec::new();
        };
        let beside = text.functions.iter().filter(|f| {
            let start = text.start(f);
            !f.class && text.inside(start, scope) && start != text.start(scope) && text.uses(f, variable)
        });
        beside
            .take(3)
            .map(|f| {
                let name = if f.name.is_empty() { "an anonymous function" } else { f.name.as_str() };
                let location = self.token_location(&text, script, text.start(f));
                Related { what: format!("{name} uses {variable}"), location }
            })
            .collect()
    }

    /// Where a call such as `Promise.race(` is in the script of a function.
    pub(crate) fn call(&self, closure: NodeOrdinal, words: &[&str]) -> Option<Place> {
        self.first(closure, |text| text.sequences(words).first().copied())
    }

    /// Where `word` is called with anything but a string, in the script of a function.
    pub(crate) fn dynamic_call(&self, closure: NodeOrdinal, word: &str) -> Option<Place> {
        self.first(closure, |text| text.dynamic_call(word))
    }

    fn first(&self, closure: NodeOrdinal, find: impl Fn(&Text) -> Option<usize>) -> Option<Place> {
        let script = self.view.script_node(closure)?;
        let text = self.text_of(script)?;
        let at = find(&text)?;
        let location = Some(self.token_location(&text, script, at));
        Some(Place { function: self.function_around(&text, script, at), location, ..Place::default() })
    }

    /// Whose an object is, by the script of its function or constructor; None where nothing tells.
    pub(crate) fn owner(&self, n: NodeOrdinal) -> Option<Owner> {
        let view = self.view;
        if view.ty(n) == node::SYNTHETIC {
            return Some(Owner::Root);
        }
        let of_script = |closure: NodeOrdinal| {
            let name = view.script_node(closure).map(|script| view.text(script))?;
            Some(owner_of_script(&name))
        };
        if view.is_closure(n) {
            return Some(of_script(n).unwrap_or(Owner::Runtime));
        }
        if view.is_context(n) {
            let closure = self.maker(n).or_else(|| self.closures_of(n).first().copied())?;
            return of_script(closure);
        }
        if view.ty(n) != node::OBJECT {
            return None;
        }
        if let Some(script) = view.location(n).and_then(|l| view.analysis.script(l.script_id)) {
            return Some(owner_of_script(script));
        }
        of_script(view.constructor(n)?)
    }
}

/// Whose a script is.
fn owner_of_script(name: &str) -> Owner {
    if name.is_empty() || name.starts_with("node:") || name.starts_with("internal/") {
        Owner::Runtime
    } else if name.contains("/node_modules/") || name.contains("\\node_modules\\") {
        Owner::Library
    } else {
        Owner::Application
    }
}
