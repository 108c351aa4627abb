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
use crate::mark::{Marks, Place};
use crate::names::NameTable;
use crate::node::{EdgeKind, NodeKind};
use crate::object::{MapInfo, size_of, tagged_part};

/// An edge's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Index(u32),
    Made(u32),
    /// The number as a text: made when it is written, since a large array has any number of them.
    Number(u32),
    /// What a WeakMap's pair is called: made when it is written, too.
    Pair(u32),
    /// The text of a string of the heap.
    Text(u64),
}

/// Where edges go to.
pub(crate) trait Sink {
    fn edge(&mut self, kind: EdgeKind, label: Label, to: Place);
    /// The object is named so if it has no name; only the first tag of an object counts.
    fn tag(&mut self, _object: Place, _tag: &'static str, _kind: Option<NodeKind>) {}
    /// Bytes outside the heap that the object owns.
    fn outside(&mut self, label: Label, address: u64, bytes: u64);
}

/// Objects that no snapshot shows references to: undefined, the empty arrays and their like.
pub(crate) struct Inessential {
    all: HashSet<u64>,
    holes: HashSet<u64>,
    /// The lowest and the highest of them: all are in the read-only space, which is small.
    range: (u64, u64),
}

impl Inessential {
    pub(crate) fn new(all: HashSet<u64>, holes: HashSet<u64>) -> Inessential {
        let range = (all.iter().copied().min().unwrap_or(0), all.iter().copied().max().unwrap_or(0));
        Inessential { all, holes, range }
    }

    #[inline(always)]
    fn is_one(&self, object: u64) -> bool {
        self.range.0 <= object && object <= self.range.1 && self.all.contains(&object)
    }

    #[inline(always)]
    fn is_hole(&self, object: u64) -> bool {
        self.is_one(object) && self.holes.contains(&object)
    }
}

/// Walks objects; one for all of a heap, so that what is known of maps and names is kept.
pub(crate) struct Visitor<'h, 'm> {
    pub(crate) heap: &'h Heap<'m>,
    pub(crate) marks: &'h Marks,
    pub(crate) names: NameTable,
    inessential: Inessential,
    /// By the number of the map.
    fields: Vec<Option<Rc<Fields>>>,
    /// Numbers below this are names of edges.
    pub(crate) numbers: u32,
    keys: HashMap<u64, Label>,
    /// The object whose edges are given, and its bytes.
    current: u64,
    bytes: &'h [u8],
    /// Its words that an edge has been given for.
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
            fields: Vec::new(),
            numbers: 0,
            keys: HashMap::new(),
            current: 0,
            bytes: &[],
            seen: Vec::new(),
        }
    }

    /// All edges of a marked object.
    pub(crate) fn visit(&mut self, object: u64, sink: &mut impl Sink) {
        let heap = self.heap;
        let bytes = heap.space.rest_of_page(object);
        let Some(&map) = heap.maps.known(crate::memory::word_at(bytes, 0)) else { return };
        let size = size_of(heap.space.layout, &map, bytes).unwrap_or(0);
        self.current = object;
        self.bytes = bytes.get(..size as usize).unwrap_or_default();
        self.seen.clear();
        self.seen.resize((size as usize / 8).div_ceil(64), 0);
        self.own_edges(object, &map, size, sink);
        self.internal("map", map.address + 1, None, sink);
        self.hidden_edges(&map, size, sink);
    }

    /// The marked object behind a word.
    #[inline(always)]
    fn target(&self, word: u64) -> Option<Place> {
        if word & 1 == 1 { self.marks.place(&self.heap.space, word & !3) } else { None }
    }

    #[inline(always)]
    fn is_essential(&self, word: u64) -> bool {
        word & 1 == 1 && !self.inessential.is_one(word & !3)
    }

    #[inline(always)]
    fn is_hole(&self, word: u64) -> bool {
        self.inessential.is_hole(word & !3)
    }

    /// A word of an object: most asked for are of the one whose edges are given.
    #[inline(always)]
    fn word_of(&self, object: u64, offset: u64) -> u64 {
        if object == self.current && offset + 8 <= self.bytes.len() as u64 {
            crate::memory::word_at(self.bytes, offset as usize)
        } else {
            self.heap.word(object + offset)
        }
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
    #[inline(always)]
    pub(crate) fn number(&mut self, index: usize) -> Label {
        let index = u32::try_from(index).unwrap_or(u32::MAX - 1);
        self.numbers = self.numbers.max(index + 1);
        Label::Number(index)
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

    #[inline(always)]
    fn edge(&mut self, kind: EdgeKind, label: Label, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        if let Some(to) = self.target(word) {
            sink.edge(kind, label, to);
            self.see(offset);
        }
    }

    /// An internal or weak edge, which inessential objects don't get.
    #[inline(always)]
    fn named(
        &mut self,
        kind: EdgeKind,
        name: &'static str,
        word: u64,
        offset: Option<u64>,
        sink: &mut impl Sink,
    ) {
        if self.is_essential(word) {
            let label = Label::Made(self.names.fixed(name));
            self.edge(kind, label, word, offset, sink);
        }
    }

    fn internal(&mut self, name: &'static str, word: u64, offset: Option<u64>, sink: &mut impl Sink) {
        self.named(EdgeKind::Internal, name, word, offset, sink);
    }

    /// The internal edge of a field.
    fn field(&mut self, object: u64, name: &'static str, offset: u64, sink: &mut impl Sink) {
        self.internal(name, self.word_of(object, offset), Some(offset), sink);
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
        name: &'static str,
        offset: u64,
        tag: &'static str,
        sink: &mut impl Sink,
    ) {
        self.tag(self.word_of(object, offset), tag, None, sink);
        self.field(object, name, offset, sink);
    }

    fn hidden_edges(&mut self, map: &MapInfo, size: u64, sink: &mut impl Sink) {
        let bytes = self.bytes;
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
