//! The heap as a stream of nodes, edges and strings, in the order and with the meaning of a `.heapsnapshot` file.
//!
//! A node's ordinal is the number of marked words before its own: a bit per word, and a count per 512 words. So no
//! table of addresses is kept. What each object is tagged with and how many edges it has takes two bytes.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::edges::{Inessential, Label, Sink, Visitor};
use crate::error::Result;
use crate::functions::line_and_column;
use crate::heap::Heap;
use crate::kind::Kind;
use crate::mark::{Marks, bits, mark};
use crate::memory::{is_strong, smi};
use crate::names::{Name, NameTable, Namer, WellKnown};
use crate::node::{EdgeKind, NodeKind};
use crate::probe::ProcessInfo;
use crate::roots::{self, Category, Root};

/// A node. Names are positions in the strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub name: u32,
    pub id: u64,
    pub self_size: u64,
    pub edge_count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeName {
    /// Of elements and hidden edges.
    Index(u32),
    /// A position in the strings.
    Text(u32),
}

/// An edge; `to` is a node's ordinal. Edges come in the order of the nodes that own them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub kind: EdgeKind,
    pub name: EdgeName,
    pub to: u32,
}

/// Where the code of a function is, or of the constructor of an object. Line and column count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    pub node: u32,
    pub script: i64,
    pub line: u32,
    pub column: u32,
}

/// Positions of set bits by rank.
struct Ranked {
    /// Ordinal of the page's first.
    base: u32,
    /// Set bits before each group of 8 words.
    groups: Vec<u32>,
}

const GROUP: usize = 8;

fn rank(bits: &[Vec<u64>], first: u32) -> (Vec<Ranked>, u32) {
    let mut next = first;
    let pages = bits
        .iter()
        .map(|words| {
            let base = next;
            let mut before = 0;
            let groups = words
                .chunks(GROUP)
                .map(|group| {
                    let here = before;
                    before += group.iter().map(|w| w.count_ones()).sum::<u32>();
                    here
                })
                .collect();
            next = next.saturating_add(before);
            Ranked { base, groups }
        })
        .collect();
    (pages, next)
}

/// The ordinal of an address whose bit is set.
#[inline(always)]
fn ordinal(heap: &Heap<'_>, bits: &[Vec<u64>], ranked: &[Ranked], address: u64) -> Option<u32> {
    let page = heap.space.page_index(address)?;
    let word = address.wrapping_sub(heap.space.pages[page].base) as usize >> 3;
    let words = &bits[page];
    let here = *words.get(word >> 6)?;
    if here >> (word & 63) & 1 == 0 {
        return None;
    }
    let group = word >> 6 & !(GROUP - 1);
    let before: u32 = words[group..word >> 6].iter().map(|w| w.count_ones()).sum();
    let in_word = (here & ((1 << (word & 63)) - 1)).count_ones();
    Some(ranked[page].base + ranked[page].groups[(word >> 6) / GROUP] + before + in_word)
}

#[derive(Clone, Copy)]
struct Outside {
    name: u32,
    bytes: u64,
}

/// The tables that both passes over the edges share.
struct Tables {
    node_ranks: Vec<Ranked>,
    first_outside: u32,
    string_bits: Vec<Vec<u64>>,
    string_ranks: Vec<Ranked>,
    made_strings: u32,
    /// Bytes outside the heap by their address: number from `first_outside`.
    outside: HashMap<u64, u32>,
    outside_nodes: Vec<Outside>,
}

impl Tables {
    fn string(&self, heap: &Heap<'_>, address: u64) -> Option<u32> {
        ordinal(heap, &self.string_bits, &self.string_ranks, address)
    }

    fn name(&self, heap: &Heap<'_>, name: Name) -> u32 {
        match name {
            Name::Made(id) => id,
            Name::Text(address) => self.string(heap, address).map_or(0, |n| self.made_strings + n),
        }
    }
}

/// What is left to tell of an object when its edges have been counted.
struct EdgeCounts {
    tags: Vec<u8>,
    tag_names: Vec<(u32, Option<NodeKind>)>,
    edges: Vec<u8>,
    many_edges: HashMap<u32, u32>,
    total: u64,
}

/// Where an object's count of edges is not in its byte.
const MANY: u8 = u8::MAX;

/// Nodes before the first object: the root and (GC roots), then the categories.
const FIXED: u32 = 2;

/// A heap that has been marked and counted. See the module.
pub struct Snapshot<'h, 'm> {
    heap: &'h Heap<'m>,
    marks: &'h Marks,
    visitor: Visitor<'h, 'm>,
    namer: Namer,
    tables: Tables,
    counts: EdgeCounts,
    /// Edges of the nodes before the first object.
    root_edges: Vec<Vec<(EdgeKind, Label, u32)>>,
    root_names: Vec<u32>,
    /// Edges that WeakMaps' pairs give to key and table.
    pairs: HashMap<u64, Vec<(Label, u64)>>,
    salt: u64,
}

/// The result of marking, on which a snapshot is built.
pub struct Live {
    pub(crate) marks: Marks,
    pub(crate) roots: Vec<Root>,
    pub process: ProcessInfo,
}

impl Live {
    /// Objects that are alive.
    pub fn objects(&self) -> u64 {
        self.marks.objects
    }

    /// Bytes of the objects that are alive.
    pub fn bytes(&self) -> u64 {
        self.marks.bytes
    }
}

impl<'m> Heap<'m> {
    /// Finds what is alive, and proves that the layout is that of this memory. Nothing may be shown without it.
    pub fn verify(&mut self) -> Result<Live> {
        let roots = roots::find(self);
        let marks = mark(self, &roots)?;
        let process = crate::probe::check(self, &marks)?;
        Ok(Live { marks, roots, process })
    }
}

struct Counter<'t> {
    heap: &'t Heap<'t>,
    marks: &'t Marks,
    tables: &'t mut Tables,
    counts: &'t mut EdgeCounts,
    first: u32,
    number: u32,
    tag_ids: &'t mut HashMap<&'static str, u8>,
    /// Tags to be named when the visitor's names are free again.
    new_tags: Vec<(&'static str, Option<NodeKind>)>,
    data_name: u32,
}

impl Sink for Counter<'_> {
    #[inline(always)]
    fn edge(&mut self, _kind: EdgeKind, _label: Label, _to: u64) {
        self.number += 1;
    }

    fn tag(&mut self, object: u64, tag: &'static str, kind: Option<NodeKind>) {
        let Some(node) = ordinal(self.heap, &self.marks.bits, &self.tables.node_ranks, object) else {
            return;
        };
        let slot = &mut self.counts.tags[(node - self.first) as usize];
        if *slot != 0 {
            return;
        }
        *slot = match self.tag_ids.get(tag) {
            Some(&id) => id,
            None => {
                let id = (self.tag_ids.len() + 1) as u8;
                self.tag_ids.insert(tag, id);
                self.new_tags.push((tag, kind));
                id
            }
        };
    }

    fn outside(&mut self, _label: Label, address: u64, bytes: u64) {
        self.number += 1;
        let next = self.tables.outside_nodes.len() as u32;
        let tables = &mut *self.tables;
        if *tables.outside.entry(address).or_insert(next) == next {
            tables.outside_nodes.push(Outside { name: self.data_name, bytes });
        }
    }
}

struct Emitter<'t, F> {
    heap: &'t Heap<'t>,
    marks: &'t Marks,
    tables: &'t Tables,
    out: F,
}

impl<F: FnMut(Edge)> Emitter<'_, F> {
    fn emit(&mut self, kind: EdgeKind, label: Label, to: u32) {
        let name = match label {
            Label::Index(index) => EdgeName::Index(index),
            Label::Made(id) => EdgeName::Text(id),
            Label::Text(address) => EdgeName::Text(self.tables.name(self.heap, Name::Text(address))),
        };
        (self.out)(Edge { kind, name, to });
    }
}

impl<F: FnMut(Edge)> Sink for Emitter<'_, F> {
    fn edge(&mut self, kind: EdgeKind, label: Label, to: u64) {
        let to = ordinal(self.heap, &self.marks.bits, &self.tables.node_ranks, to).unwrap_or(0);
        self.emit(kind, label, to);
    }

    fn outside(&mut self, label: Label, address: u64, _bytes: u64) {
        let to = self.tables.outside.get(&address).map_or(0, |n| self.tables.first_outside + n);
        self.emit(EdgeKind::Internal, label, to);
    }
}

impl<'h, 'm> Snapshot<'h, 'm> {
    /// Counts what the stream will have. `heap` must be the one that `live` is of.
    pub fn new(heap: &'h Heap<'m>, live: &'h Live) -> Snapshot<'h, 'm> {
        let marks = &live.marks;
        let first = FIXED + Category::ALL.len() as u32;
        let (node_ranks, first_outside) = rank(&marks.bits, first);
        let string_bits = string_bits(heap, marks);
        let (string_ranks, _) = rank(&string_bits, 0);
        let nodes = (first_outside - first) as usize;
        let mut names = NameTable::new();
        let data_name = names.id("system / JSArrayBufferData");
        let mut snapshot = Snapshot {
            heap,
            marks,
            visitor: Visitor::new(heap, marks, names, inessential(heap, marks)),
            namer: Namer::new(well_known(heap, marks)),
            tables: Tables {
                node_ranks,
                first_outside,
                string_bits,
                string_ranks,
                made_strings: 0,
                outside: HashMap::new(),
                outside_nodes: Vec::new(),
            },
            counts: EdgeCounts {
                tags: vec![0; nodes],
                tag_names: Vec::new(),
                edges: vec![0; nodes],
                many_edges: HashMap::new(),
                total: 0,
            },
            root_edges: Vec::new(),
            root_names: Vec::new(),
            pairs: HashMap::new(),
            salt: salt(heap, marks),
        };
        snapshot.pair_edges();
        snapshot.count(data_name);
        snapshot.root_edges(&live.roots);
        snapshot.tables.made_strings = snapshot.visitor.names.all().len() as u32;
        snapshot
    }

    fn ordinal(&self, address: u64) -> Option<u32> {
        ordinal(self.heap, &self.marks.bits, &self.tables.node_ranks, address)
    }

    fn first(&self) -> u32 {
        FIXED + Category::ALL.len() as u32
    }

    /// Old objects keep their id from one capture of a process to the next; those that may still move get ids that
    /// no other capture has.
    fn id(&self, address: u64, node: u32) -> u64 {
        if self.heap.space.page(address).is_some_and(|p| p.young) {
            1 << 52 | self.salt << 32 | u64::from(node) << 1 | 1
        } else {
            address / 8 * 2 + 1
        }
    }

    fn pair_edges(&mut self) {
        let heap = self.heap;
        for &table in &self.marks.tables {
            let Some(table_node) = self.ordinal(table) else { continue };
            for entry in (3..heap.array_length(table).saturating_sub(1)).step_by(2) {
                let (key, value) = (heap.word(table + 16 + 8 * entry), heap.word(table + 24 + 8 * entry));
                if !is_strong(key)
                    || !is_strong(value)
                    || heap.type_behind(key) == heap.space.layout.types.oddball
                {
                    continue;
                }
                let (Some(key_node), Some(value_node)) = (self.ordinal(key - 1), self.ordinal(value - 1))
                else {
                    continue;
                };
                let name = format!(
                    "1 / part of key ({} @{}) -> value ({} @{}) pair in WeakMap (table @{})",
                    self.node_text(key - 1),
                    self.id(key - 1, key_node),
                    self.node_text(value - 1),
                    self.id(value - 1, value_node),
                    self.id(table, table_node),
                );
                let label = Label::Made(self.visitor.names.id(&name));
                self.pairs.entry(key - 1).or_default().push((label, value - 1));
                self.pairs.entry(table).or_default().push((label, value - 1));
            }
        }
    }

    fn node_text(&mut self, object: u64) -> String {
        let Some(map) = self.heap.info(object).copied() else { return String::new() };
        match self.namer.classify(self.heap, &mut self.visitor.names, object, &map).1 {
            Name::Made(id) => self.visitor.names.get(id).to_owned(),
            Name::Text(string) => self.heap.text(string),
        }
    }

    fn count(&mut self, data_name: u32) {
        let heap = self.heap;
        let first = self.first();
        let mut tag_ids = HashMap::new();
        let mut node = first;
        for page in 0..heap.space.pages.len() {
            for object in self.marks.of_page(&heap.space, page) {
                let mut counter = Counter {
                    heap,
                    marks: self.marks,
                    tables: &mut self.tables,
                    counts: &mut self.counts,
                    first,
                    number: self.pairs.get(&object).map_or(0, |p| p.len() as u32),
                    tag_ids: &mut tag_ids,
                    new_tags: Vec::new(),
                    data_name,
                };
                self.visitor.visit(object, &mut counter);
                let (number, new_tags) = (counter.number, counter.new_tags);
                for (tag, kind) in new_tags {
                    let name = self.visitor.names.id(tag);
                    self.counts.tag_names.push((name, kind));
                }
                self.counts.total += u64::from(number);
                self.counts.edges[(node - first) as usize] = number.min(u32::from(MANY)) as u8;
                if number >= u32::from(MANY) {
                    self.counts.many_edges.insert(node, number);
                }
                // The name is made now, so that all are known before the first node goes out.
                if let Some(map) = heap.info(object).copied() {
                    self.namer.classify(heap, &mut self.visitor.names, object, &map);
                }
                node += 1;
            }
        }
    }

    fn root_edges(&mut self, roots: &[Root]) {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let names = &mut self.visitor.names;
        self.root_names = vec![0, names.id("(GC roots)")];
        self.root_names.extend(Category::ALL.map(|c| names.id(c.name())));
        let mut root = vec![(EdgeKind::Element, Label::Index(1), 1)];
        for page in 0..heap.space.pages.len() {
            for object in self.marks.of_page(&heap.space, page) {
                if heap.type_of(object) != types.native_context {
                    continue;
                }
                let global = heap.word(object + 32);
                let target = if heap.space.layout.shape.shortcut_to_context {
                    object
                } else if heap.type_behind(global) == types.global_object {
                    global - 1
                } else {
                    continue;
                };
                let number = (root.len() + 1).to_string();
                let label = Label::Made(self.visitor.names.id(&number));
                root.extend(self.ordinal(target).map(|node| (EdgeKind::Shortcut, label, node)));
            }
        }
        let categories = Category::ALL.len() as u32;
        let gc_roots = (0..categories).map(|n| (EdgeKind::Element, Label::Index(n + 1), FIXED + n)).collect();
        self.root_edges = vec![root, gc_roots];
        for category in Category::ALL {
            let members =
                roots.iter().filter(|r| r.category == category).filter_map(|r| self.ordinal(r.object));
            let edges =
                members.enumerate().map(|(n, node)| (EdgeKind::Element, Label::Index(n as u32 + 1), node));
            let edges = edges.collect();
            self.root_edges.push(edges);
        }
        self.counts.total += self.root_edges.iter().map(|e| e.len() as u64).sum::<u64>();
    }

    /// Nodes that [`Snapshot::nodes`] gives.
    pub fn node_count(&self) -> u64 {
        u64::from(self.tables.first_outside) + self.tables.outside_nodes.len() as u64
    }

    /// Edges that [`Snapshot::edges`] gives.
    pub fn edge_count(&self) -> u64 {
        self.counts.total
    }

    /// All nodes, the root first.
    pub fn nodes(&mut self, mut out: impl FnMut(Node)) {
        let heap = self.heap;
        for (number, (edges, &name)) in self.root_edges.iter().zip(&self.root_names).enumerate() {
            let edge_count = edges.len() as u32;
            out(Node {
                kind: NodeKind::Synthetic,
                name,
                id: 2 * number as u64 + 1,
                self_size: 0,
                edge_count,
            });
        }
        let first = self.first();
        let mut node = first;
        for page in 0..heap.space.pages.len() {
            for object in self.marks.of_page(&heap.space, page) {
                let at = (node - first) as usize;
                let edge_count = match self.counts.edges[at] {
                    MANY => self.counts.many_edges.get(&node).copied().unwrap_or(0),
                    few => u32::from(few),
                };
                let (mut kind, mut name, mut self_size) = (NodeKind::Hidden, 0, 0);
                if let Some(map) = heap.info(object).copied() {
                    let (its_kind, its_name) =
                        self.namer.classify(heap, &mut self.visitor.names, object, &map);
                    kind = its_kind;
                    name = self.tables.name(heap, its_name);
                    self_size = heap.size(object, &map);
                    if heap.space.layout.shape.size_for_snapshot {
                        if heap.space.pages[page].read_only {
                            self_size = 0;
                        }
                        if map.kind == Kind::ExternalString {
                            self_size += heap.external_bytes(object, map.instance_type);
                        }
                    }
                }
                if let Some((tag, tag_kind)) =
                    self.counts.tags[at].checked_sub(1).and_then(|t| self.counts.tag_names.get(t as usize))
                {
                    if name == 0 {
                        name = *tag;
                    }
                    kind = tag_kind.unwrap_or(kind);
                }
                out(Node { kind, name, id: self.id(object, node), self_size, edge_count });
                node += 1;
            }
        }
        for (number, outside) in self.tables.outside_nodes.iter().enumerate() {
            // Even ids, as V8 gives them to what is not on its heap.
            let id = 2 * number as u64 + 2;
            out(Node {
                kind: NodeKind::Native,
                name: outside.name,
                id,
                self_size: outside.bytes,
                edge_count: 0,
            });
        }
    }

    /// All edges.
    pub fn edges(&mut self, out: impl FnMut(Edge)) {
        let heap = self.heap;
        let mut emitter = Emitter { heap, marks: self.marks, tables: &self.tables, out };
        for edges in &self.root_edges {
            for &(kind, label, to) in edges {
                emitter.emit(kind, label, to);
            }
        }
        for page in 0..heap.space.pages.len() {
            for object in self.marks.of_page(&heap.space, page) {
                self.visitor.visit(object, &mut emitter);
                for &(label, to) in self.pairs.get(&object).map_or(&[][..], Vec::as_slice) {
                    emitter.edge(EdgeKind::Internal, label, to);
                }
            }
        }
    }

    /// All strings.
    pub fn strings(&self, mut out: impl FnMut(&str)) {
        for name in self.visitor.names.all() {
            out(name);
        }
        for (page, words) in self.tables.string_bits.iter().enumerate() {
            for word in bits(words) {
                out(&self.heap.text(self.heap.space.pages[page].base + 8 * word as u64));
            }
        }
    }

    /// Where functions are, and the constructors of objects.
    pub fn locations(&mut self, mut out: impl FnMut(Location)) {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let mut places: HashMap<u64, Option<(i64, u32, u32)>> = HashMap::new();
        let mut line_ends: HashMap<u64, Vec<u32>> = HashMap::new();
        let mut node = self.first();
        for page in 0..heap.space.pages.len() {
            for object in self.marks.of_page(&heap.space, page) {
                let here = node;
                node += 1;
                let Some(map) = heap.info(object).copied() else { continue };
                let it = map.instance_type;
                let function = if (types.first_function..=types.last_function).contains(&it) {
                    object
                } else if map.receiver
                    && it != types.proxy
                    && it != types.bound_function
                    && it != types.regexp
                {
                    self.namer.class(heap, &mut self.visitor.names, object, &map).1
                } else {
                    0
                };
                if function == 0 {
                    continue;
                }
                let shared = heap.shared_of(function);
                let place = *places.entry(shared).or_insert_with(|| {
                    let script = heap.script_of(shared)?;
                    let position = heap.start_position(shared)?;
                    let ends = line_ends.entry(script).or_insert_with(|| heap.line_ends(script));
                    let (line, column) = line_and_column(ends, position);
                    Some((heap.script_id(script), line - 1, column - 1))
                });
                if let Some((script, line, column)) = place {
                    out(Location { node: here, script, line, column });
                }
            }
        }
    }
}

/// The strings that have a place of their own in the table: all but ropes and slices, which have no name.
fn string_bits(heap: &Heap<'_>, marks: &Marks) -> Vec<Vec<u64>> {
    let first_nonstring = heap.space.layout.types.first_nonstring;
    let is_named = |map: Option<&crate::object::MapInfo>| {
        map.is_some_and(|m| {
            m.instance_type < first_nonstring && !matches!(m.kind, Kind::ConsString | Kind::SlicedString)
        })
    };
    marks
        .bits
        .iter()
        .enumerate()
        .map(|(page, words)| {
            let mut strings = vec![0u64; words.len()];
            let bytes = &heap.space.pages[page].bytes;
            for word in bits(words) {
                if is_named(heap.maps.known(crate::memory::word_at(bytes, word * 8))) {
                    strings[word / 64] |= 1 << (word % 64);
                }
            }
            strings
        })
        .collect()
}

/// Every object of the read-only space.
fn read_only<'a>(heap: &'a Heap<'_>, marks: &'a Marks) -> impl Iterator<Item = u64> + use<'a> {
    let pages = heap.space.pages.iter().enumerate().filter(|(_, page)| page.read_only);
    pages.flat_map(|(index, _)| marks.of_page(&heap.space, index))
}

/// `V8HeapExplorer::IsEssentialObject`.
fn inessential(heap: &Heap<'_>, marks: &Marks) -> Inessential {
    let layout = &heap.space.layout;
    let types = &layout.types;
    let mut first_maps: HashMap<u16, u64> = HashMap::new();
    let (mut all, mut holes) = (HashSet::new(), HashSet::new());
    for object in read_only(heap, marks) {
        let it = heap.type_of(object);
        if it == types.oddball || it == types.hole {
            all.insert(object);
            if it == types.hole || smi(heap.word(object + layout.offsets.oddball_kind)) == HOLE {
                holes.insert(object);
            }
        } else if it == types.map {
            first_maps.entry(heap.short(object + layout.offsets.instance_type)).or_insert(object);
        }
    }
    let maps = [
        types.fixed_array,
        types.cell,
        types.property_cell,
        types.shared_function_info,
        types.free_space,
        types.filler,
    ];
    all.extend(maps.iter().filter_map(|it| first_maps.get(it)));
    let fixed_array_map = first_maps.get(&types.fixed_array).copied();
    // The first empty one of each kind.
    let mut seen: HashSet<Kind> = HashSet::new();
    for object in read_only(heap, marks) {
        let Some(map) = heap.info(object) else { continue };
        let empty = match map.kind {
            Kind::FixedArray => Some(map.address) == fixed_array_map && smi(heap.word(object + 8)) == 0,
            Kind::WeakFixedArray => {
                map.instance_type == types.weak_fixed_array && smi(heap.word(object + 8)) == 0
            }
            Kind::ByteArray => smi(heap.word(object + 8)) == 0,
            Kind::DescriptorArray => heap.short(object + 8) == 0,
            _ => false,
        };
        if empty && seen.insert(map.kind) {
            all.insert(object);
        }
    }
    Inessential { all, holes }
}

/// Oddball::kTheHole.
const HOLE: i64 = 2;

/// Strings that V8 knows by itself, found in the read-only space.
pub(crate) fn well_known(heap: &Heap<'_>, marks: &Marks) -> WellKnown {
    let types = &heap.space.layout.types;
    let mut found = WellKnown::default();
    let all = (0..heap.space.pages.len()).flat_map(|page| marks.of_page(&heap.space, page));
    for object in all {
        let Some(map) = heap.info(object) else { continue };
        if map.instance_type == types.symbol && found.to_string_tag == 0 {
            if heap.text_behind(heap.word(object + 16)).as_deref() == Some("Symbol.toStringTag") {
                found.to_string_tag = object + 1;
            }
        } else if map.kind == Kind::OneByteString && map.instance_type == INTERNALIZED {
            match heap.string_length(object) {
                11 if found.constructor == 0 && heap.text(object) == "constructor" => {
                    found.constructor = object + 1
                }
                4 if found.name == 0 && heap.text(object) == "name" => found.name = object + 1,
                _ => {}
            }
        }
        if found.to_string_tag != 0 && found.constructor != 0 && found.name != 0 {
            break;
        }
    }
    found
}

/// INTERNALIZED_ONE_BYTE_STRING_TYPE, by its bits.
const INTERNALIZED: u16 = 8;

/// 20 bits by which two captures differ.
fn salt(heap: &Heap<'_>, marks: &Marks) -> u64 {
    let mut hash = marks.bytes.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ marks.objects;
    for thread in &heap.space.threads {
        hash = (hash.rotate_left(7) ^ thread.registers.stack).wrapping_mul(0x100_0000_01b3);
    }
    for page in heap.space.pages.iter().filter(|p| p.young) {
        for word in page.bytes.chunks_exact(8).step_by(64) {
            hash = (hash.rotate_left(7) ^ crate::memory::word_at(word, 0)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash >> 44
}
