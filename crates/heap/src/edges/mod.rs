//! The references of each object, as V8's snapshot has them (`V8HeapExplorer::ExtractReferences`): first those that
//! have a meaning for the kind of object, then as hidden edges every reference that is left.

mod context;
mod fields;
mod receiver;
mod system;

use std::rc::Rc;

use fields::Fields;
use foldhash::{HashMap, HashMapExt, HashSet};

use crate::heap::Heap;
use crate::kind::Kind;
use crate::mark::Marks;

use crate::names::NameTable;
use crate::node::{EdgeKind, NodeKind};
use crate::object::{MapInfo, tagged_part};

/// An edge's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Index(u32),
    Made(u32),
    /// The text of a string of the heap.
    Text(u64),
}

/// Where edges go to.
pub(crate) trait Sink {
    /// `to` is a marked object.
    fn edge(&mut self, kind: EdgeKind, label: Label, to: u64);
    /// The object is named so if it has no name; only the first tag of an object counts.
    fn tag(&mut self, _object: u64, _tag: &'static str, _kind: Option<NodeKind>) {}
    /// Bytes outside the heap that the object owns.
    fn outside(&mut self, label: Label, address: u64, bytes: u64);
}

/// Objects that no snapshot shows references to: undefined, the empty arrays and their like.
pub(crate) struct Inessential {
    pub(crate) all: HashSet<u64>,
    pub(crate) holes: HashSet<u64>,
}

/// Walks objects; one for all of a heap, so that what is known of maps and names is kept.
pub(crate) struct Visitor<'h, 'm> {
    pub(crate) heap: &'h Heap<'m>,
    pub(crate) marks: &'h Marks,
    pub(crate) names: NameTable,
    inessential: Inessential,
    fields: HashMap<u64, Rc<Fields>>,
    numbers: Vec<u32>,
    keys: HashMap<u64, Label>,
    /// Words of the current object that an edge has been given for.
    seen: Vec<u64>,
}

impl<'h, 'm> Visitor<'h, 'm> {
    pub(crate) fn new(
        heap: &'h Heap<'m>,
        marks: &'h Marks,
        names: NameTable,
        inessential: Inessential,
    ) -> Self {
        Visitor {
            heap,
            marks,
            names,
            inessential,
            fields: HashMap::new(),
            numbers: Vec::new(),
            keys: HashMap::new(),
            seen: Vec::new(),
        }
    }

    /// All edges of a marked object.
    pub(crate) fn visit(&mut self, object: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let Some(&map) = heap.info(object) else { return };
        let size = heap.size(object, &map);
        self.seen.clear();
        self.seen.resize((size as usize / 8).div_ceil(64), 0);
        self.own_edges(object, &map, size, sink);
        self.internal("map", map.address + 1, None, sink);
        self.hidden_edges(object, &map, size, sink);
    }

    /// The marked object behind a word.
    #[inline(always)]
    fn target(&self, word: u64) -> Option<u64> {
        (word & 1 == 1 && self.marks.contains(&self.heap.space, word & !3)).then_some(word & !3)
    }

    #[inline(always)]
    fn is_essential(&self, word: u64) -> bool {
        word & 1 == 1 && !self.inessential.all.contains(&(word & !3))
    }

    fn is_hole(&self, word: u64) -> bool {
        self.inessential.holes.contains(&(word & !3))
    }

    fn see(&mut self, offset: Option<u64>) {
        if let Some(offset) = offset {
            let word = offset as usize / 8;
            if let Some(bits) = self.seen.get_mut(word / 64) {
                *bits |= 1 << (word % 64);
            }
        }
    }

    /// Numbers as names of internal edges.
    fn number(&mut self, index: usize) -> Label {
        while self.numbers.len() <= index {
            let name = self.numbers.len().to_string();
            self.numbers.push(self.names.id(&name));
        }
        Label::Made(self.numbers[index])
    }

    pub(crate) fn key_label(&mut self, key: u64) -> Label {
        if self.heap.is_string(key) && !self.is_indirect(key) {
            return Label::Text(key - 1);
        }
        if let Some(&label) = self.keys.get(&key) {
            return label;
        }
        let label = Label::Made(self.names.id(&self.heap.key(key)));
        self.keys.insert(key, label);
        label
    }

    /// Strings whose text is not in the table of strings under their own address.
    fn is_indirect(&self, string: u64) -> bool {
        self.target(string).is_none()
            || self
                .heap
                .info(string & !3)
                .is_none_or(|m| matches!(m.kind, Kind::ConsString | Kind::SlicedString))
    }

    fn edge(&mut self, kind: EdgeKind, label: Label, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        if let Some(to) = self.target(word) {
            sink.edge(kind, label, to);
            self.see(offset);
        }
    }

    /// An internal or weak edge, which inessential objects don't get.
    fn named(&mut self, kind: EdgeKind, name: &str, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        if self.is_essential(word) {
            let label = Label::Made(self.names.id(name));
            self.edge(kind, label, word, offset, sink);
        }
    }

    fn internal(&mut self, name: &str, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        self.named(EdgeKind::Internal, name, word, offset, sink);
    }

    /// The internal edge of a field.
    fn field(&mut self, object: u64, name: &str, offset: u64, sink: &mut impl Sink) {
        self.internal(name, self.heap.word(object + offset), Some(offset), sink);
    }

    fn tag(&mut self, word: u64, tag: &'static str, kind: Option<NodeKind>, sink: &mut impl Sink) {
        if self.is_essential(word)
            && let Some(object) = self.target(word)
        {
            sink.tag(object, tag, kind);
        }
    }

    fn tagged_field(
        &mut self,
        object: u64,
        name: &str,
        offset: u64,
        tag: &'static str,
        sink: &mut impl Sink,
    ) {
        self.tag(self.heap.word(object + offset), tag, None, sink);
        self.field(object, name, offset, sink);
    }

    fn hidden_edges(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let bytes = self.heap.space.rest_of_page(object);
        let range = tagged_part(map, size);
        let mut index = 0;
        for at in range.step_by(8) {
            let word = crate::memory::word_at(bytes, at);
            if word & 1 == 0 || self.seen.get(at / 512).is_some_and(|bits| bits >> (at / 8 % 64) & 1 == 1) {
                continue;
            }
            if self.is_essential(word)
                && let Some(to) = self.target(word)
            {
                if word & 3 == 3 {
                    let label = self.number(index);
                    sink.edge(EdgeKind::Weak, label, to);
                } else {
                    sink.edge(EdgeKind::Hidden, Label::Index(index as u32), to);
                }
                index += 1;
            }
        }
    }

    fn own_edges(&mut self, object: u64, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let it = map.instance_type;
        if it < types.first_nonstring {
            match map.kind {
                Kind::ConsString => {
                    self.field(object, "first", 16, sink);
                    self.field(object, "second", 24, sink);
                }
                Kind::SlicedString => self.field(object, "parent", 16, sink),
                Kind::ThinString => self.field(object, "actual", 16, sink),
                _ => {}
            }
        } else if map.receiver && it != types.proxy {
            if it == types.global_proxy {
                self.global_proxy(object, map, sink);
            } else {
                self.receiver(object, map, size, sink);
            }
        } else {
            self.system_edges(object, map, size, sink);
        }
    }
}
