//! What holds the growth, by name: the innermost reference that somebody wrote, and whose it is.
//!
//! A collection may be referred to in many ways, and which of them a search from the root meets first says nothing.
//! So all its retainers are looked at, and the one that tells most is chosen by what it is: a reference that stays
//! over one of which there is one per round, one through which the collection is filled over one that only passes it
//! on, an instance's property or a variable over an entry of another collection. Ties are broken by name, never by the
//! order in which V8 wrote the nodes.
//!
//! From the reference's owner, the way goes on up through properties of objects, never through a context, to the
//! application's name for it (the *lead*): `messageIdToTopic` of MqttClient, which the application calls `client`.
//!
//! Time: the retainers of a few objects, bounded by [`MOST_HOLDERS`] each, and [`MOST_CLIMBED`] objects on the way up.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use stillheap_analysis::types::{edge, node};
use stillheap_analysis::{EdgeOrdinal, NodeOrdinal};

use crate::report::Owner;
use crate::source_index::{CodeSite, SourceIndex};
use crate::tree::{GrowthTree, growth};
use crate::view::{HeapView, is_builtin, is_index};

/// Retainers of an object that are looked at.
const MOST_HOLDERS: usize = 50_000;
/// Different references to one object of which the source is looked at.
const MOST_LOOKED_UP: usize = 12;
/// Objects on the way up to the application's name.
const MOST_CLIMBED: usize = 3_000;
/// Properties on that way.
const LEVELS: usize = 6;
/// Of a function whose variable it is, so many closures are taken for methods, and so many properties lead to them.
const MOST_METHODS: usize = 20;
const METHOD_LEVELS: usize = 3;
/// Plain objects that are named by what holds them: `store.sessions.byId`.
const DOTTED: usize = 3;

/// A reference to an object, by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) edge: EdgeOrdinal,
    pub(crate) from: NodeOrdinal,
    pub(crate) to: NodeOrdinal,
}

/// What references have in common that are alike: name of the edge, what has it, and whether that is a context.
type Alike = (Box<[u8]>, String, bool);

/// References that are alike.
struct ReferenceGroup {
    found: Reference,
    /// Of the object that `found` is from: the oldest.
    id: u64,
    many: bool,
    grows: bool,
}

/// The application's name for what owns a collection, and the references from it down to the owner.
#[derive(Clone, Debug)]
pub(crate) struct Lead {
    pub(crate) variable: String,
    /// With the properties down to the owner: `redis.commandQueue`.
    pub(crate) full: String,
    /// Top first: from the context or object that has the name, to the owner.
    pub(crate) steps: Vec<Reference>,
}

/// Names what the growing objects hang on.
pub(crate) struct Namer<'c, 's> {
    pub(crate) view: HeapView<'s>,
    pub(crate) source_index: &'c SourceIndex<'c, 's>,
    pub(crate) tree: &'c GrowthTree,
    /// The entry of what grows.
    pub(crate) head: u32,
}

impl<'c, 's> Namer<'c, 's> {
    /// The reference to an object that tells most, if any has a name.
    pub(crate) fn reference(&self, to: NodeOrdinal) -> Option<Reference> {
        // Entries of one kind, as references that are alike.
        let mut groups: BTreeMap<Alike, ReferenceGroup> = BTreeMap::new();
        for found in self.references(to) {
            let grows = self.grows(found.from);
            let id = self.view.analysis.id(found.from);
            let group =
                groups.entry(self.alike(&found)).or_insert(ReferenceGroup { found, id, many: false, grows });
            group.many |= group.id != id;
            group.grows |= grows;
            if id < group.id {
                (group.found, group.id) = (found, id);
            }
        }
        let application = !self.is_collection(to);
        let key = |group: &ReferenceGroup| {
            let owner = self.source_index.owner(group.found.from);
            // A collection is its owner's; who emits or is waited for is known by the application's name.
            let other = application && owner != Some(Owner::Application);
            (group.grows, owner == Some(Owner::Runtime), other, self.rank(&group.found), group.many)
        };
        let mut ranked: Vec<_> = groups.into_values().map(|group| (key(&group), group.found)).collect();
        ranked.sort_by_key(|(key, _)| *key);
        let best = *ranked.first()?;
        // A reference that grows, or one of Node's own, is no rival for one that does not; of the rest a filled one wins.
        let rivals = ranked.iter().filter(|(key, _)| (key.0, key.1, key.2) == (best.0.0, best.0.1, best.0.2));
        let filled = rivals.take(MOST_LOOKED_UP).find(|(_, found)| self.place(found).filled);
        Some(filled.map_or(best.1, |&(_, found)| found))
    }

    /// What a library keeps in a container of another package is known by the library's name for the container, and is
    /// filled where it calls that: `commandQueue`, not `_list` of the queue.
    pub(crate) fn container(&self, found: &Reference) -> Option<Reference> {
        if self.view.is_context(found.from) {
            return None;
        }
        let up = self.reference(found.from).filter(|up| !self.view.is_context(up.from))?;
        let (inner, outer) = (self.source_index.package(found.from)?, self.source_index.package(up.from)?);
        let library = self.source_index.owner(up.from) == Some(Owner::Library);
        // Known by other names as well, it is no part of that library's object: a store that each request refers to.
        let only = |other: &Reference| self.alike(other) == self.alike(&up);
        let library = library && self.references(found.from).iter().all(only);
        (library && outer != inner && self.place(&up).filled).then_some(up)
    }

    /// An object that is there to hold others.
    fn is_collection(&self, n: NodeOrdinal) -> bool {
        let name = self.view.text(n);
        matches!(&*name, "Array" | "Map" | "Set" | "WeakMap" | "WeakSet") || self.is_dictionary(n)
    }

    /// All references to an object by a property or variable, those from what grows left out.
    fn references(&self, to: NodeOrdinal) -> Vec<Reference> {
        let view = self.view;
        let holders = view.analysis.holders(to).take(MOST_HOLDERS);
        holders
            .filter(|&(e, from)| {
                from != to
                    && self.is_name(e, from)
                    && !self.tree.within(self.tree.entry_of[from.0 as usize], self.head)
            })
            .map(|(edge, from)| Reference { edge, from, to })
            .collect()
    }

    fn is_name(&self, e: EdgeOrdinal, from: NodeOrdinal) -> bool {
        let view = self.view;
        let name = view.edge_bytes(e);
        let code = view.edge_code(e);
        if name.is_empty()
            || is_index(name)
            || matches!(name, b"__proto__" | b"constructor" | b"prototype" | b"this")
        {
            return false;
        }
        match code {
            edge::CONTEXT => view.is_context(from),
            edge::PROPERTY => {
                matches!(view.ty(from), node::OBJECT | node::CLOSURE) && !self.is_dictionary(from)
            }
            _ => false,
        }
    }

    /// An object whose properties are entries, each like the others.
    pub(crate) fn is_dictionary(&self, object: NodeOrdinal) -> bool {
        self.view.raw_name(object) == b"Object" && crate::tree::is_dictionary(self.view.analysis, object)
    }

    /// Whether there is one more of an object with every step: it comes and goes with what leaks.
    fn grows(&self, n: NodeOrdinal) -> bool {
        let counts = self.tree.counts(self.tree.entry_of[n.0 as usize]);
        let head = growth(self.tree.counts(self.head));
        self.tree.steps() > 1 && growth(counts) > 1 && growth(counts) >= head / 4
    }

    /// Name of the edge and what has it: references that differ in neither are alike.
    fn alike(&self, found: &Reference) -> Alike {
        let context = self.view.is_context(found.from);
        let owner = if context {
            self.source_index.scope_name(found.from).unwrap_or_default()
        } else {
            self.class(found.from)
        };
        (self.view.edge_bytes(found.edge).into(), owner, context)
    }

    /// How much a reference tells, the least number the most.
    fn rank(&self, found: &Reference) -> u8 {
        let view = self.view;
        let symbol = view.edge_bytes(found.edge).starts_with(b"<symbol ");
        if view.is_context(found.from) {
            1
        } else if symbol {
            4
        } else if view.is_closure(found.from) || !is_builtin(&self.class(found.from)) {
            if view.raw_name(found.from) == b"Module" { 3 } else { 0 }
        } else {
            2
        }
    }

    /// The class of an object as its author would say it: of a builtin's heir the constructor's name, of a function
    /// its own.
    pub(crate) fn class(&self, n: NodeOrdinal) -> String {
        self.source_index.class(n)
    }

    /// Where the thing that a reference leads to is filled, or made.
    pub(crate) fn place(&self, found: &Reference) -> CodeSite {
        let view = self.view;
        let name = String::from_utf8_lossy(view.edge_bytes(found.edge)).into_owned();
        if view.is_context(found.from) {
            return self.source_index.variable(found.from, &name);
        }
        let place = self.source_index.property(found.from, &name);
        if place.filled {
            return place;
        }
        let around =
            self.near(found.from).into_iter().map(|closure| self.source_index.property_in(closure, &name));
        let mut other = None;
        for found in around.flatten() {
            if found.filled {
                return found;
            }
            other.get_or_insert(found);
        }
        if place.location.is_some() { place } else { other.unwrap_or(place) }
    }

    /// Functions that have to do with an object: its methods, and those that can see it.
    fn near(&self, object: NodeOrdinal) -> Vec<NodeOrdinal> {
        let view = self.view;
        let methods = view.edges(object).take(200).map(|(_, to)| to).filter(|&n| view.is_closure(n));
        let mut found: Vec<NodeOrdinal> = methods.collect();
        let holders = view.analysis.holders(object).take(200);
        for (_, from) in holders {
            if view.is_context(from) {
                found.extend(self.source_index.closures_of(from).into_iter().take(3));
            } else if view.ty(from) == node::OBJECT {
                found.extend(view.constructor(from));
            }
        }
        found.retain(|&n| self.source_index.owner(n) != Some(Owner::Runtime));
        found.sort_by_key(|&n| view.location(n).map(|l| (l.script_id, l.line, l.column)));
        let mut seen = HashSet::new();
        found.retain(|&n| seen.insert(view.script_node(n)));
        found.truncate(20);
        found
    }

    /// The reference's name in full, and whose it is: `connections of Mongoose`, `store.sessions`.
    pub(crate) fn words(&self, found: &Reference) -> Words {
        let view = self.view;
        let name = |found: &Reference| String::from_utf8_lossy(view.edge_bytes(found.edge)).into_owned();
        let (mut full, mut at) = (name(found), *found);
        for _ in 0..DOTTED {
            if view.is_context(at.from) {
                return Words { full, owner: None, in_context: true };
            }
            let class = self.class(at.from);
            if view.is_closure(at.from) || (!is_builtin(&class) && class != "Module") {
                let class = (!class.is_empty()).then_some(class);
                return Words { full, owner: class, in_context: false };
            }
            let Some(up) = self.reference(at.from) else { break };
            full = match view.edge_bytes(up.edge) {
                // What a module gives out is known by the module.
                b"exports" if view.raw_name(up.from) == b"Module" => {
                    let file =
                        self.source_index.module_file(up.from).unwrap_or_else(|| "a module".to_owned());
                    return Words { full, owner: Some(format!("the exports of {file}")), in_context: false };
                }
                above => format!("{}.{full}", String::from_utf8_lossy(above)),
            };
            at = up;
        }
        Words { full, owner: None, in_context: view.is_context(at.from) }
    }

    /// The application's name for what has a reference: of a variable or a property, up through properties only. Where
    /// that is a library's variable, what has it is the object whose methods see it: `store` of a `createStore()`.
    pub(crate) fn lead(&self, found: &Reference) -> Option<Lead> {
        let view = self.view;
        if !view.is_context(found.from) {
            return self.lead_to(vec![found.from], LEVELS);
        }
        let library = self.source_index.owner(found.from) == Some(Owner::Library);
        // What belongs to a module, or to a function around one, is everybody's.
        if !library || self.source_index.scope_name(found.from).is_none() || self.grows(found.from) {
            return None;
        }
        let closures = self.source_index.closures_of(found.from).into_iter().take(MOST_METHODS);
        let mut lead = self.lead_to(closures.filter(|&c| !self.grows(c)).collect(), METHOD_LEVELS)?;
        // The object says it: which of its methods was met first does not.
        if lead.steps.len() > 1 {
            lead.steps.pop();
            lead.full = self.dotted(&lead.steps);
        }
        Some(lead)
    }

    fn dotted(&self, steps: &[Reference]) -> String {
        let names = steps.iter().map(|r| String::from_utf8_lossy(self.view.edge_bytes(r.edge)));
        names.collect::<Vec<_>>().join(".")
    }

    fn lead_to(&self, owners: Vec<NodeOrdinal>, levels: usize) -> Option<Lead> {
        let view = self.view;
        let mut down: HashMap<u32, Reference> = HashMap::new();
        let mut seen: HashSet<u32> = owners.iter().map(|n| n.0).collect();
        let mut level = owners;
        for _ in 0..levels {
            let mut names: Vec<(_, Reference)> = Vec::new();
            let mut next: Vec<NodeOrdinal> = Vec::new();
            for &at in &level {
                for (e, from) in view.analysis.holders(at).take(MOST_HOLDERS) {
                    if !self.is_name(e, from)
                        || self.tree.within(self.tree.entry_of[from.0 as usize], self.head)
                    {
                        continue;
                    }
                    let found = Reference { edge: e, from, to: at };
                    let application = self.source_index.owner(from) == Some(Owner::Application);
                    if application && (view.is_context(from) || self.is_instance(from)) {
                        let by_context = !view.is_context(from);
                        let key = (self.grows(from), by_context, self.alike(&found), view.analysis.id(from));
                        names.push((key, found));
                    } else if !view.is_context(from)
                        // Through the module system, everything leads to everything.
                        && view.raw_name(from) != b"Module"
                        && !self.grows(from)
                        && seen.insert(from.0)
                    {
                        down.insert(from.0, found);
                        next.push(from);
                    }
                }
            }
            if let Some((_, found)) = names.into_iter().min_by(|a, b| a.0.cmp(&b.0)) {
                return Some(self.led(found, &down));
            }
            if seen.len() > MOST_CLIMBED {
                return None;
            }
            next.sort_by_key(|&n| {
                (Reverse(self.source_index.owner(n) == Some(Owner::Library)), view.analysis.id(n))
            });
            level = next;
        }
        None
    }

    fn led(&self, found: Reference, down: &HashMap<u32, Reference>) -> Lead {
        let mut steps = vec![found];
        let mut at = found.to;
        while let Some(&below) = down.get(&at.0) {
            steps.push(below);
            at = below.to;
        }
        let variable = String::from_utf8_lossy(self.view.edge_bytes(found.edge)).into_owned();
        Lead { variable, full: self.dotted(&steps), steps }
    }

    fn is_instance(&self, n: NodeOrdinal) -> bool {
        self.view.ty(n) == node::OBJECT && !is_builtin(&self.class(n))
    }
}

/// A name in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// With the plain objects that it is in: `store.sessions`.
    pub(crate) full: String,
    /// The class of the object, or the function, that has it as a property.
    pub(crate) owner: Option<String>,
    pub(crate) in_context: bool,
}
