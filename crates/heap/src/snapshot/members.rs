//! The nodes that are no object of the heap: the root, the categories of roots, Node's C++ objects behind wrappers.

use super::passes::Emitter;
use super::{Edge, FIXED, Node, Snapshot};
use crate::edges::Label;
use crate::embedder::{self, Embedded};
use crate::heap::Heap;
use crate::kind::Kind;
use crate::mark::Marks;
use crate::node::{EdgeKind, NodeKind};
use crate::roots::{Category, Root};

#[derive(Default)]
pub(super) struct Members {
    /// Edges of the root, of (GC roots) and of the categories that were found, in this order.
    edges: Vec<Vec<(EdgeKind, Label, u32)>>,
    names: Vec<u32>,
    /// Edges of the categories that follow from the objects' types: too many to be kept.
    by_type: [u32; Category::BY_TYPE.len()],
    /// In the order of their wrappers.
    pub(super) embedded: Vec<Embedded>,
    embedded_names: Vec<u32>,
    to_native: u32,
    to_javascript: u32,
}

impl Members {
    pub(super) fn new(heap: &Heap<'_>, marks: &Marks) -> Members {
        Members { embedded: embedder::find(heap, marks), ..Members::default() }
    }

    /// The number of the C++ object behind a wrapper; `next` goes from object to object in order.
    pub(super) fn embedded_of(&self, next: &mut usize, object: u64) -> Option<u32> {
        while self.embedded.get(*next).is_some_and(|one| one.wrapper < object) {
            *next += 1;
        }
        (self.embedded.get(*next)?.wrapper == object).then_some(*next as u32)
    }
}

/// Whether an object is one of a category that follows from the type.
fn is_of(heap: &Heap<'_>, category: Category, object: u64) -> bool {
    let Some(map) = heap.info(object) else { return false };
    match category {
        Category::InternalizedStrings => {
            map.instance_type < heap.space.layout.types.first_nonstring
                && map.instance_type & super::NOT_INTERNALIZED == 0
                && map.kind != Kind::ThinString
        }
        Category::ExternalStrings => map.kind == Kind::ExternalString,
        _ => false,
    }
}

impl Snapshot<'_, '_> {
    /// The first of Node's C++ objects.
    pub(super) fn first_embedded(&self) -> u32 {
        self.tables.first_outside + self.tables.outside_nodes.len() as u32
    }

    /// All strings of the heap, in order.
    fn strings_of(&self, category: Category) -> impl Iterator<Item = u64> + use<'_> {
        let pages = self.marks.string_bits.iter().enumerate();
        let all = pages.flat_map(|(page, words)| {
            let base = self.heap.space.pages[page].base;
            crate::mark::bits(words).map(move |word| base + 8 * word as u64)
        });
        all.filter(move |&string| is_of(self.heap, category, string))
    }

    /// Finds out what the nodes before the first object have, once all objects have been counted.
    pub(super) fn members(&mut self, roots: &[Root]) {
        let mut members = std::mem::take(&mut self.members);
        let names = &mut self.visitor.names;
        members.names = vec![0, names.id("(GC roots)")];
        members.names.extend(Category::FOUND.map(|c| names.id(c.name())));
        members.names.extend(Category::BY_TYPE.map(|c| names.id(c.name())));
        (members.to_native, members.to_javascript) =
            (names.id("javascript_to_native"), names.id("native_to_javascript"));
        members.embedded_names =
            members.embedded.iter().map(|one| names.id(&format!("Node / {}", one.class))).collect();
        let root = self.edges_of_root(&members);
        let categories = Category::COUNT as u32;
        let gc_roots = (0..categories).map(|n| (EdgeKind::Element, Label::Index(n + 1), FIXED + n)).collect();
        members.edges = vec![root, gc_roots];
        for category in Category::FOUND {
            let mut edges = Vec::new();
            for root in roots.iter().filter(|root| root.category == category) {
                let Some(node) = self.ordinal(root.object) else { continue };
                let kind = if root.weak { EdgeKind::Weak } else { EdgeKind::Internal };
                let number = edges.len() + 1;
                let builtin = (category == Category::Builtins)
                    .then(|| self.namer.builtin(self.heap, root.object))
                    .flatten();
                let label = match builtin {
                    Some(name) => Label::Made(self.visitor.names.id(&format!("{number} / {name}"))),
                    None => self.visitor.number(number),
                };
                edges.push((kind, label, node));
            }
            members.edges.push(edges);
        }
        let by_type = Category::BY_TYPE.map(|category| self.strings_of(category).count() as u32);
        for count in by_type {
            self.visitor.number(count as usize);
        }
        members.by_type = by_type;
        let found: usize = members.edges.iter().map(Vec::len).sum();
        self.counts.total += found as u64
            + by_type.iter().copied().map(u64::from).sum::<u64>()
            + members.embedded.len() as u64;
        self.members = members;
    }

    fn edges_of_root(&mut self, members: &Members) -> Vec<(EdgeKind, Label, u32)> {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let mut root = vec![(EdgeKind::Element, Label::Index(1), 1)];
        for &object in &self.marks.landmarks.contexts {
            let global = heap.word(object + 32);
            let target = if heap.space.layout.shape.shortcut_to_context {
                object
            } else if heap.type_behind(global) == types.global_object {
                global - 1
            } else {
                continue;
            };
            let label = self.visitor.number(root.len() + 1);
            root.extend(self.ordinal(target).map(|node| (EdgeKind::Shortcut, label, node)));
        }
        let first = self.first_embedded();
        for (number, _) in members.embedded.iter().enumerate().filter(|(_, one)| one.root) {
            root.push((EdgeKind::Element, Label::Index(root.len() as u32 + 1), first + number as u32));
        }
        root
    }

    /// The nodes before the first object.
    pub(super) fn root_nodes<E>(&self, out: &mut impl FnMut(Node) -> Result<(), E>) -> Result<(), E> {
        let members = &self.members;
        let found = members.edges.iter().map(|edges| edges.len() as u32);
        let counts = found.chain(members.by_type);
        for (number, (edge_count, &name)) in counts.zip(&members.names).enumerate() {
            let id = 2 * number as u64 + 1;
            out(Node { kind: NodeKind::Synthetic, name, id, self_size: 0, edge_count })?;
        }
        Ok(())
    }

    pub(super) fn emit_roots<E, F: FnMut(Edge) -> Result<(), E>>(&self, emitter: &mut Emitter<'_, F, E>) {
        for edges in &self.members.edges {
            for &(kind, label, to) in edges {
                emitter.emit(kind, label, to);
            }
        }
        for category in Category::BY_TYPE {
            for (string, number) in self.strings_of(category).zip(1..) {
                let to = self.ordinal(string).unwrap_or(0);
                emitter.emit(EdgeKind::Internal, Label::Number(number), to);
            }
        }
    }

    /// The edge from a wrapper to its C++ object.
    pub(super) fn embedded_edge(&self, next: &mut usize, wrapper: u64) -> Option<(Label, u32)> {
        let number = self.members.embedded_of(next, wrapper)?;
        Some((Label::Made(self.members.to_native), self.first_embedded() + number))
    }

    /// The nodes of Node's C++ objects.
    pub(super) fn embedded_nodes<E>(&self, out: &mut impl FnMut(Node) -> Result<(), E>) -> Result<(), E> {
        let before = self.tables.outside_nodes.len() as u64;
        for (number, (one, &name)) in
            self.members.embedded.iter().zip(&self.members.embedded_names).enumerate()
        {
            // As V8 has it: what is a root has no type of its own.
            let kind = if one.root { NodeKind::Synthetic } else { NodeKind::Native };
            let id = 2 * (before + number as u64) + 2;
            out(Node { kind, name, id, self_size: one.bytes, edge_count: 1 })?;
        }
        Ok(())
    }

    pub(super) fn emit_embedded<E, F: FnMut(Edge) -> Result<(), E>>(&self, emitter: &mut Emitter<'_, F, E>) {
        for one in &self.members.embedded {
            let to = self.ordinal(one.wrapper).unwrap_or(0);
            emitter.emit(EdgeKind::Internal, Label::Made(self.members.to_javascript), to);
        }
    }
}
