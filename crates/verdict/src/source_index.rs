//! Where things are in the source: functions, contexts, variables, properties.
//!
//! What the snapshot knows comes first: positions of closures and constructors, and the scope that a context was
//! made for, which its function's shared info names as well. The source text adds the line on which something is
//! declared or filled; it comes from the snapshot where that has all of it (V8 cuts strings at 1024 characters),
//! else from the caller, and is believed only if it begins as the snapshot says.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use foldhash::{HashMap, HashSet, HashSetExt};
use stillheap_analysis::types::node;
use stillheap_analysis::{Location, NodeOrdinal};

use crate::report::short;
use crate::report::{Owner, Related, SourceLocation};
use crate::sources::{Original, STRING_LIMIT, SourceExcerpt, Sources};
use crate::view::{HeapView, is_builtin};
use stillheap_jsscan::{Function, ScriptText};

/// Closures of a context or function that are looked at, and holders among which they are looked for: a context may
/// be held by thousands of others.
const MOST_CLOSURES: usize = 400;
const MOST_HOLDERS: usize = 20_000;
/// Scripts of the application in which a call is looked for.
const MOST_SCRIPTS: usize = 300;
/// Properties of a prototype among which a method is looked for.
const MOST_METHODS: usize = 300;

/// A place in the code, and what surrounds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CodeSite {
    pub(crate) function: Option<String>,
    /// The variable's original name, where the script is compiled and a source map has it.
    pub(crate) variable: Option<String>,
    pub(crate) location: Option<SourceLocation>,
    /// Where it is declared, or made.
    pub(crate) declared: Option<SourceLocation>,
    /// The location is a line that puts something in.
    pub(crate) filled: bool,
    pub(crate) related: Vec<Related>,
}

/// A call in the application.
pub(crate) struct Call {
    /// What is called: `redis.incr`.
    pub(crate) called: String,
    /// What is called has the name of the function that fills.
    pub(crate) fills: bool,
    /// The function in which it is.
    pub(crate) function: Option<String>,
    pub(crate) location: SourceLocation,
}

/// Looks things up in the source, and keeps what it has read.
pub(crate) struct SourceIndex<'a, 's> {
    pub(crate) view: HeapView<'s>,
    sources: &'a dyn Sources,
    excerpts: RefCell<HashMap<u32, Option<Rc<SourceExcerpt>>>>,
    texts: RefCell<HashMap<u32, Option<Rc<ScriptText>>>>,
    homes: RefCell<HashMap<u32, Option<NodeOrdinal>>>,
    own_folder: OnceCell<Option<String>>,
}

impl<'a, 's> SourceIndex<'a, 's> {
    pub(crate) fn new(view: HeapView<'s>, sources: &'a dyn Sources) -> SourceIndex<'a, 's> {
        SourceIndex {
            view,
            sources,
            excerpts: RefCell::default(),
            texts: RefCell::default(),
            homes: RefCell::default(),
            own_folder: OnceCell::new(),
        }
    }

    fn text_of(&self, script: NodeOrdinal) -> Option<Rc<ScriptText>> {
        if let Some(known) = self.texts.borrow().get(&script.0) {
            return known.clone();
        }
        let text = self.read(script).map(|text| Rc::new(ScriptText::new(text)));
        self.texts.borrow_mut().insert(script.0, text.clone());
        text
    }

    /// What the snapshot has of a script's text.
    fn excerpt(&self, script: NodeOrdinal) -> Option<Rc<SourceExcerpt>> {
        if let Some(known) = self.excerpts.borrow().get(&script.0) {
            return known.clone();
        }
        let source = self.view.internal(script, "source");
        let text = source.and_then(|source| self.view.string_text(source, STRING_LIMIT));
        let excerpt = text.map(|text| Rc::new(SourceExcerpt::new(text)));
        self.excerpts.borrow_mut().insert(script.0, excerpt.clone());
        excerpt
    }

    fn read(&self, script: NodeOrdinal) -> Option<String> {
        let excerpt = self.excerpt(script)?;
        if let Some(text) = excerpt.whole() {
            self.sources.note_whole(&self.view.text(script), text);
            return Some(text.to_owned());
        }
        // Asked again, whatever the sources promise: the answer depends on it.
        self.sources.text(&self.view.text(script), &excerpt).filter(|text| excerpt.matches(text))
    }

    /// A closure's function in the text.
    pub(crate) fn function(&self, closure: NodeOrdinal) -> Option<(Rc<ScriptText>, Function)> {
        let location = self.view.location(closure)?;
        let text = self.text_of(self.view.script_node(closure)?)?;
        let line = u64::try_from(location.line).ok()?;
        let function = text.function_at(line, u64::try_from(location.column).ok()?)?.clone();
        Some((text, function))
    }

    /// Whether a closure mentions a variable; None where its text is unknown.
    pub(crate) fn uses(&self, closure: NodeOrdinal, variable: &str) -> Option<bool> {
        let (text, function) = self.function(closure)?;
        Some(text.uses(&function, variable))
    }

    /// The same, but in doubt it does: for what is to be said of a variable that nothing reads.
    pub(crate) fn may_read(&self, closure: NodeOrdinal, variable: &str) -> Option<bool> {
        let (text, function) = self.function(closure)?;
        Some(text.may_read(&function, variable))
    }

    /// A position of the snapshot as it is reported.
    pub(crate) fn location(&self, location: Location, closure: Option<NodeOrdinal>) -> SourceLocation {
        let name = self.view.analysis.script(location.script_id).map(str::to_owned);
        let (line, column) = (
            (location.line.saturating_add(1)).max(1) as u64,
            (location.column.saturating_add(1)).max(1) as u64,
        );
        let script = closure.and_then(|c| self.view.script_node(c));
        let text = script.and_then(|script| self.text_of(script)).and_then(|text| text.line(line));
        let script = script.filter(|&script| name.as_deref() == Some(&*self.view.text(script)));
        match script.and_then(|script| self.original(script, line, column)) {
            Some(found) => in_original(found),
            None => SourceLocation { script: name, line, column, text },
        }
    }

    /// Through the source map, where the script has one.
    fn original(&self, script: NodeOrdinal, line: u64, column: u64) -> Option<Original> {
        self.sources.original(&self.view.text(script), &*self.excerpt(script)?, line, column)
    }

    /// The original name of a word, where a source map has it.
    fn original_name(&self, text: &ScriptText, script: NodeOrdinal, token: usize) -> Option<String> {
        let (line, column) = text.position(token);
        self.original(script, line, column)?.name
    }

    /// The name of the function around a token, original where a source map has it.
    fn function_around(&self, text: &ScriptText, script: NodeOrdinal, token: usize) -> Option<String> {
        let name = text.function_name(token)?;
        let original = text.name_token(token).and_then(|t| self.original_name(text, script, t));
        Some(original.unwrap_or(name))
    }

    /// Where the compiled line is that a source map has led away from, in a library: nobody has its original sources.
    fn compiled(&self, text: &ScriptText, script: NodeOrdinal, token: usize) -> Option<Related> {
        let name = self.view.text(script).into_owned();
        let (line, column) = text.position(token);
        if self.owner_of_script(&name) != Owner::Library || self.original(script, line, column).is_none() {
            return None;
        }
        let location = SourceLocation { script: Some(name), line, column, text: text.line(line) };
        Some(Related { what: "as it runs".to_owned(), location })
    }

    fn token_location(&self, text: &ScriptText, script: NodeOrdinal, token: usize) -> SourceLocation {
        let (line, column) = text.position(token);
        match self.original(script, line, column) {
            Some(found) => in_original(found),
            None => {
                let name = self.view.text(script).into_owned();
                SourceLocation { script: Some(name), line, column, text: text.line(line) }
            }
        }
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

    pub(crate) fn closures_of(&self, context: NodeOrdinal) -> Vec<NodeOrdinal> {
        let view = self.view;
        let holders = view.analysis.holders(context).take(MOST_HOLDERS).map(|(_, from)| from);
        let mut found: Vec<NodeOrdinal> = holders.filter(|&from| view.is_closure(from)).collect();
        // Not in the order in which V8 wrote them.
        found.sort_by_key(|&n| view.analysis.id(n));
        found.truncate(MOST_CLOSURES);
        found
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
                let holders = view.analysis.holders(shared).take(MOST_HOLDERS).map(|(_, from)| from);
                return holders.filter(|&from| view.is_closure(from)).min_by_key(|&n| view.analysis.id(n));
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
        // The names of the variables, also of those that hold numbers, and last the function's: empty if it has none.
        let last = view.scope_strings(scope).pop()?;
        let name = view.text(last);
        // The scope of a classic script ends with a variable, but such a variable may be called as a function is.
        let variable = view.variables(context).any(|(variable, _)| variable == name.as_bytes());
        (!name.is_empty() && !variable).then(|| name.into_owned())
    }

    /// The scope that a context belongs to, for a sentence: `lookup()`, `the module app.js`, `the callback of setInterval
    /// at app.js:35`.
    pub(crate) fn scope_called(&self, context: NodeOrdinal) -> String {
        if let Some(name) = self.scope_name(context).filter(|name| !name.is_empty()) {
            return format!("{name}()");
        }
        let closures = self.closures_of(context);
        for &closure in closures.iter().take(10) {
            let (Some((text, function)), Some(script)) =
                (self.function(closure), self.view.script_node(closure))
            else {
                continue;
            };
            return match text.around_function(&function).first() {
                Some(around) => self.function_called(&text, script, around),
                None => format!("the module {}", self.file(script)),
            };
        }
        let script = self.maker(context).into_iter().chain(closures).find_map(|c| self.view.script_node(c));
        match script {
            // What is around a module's function belongs to all of the program.
            Some(script) if self.is_outermost(context) => format!("the module {}", self.file(script)),
            Some(script) => format!("a function of {}", self.file(script)),
            None => "a function without a name".to_owned(),
        }
    }

    /// Whether nothing is around a context but the realm.
    fn is_outermost(&self, context: NodeOrdinal) -> bool {
        let around = self.view.internal(context, "previous");
        around.is_some_and(|n| self.view.raw_name(n).starts_with(b"system / NativeContext"))
    }

    /// The last part of a script's name.
    fn file(&self, script: NodeOrdinal) -> String {
        let name = self.view.text(script);
        let short = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        if short.is_empty() { "an unnamed script".to_owned() } else { short }
    }

    /// A function in the text, for a sentence.
    fn function_called(&self, text: &ScriptText, script: NodeOrdinal, function: &Function) -> String {
        if !function.name.is_empty() {
            return format!("{}()", function.name);
        }
        let location = self.token_location(text, script, text.start(function));
        let what = text.given_to(function).unwrap_or_else(|| "the function".to_owned());
        format!("{what} at {}", short(&location))
    }

    /// A function, for a sentence: `createDebug()`, `the listener of app.get('/') at app.js:7`.
    pub(crate) fn closure_called(&self, closure: NodeOrdinal) -> String {
        if let Some(name) = self.view.function_name(closure) {
            return format!("{name}()");
        }
        if let (Some((text, function)), Some(script)) =
            (self.function(closure), self.view.script_node(closure))
        {
            return self.function_called(&text, script, &function);
        }
        match self.location_of(closure) {
            Some(location) => format!("the function at {}", short(&location)),
            None => "a function without a name".to_owned(),
        }
    }

    /// Where a context variable is filled, declared, and in which function.
    pub(crate) fn variable(&self, context: NodeOrdinal, variable: &str) -> CodeSite {
        let closures = self.closures_of(context);
        let mut place = CodeSite { function: self.scope_name(context), ..CodeSite::default() };
        for &closure in &closures {
            let Some((text, function)) = self.function(closure) else { continue };
            let Some(script) = self.view.script_node(closure) else { continue };
            let around = text.around_function(&function);
            let scope = text.declaring(&around, variable).cloned();
            let Some(declared) = text.declaration(scope.as_ref(), variable) else { continue };
            let inside = |&t: &usize| scope.as_ref().is_none_or(|scope| text.inside(t, scope));
            let filled = text.fillings(variable, false).into_iter().find(inside);
            let at = filled.or_else(|| text.listenings(variable, false).into_iter().find(inside));
            let at = at.unwrap_or(declared);
            place.function = self.function_around(&text, script, at).or(place.function);
            place.variable = self.original_name(&text, script, declared);
            place.location = Some(self.token_location(&text, script, at));
            place.filled = filled.is_some();
            let location = self.token_location(&text, script, declared);
            place.declared = Some(location.clone());
            if at != declared {
                place.related.push(Related { what: format!("{variable} is declared"), location });
            }
            place.related.extend(self.compiled(&text, script, at));
            return place;
        }
        let known = self.maker(context).into_iter().chain(closures).find_map(|c| self.location_of(c));
        place.location = known;
        place
    }

    /// The class of an object as its author would say it: of a builtin's heir the constructor's name, of a function
    /// its own.
    pub(crate) fn class(&self, n: NodeOrdinal) -> String {
        let name = self.view.text(n);
        if self.view.ty(n) != node::OBJECT || !is_builtin(&name) {
            return name.into_owned();
        }
        let own = self.view.constructor(n).filter(|&c| self.view.script_node(c).is_some());
        own.and_then(|c| self.view.function_name(c)).unwrap_or_else(|| name.into_owned())
    }

    /// The file of one of Node's records of a module, without its folders.
    pub(crate) fn module_file(&self, module: NodeOrdinal) -> Option<String> {
        let name = self.view.analysis.named(module, "filename").filter(|&s| self.view.is_string(s))?;
        let name = self.view.string_text(name, STRING_LIMIT)?;
        name.rsplit(['/', '\\']).next().map(str::to_owned)
    }

    /// Where a property of an object is filled or set, and in which function.
    pub(crate) fn property(&self, object: NodeOrdinal, property: &str) -> CodeSite {
        let class = self.class(object);
        // A function's properties are set where it is.
        let function = self.view.is_closure(object).then_some(object);
        let function = function.or_else(|| self.home(object));
        let Some(function) = function.filter(|&c| self.view.location(c).is_some()) else {
            return CodeSite::default();
        };
        let mut place = CodeSite {
            function: Some(class.clone()),
            location: self.location_of(function),
            ..CodeSite::default()
        };
        let Some(script) = self.view.script_node(function) else { return place };
        let Some(text) = self.text_of(script) else { return place };
        if let Some(found) = self.in_text(&text, script, property, text.class(&class)) {
            place = found;
        }
        place
    }

    /// Where a property is filled anywhere in the script of a function.
    pub(crate) fn property_in(&self, closure: NodeOrdinal, property: &str) -> Option<CodeSite> {
        let script = self.view.script_node(closure)?;
        let text = self.text_of(script)?;
        self.in_text(&text, script, property, None)
    }

    fn in_text(
        &self,
        text: &ScriptText,
        script: NodeOrdinal,
        property: &str,
        class: Option<&Function>,
    ) -> Option<CodeSite> {
        let nearest = |found: Vec<usize>| {
            let inside = found.iter().copied().find(|&t| class.is_some_and(|c| text.inside(t, c)));
            inside.or_else(|| found.first().copied())
        };
        let filled = nearest(text.fillings(property, true));
        let assigned = nearest(text.assignments(property, true));
        let at = filled.or(assigned).or_else(|| nearest(text.listenings(property, true)))?;
        let declared = assigned.map(|t| self.token_location(text, script, t));
        let related = declared.clone().filter(|_| filled.is_some());
        let related = related.map(|location| Related { what: format!("{property} is made"), location });
        Some(CodeSite {
            function: self.function_around(text, script, at),
            variable: self.original_name(text, script, at),
            location: Some(self.token_location(text, script, at)),
            declared,
            filled: filled.is_some(),
            related: related.into_iter().chain(self.compiled(text, script, at)).collect(),
        })
    }

    /// Where the application calls what one of its variables or properties holds: the function or method of that name,
    /// else any that is called while the program works, rather than when it starts.
    pub(crate) fn call_of(&self, from: NodeOrdinal, variable: &str, method: Option<&str>) -> Option<Call> {
        let view = self.view;
        let closures = if view.is_context(from) {
            self.closures_of(from)
        } else {
            view.constructor(from).into_iter().collect()
        };
        let closure = closures.into_iter().find(|&c| self.function(c).is_some())?;
        let script = view.script_node(closure)?;
        let text = self.text_of(script)?;
        let method =
            method.map(|name| name.rsplit('.').next().unwrap_or(name).trim_start_matches(['#', '_']));
        let (token, called) = text.call_of(variable, !view.is_context(from), method)?;
        let fills = called.rsplit('.').next() == method;
        let function = self.function_around(&text, script, token);
        Some(Call { called, fills, function, location: self.token_location(&text, script, token) })
    }

    /// The function around a closure: where it was made.
    pub(crate) fn made_in(&self, closure: NodeOrdinal) -> CodeSite {
        let location = self.location_of(closure);
        let function = match self.function(closure) {
            Some((text, function)) => text
                .function_name(text.start(&function).saturating_sub(1))
                .filter(|name| !name.is_empty())
                .or_else(|| (!function.name.is_empty()).then(|| function.name.clone())),
            None => self.view.internal(closure, "context").and_then(|c| self.scope_name(c)),
        };
        let function = function.or_else(|| self.view.function_name(closure));
        CodeSite { function, location, ..CodeSite::default() }
    }

    /// Functions beside a closure that use a variable of its context, as far as the text is known.
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
                let name =
                    if f.name.is_empty() { self.function_called(&text, script, f) } else { f.name.clone() };
                let location = self.token_location(&text, script, text.start(f));
                Related { what: format!("{name} uses {variable}"), location }
            })
            .collect()
    }

    /// Where a call such as `Promise.race(` is in the script of a function.
    pub(crate) fn call(&self, closure: NodeOrdinal, words: &[&str]) -> Option<CodeSite> {
        self.first(closure, |text| text.sequences(words).first().copied())
    }

    /// Where words follow each other in any of the application's scripts, such as `new AsyncLocalStorage(`: in a function
    /// rather than where the program starts, the first script by name.
    pub(crate) fn in_application(&self, words: &[&str]) -> Option<CodeSite> {
        self.found_in_scripts(Owner::Application, |text| text.sequences(words))
    }

    /// Where the application makes objects of a class.
    pub(crate) fn made_in_application(&self, class: &str) -> Option<CodeSite> {
        self.found_in_scripts(Owner::Application, |text| text.constructions(class))
    }

    /// Where a property of the global object is filled: by the application, else by a library.
    pub(crate) fn filled_in_scripts(&self, name: &str) -> Option<CodeSite> {
        let find = |text: &ScriptText| text.global_fillings(name);
        self.found_in_scripts(Owner::Application, find)
            .or_else(|| self.found_in_scripts(Owner::Library, find))
    }

    fn found_in_scripts(&self, owner: Owner, find: impl Fn(&ScriptText) -> Vec<usize>) -> Option<CodeSite> {
        let view = self.view;
        let mut scripts: Vec<(String, NodeOrdinal)> = Vec::new();
        let mut seen = HashSet::new();
        for n in (0..view.analysis.snapshot().node_count()).map(NodeOrdinal).filter(|&n| view.is_closure(n)) {
            let Some(script) = view.script_node(n).filter(|script| seen.insert(script.0)) else { continue };
            let name = view.text(script);
            if self.owner_of_script(&name) == owner && scripts.len() < MOST_SCRIPTS {
                scripts.push((name.into_owned(), script));
            }
        }
        scripts.sort();
        let mut found: Option<(bool, CodeSite)> = None;
        for (_, script) in scripts {
            let Some(text) = self.text_of(script) else { continue };
            for at in find(&text) {
                let at_start = text.around(at).is_empty();
                if found.as_ref().is_none_or(|&(other, _)| !at_start && other) {
                    let location = Some(self.token_location(&text, script, at));
                    let function = self.function_around(&text, script, at);
                    found = Some((at_start, CodeSite { function, location, ..CodeSite::default() }));
                }
            }
        }
        found.map(|(_, site)| site)
    }

    /// Where `word` is called with anything but a string, in the script of a function.
    pub(crate) fn dynamic_call(&self, closure: NodeOrdinal, word: &str) -> Option<CodeSite> {
        self.first(closure, |text| text.dynamic_call(word))
    }

    fn first(&self, closure: NodeOrdinal, find: impl Fn(&ScriptText) -> Option<usize>) -> Option<CodeSite> {
        let script = self.view.script_node(closure)?;
        let text = self.text_of(script)?;
        let at = find(&text)?;
        let location = Some(self.token_location(&text, script, at));
        Some(CodeSite { function: self.function_around(&text, script, at), location, ..CodeSite::default() })
    }

    /// A function that says where an object's class is: its constructor, else, where that is a builtin (or one that a
    /// mixin has left on the prototype), a method.
    pub(crate) fn home(&self, n: NodeOrdinal) -> Option<NodeOrdinal> {
        let view = self.view;
        let prototype = view.analysis.named(n, "__proto__")?;
        if let Some(&known) = self.homes.borrow().get(&prototype.0) {
            return known;
        }
        let own = |&c: &NodeOrdinal| {
            view.script_node(c).is_some_and(|s| self.owner_of_script(&view.text(s)) != Owner::Runtime)
        };
        let constructor = view.constructor(n);
        let methods = || {
            let all = view.edges(prototype).take(MOST_METHODS).map(|(_, to)| to);
            let mut all: Vec<NodeOrdinal> = all.filter(|&to| view.is_closure(to)).filter(own).collect();
            all.sort_by_key(|&m| view.location(m).map(|l| (l.script_id, l.line, l.column)));
            all.first().copied()
        };
        let builtin = || {
            view.raw_name(prototype) == b"Object"
                && constructor.is_some_and(|c| view.raw_name(c) == b"Object")
        };
        let found =
            constructor.filter(own).or_else(|| if builtin() { None } else { methods() }).or(constructor);
        self.homes.borrow_mut().insert(prototype.0, found);
        found
    }

    /// The package that an object's class or function is from: its folder, empty for the application.
    pub(crate) fn package(&self, n: NodeOrdinal) -> Option<String> {
        let view = self.view;
        let function = if view.is_closure(n) {
            n
        } else if view.is_context(n) {
            self.closures_of(n).first().copied()?
        } else {
            self.home(n)?
        };
        let script = view.text(view.script_node(function)?).into_owned();
        let Some((before, after)) = script.rsplit_once("/node_modules/") else { return Some(String::new()) };
        let parts = if after.starts_with('@') { 2 } else { 1 };
        let name: Vec<&str> = after.split('/').take(parts).collect();
        Some(format!("{before}/{}", name.join("/")))
    }

    /// Whose an object is, by the script of its function or constructor; None where nothing tells.
    pub(crate) fn owner(&self, n: NodeOrdinal) -> Option<Owner> {
        let view = self.view;
        if view.ty(n) == node::SYNTHETIC {
            return Some(Owner::Root);
        }
        let of_script = |closure: NodeOrdinal| {
            let name = view.script_node(closure).map(|script| view.text(script))?;
            Some(self.owner_of_script(&name))
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
        // The class of a library's heir of a builtin may be known by the builtin only; its methods are the library's.
        if let Some(home) = self.home(n) {
            return of_script(home);
        }
        view.location(n)
            .and_then(|l| view.analysis.script(l.script_id))
            .map(|name| self.owner_of_script(name))
    }

    /// Whose a script is.
    fn owner_of_script(&self, name: &str) -> Owner {
        if name.is_empty() || name.starts_with("node:") || name.starts_with("internal/") {
            return Owner::Runtime;
        }
        let path = name.trim_start_matches("file://");
        let installed = path.contains("/node_modules/") || path.contains("\\node_modules\\");
        if installed || self.is_own(path) { Owner::Library } else { Owner::Application }
    }

    /// Whether a script is of this very package, which may be loaded from anywhere (`node -r /opt/stillheap`).
    fn is_own(&self, path: &str) -> bool {
        let folder = self.own_folder.get_or_init(|| own_folder(self.view));
        let Some(rest) = folder.as_deref().and_then(|folder| path.strip_prefix(folder)) else { return false };
        // A program in a checkout of this package is a program all the same.
        let rest = rest.trim_start_matches(['/', '\\']);
        rest.starts_with("lib/") || !rest.contains(['/', '\\'])
    }
}

fn in_original(found: Original) -> SourceLocation {
    SourceLocation { script: Some(found.script), line: found.line, column: found.column, text: found.text }
}

/// The folder from which the addon was loaded, told by the name of its binary.
fn own_folder(view: HeapView<'_>) -> Option<String> {
    (0..view.analysis.text_count()).map(|i| view.analysis.text(i)).find_map(|text| {
        let text = text.strip_suffix(b".node").and_then(|text| std::str::from_utf8(text).ok())?;
        let (folder, file) = text.rsplit_once(['/', '\\'])?;
        let absolute = folder.starts_with(['/', '\\']) || folder.get(1..2) == Some(":");
        let named = file.starts_with("stillheap.") && !file.contains(char::is_whitespace);
        // Node joins a folder and a request for a key of its own.
        let plain = !folder.ends_with("..");
        (absolute && named && plain).then(|| folder.to_owned())
    })
}
