//! The heap as a stream of nodes, edges and strings, in the order and with the meaning of a `.heapsnapshot` file.
//!
//! A node's ordinal is the number of marked words before its own: a bit per word, and counts per 512 words. So no
//! table of addresses is kept. What each object is tagged with and how many edges it has takes two bytes.

mod members;
mod passes;
mod rank;

use foldhash::{HashMap, HashMapExt};
use members::Members;
use passes::{Counter, EdgeCounts, Emitter, MANY, Tables};
use rank::{ordinal, rank};

use crate::builtins::BuiltinNames;
use crate::edges::{Label, Visitor};
use crate::error::{Refusal, Result};
use crate::functions::line_and_column;
use crate::heap::Heap;
use crate::kind::Kind;
use crate::mark::{Marks, bits, mark};
use crate::memory::is_strong;
use crate::names::{Name, NameTable, Namer};
use crate::node::{EdgeKind, NodeKind};
use crate::probe::ProcessInfo;
use crate::progress::{Step, Watcher, tell};
use crate::roots::{self, Category, Root};
use crate::special::{inessential, salt, well_known};

/// A node. Names are positions in the strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub name: u32,
    pub id: u64,
    pub self_size: u64,
    pub edge_count: u32,
}

/// An edge; `to` is a node's ordinal. Edges come in the order of the nodes that own them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub kind: EdgeKind,
    /// An index for elements and hidden edges, otherwise a position in the strings.
    pub name: u32,
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

/// kIsNotInternalizedMask of a string's type.
const NOT_INTERNALIZED: u16 = 0x20;

/// Nodes before the categories of roots: the root and (GC roots).
const FIXED: u32 = 2;

/// The first object's node.
const FIRST: u32 = FIXED + Category::COUNT as u32;

/// DevTools numbers fields of nodes, of which each has six or seven, with 32 bits.
const MOST_NODES: u64 = u32::MAX as u64 / 2;

/// Digits of the largest number that is a name.
const MOST_DIGITS: usize = 10;

/// The number that a text is, if it is written as numbers are.
fn canonical_number(text: &str) -> Option<u32> {
    let digits = text.len() <= MOST_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    (text == "0" || !text.starts_with('0')).then_some(number)
}

/// A heap that has been marked and counted. See the module.
pub struct Snapshot<'h, 'm> {
    heap: &'h Heap<'m>,
    marks: &'h Marks,
    visitor: Visitor<'h, 'm>,
    namer: Namer,
    tables: Tables,
    counts: EdgeCounts,
    members: Members,
    pairs: Pairs,
    salt: u64,
}

/// What WeakMaps hold.
#[derive(Default)]
struct Pairs {
    /// Key, value and table of each.
    all: Vec<[u64; 3]>,
    /// Key and table of each, with its number, in the order of their addresses: each has an edge to the value.
    ends: Vec<(u64, u32)>,
}

impl Pairs {
    /// The numbers of the pairs that a key or a table has; `next` goes from object to object in order.
    fn of<'p>(&'p self, next: &mut usize, object: u64) -> &'p [(u64, u32)] {
        while self.ends.get(*next).is_some_and(|&(end, _)| end < object) {
            *next += 1;
        }
        let from = *next;
        while self.ends.get(*next).is_some_and(|&(end, _)| end == object) {
            *next += 1;
        }
        &self.ends[from..*next]
    }
}

/// The result of marking, on which a snapshot is built.
pub struct Live {
    pub(crate) marks: Marks,
    pub(crate) roots: Vec<Root>,
    pub process: ProcessInfo,
}

impl Live {
    pub fn objects(&self) -> u64 {
        self.marks.objects
    }

    /// Objects that a collection was moving when the memory was frozen: each had two places. What else the collection
    /// had not finished can't be told.
    pub fn moving(&self) -> u64 {
        self.marks.forwarded
    }

    /// Bytes of the objects that are alive.
    pub fn bytes(&self) -> u64 {
        self.marks.bytes
    }
}

impl<'m> Heap<'m> {
    /// Finds what is alive, and proves that the layout is that of this memory. Nothing may be shown without it.
    ///
    /// # Errors
    /// A probe failed, or the watcher stopped the reader.
    pub fn verify(&mut self, watcher: Watcher<'_>) -> Result<Live> {
        self.verify_within(watcher, None)
    }

    /// The same with room for so many objects that wait to be marked: for tests, since a large heap takes long.
    #[doc(hidden)]
    pub fn verify_within(&mut self, watcher: Watcher<'_>, most_work: Option<usize>) -> Result<Live> {
        let roots = roots::find(self);
        let marks = mark(self, &roots, watcher, most_work)?;
        let process = crate::probe::check(self, &marks)?;
        Ok(Live { marks, roots, process })
    }
}

impl<'h, 'm> Snapshot<'h, 'm> {
    /// EdgeCounts what the stream will have. `heap` must be the one that `live` is of.
    ///
    /// # Errors
    /// The watcher stopped it, or there are more objects than a snapshot can number.
    pub fn new(heap: &'h Heap<'m>, live: &'h Live, watcher: Watcher<'_>) -> Result<Snapshot<'h, 'm>> {
        if live.objects() > MOST_NODES {
            return Err(Refusal::new(
                format!("the heap has {} objects, more than a snapshot can number", live.objects()),
                "No tool can open such a snapshot.",
            ));
        }
        let marks = &live.marks;
        let first = FIRST;
        let (node_ranks, first_outside) = rank(&marks.bits, first);
        let (string_ranks, strings) = rank(&marks.string_bits, 0);
        let nodes = (first_outside - first) as usize;
        let mut names = NameTable::new();
        let data_name = names.id("system / JSArrayBufferData");
        let mut snapshot = Snapshot {
            heap,
            marks,
            visitor: Visitor::new(heap, marks, names, inessential(heap, marks)),
            namer: Namer::new(well_known(heap, marks)).with_builtins(BuiltinNames::find(heap, &live.roots)),
            tables: Tables {
                node_ranks,
                first_outside,
                string_ranks,
                strings,
                made_strings: 0,
                numbers: 0,
                pair_names: 0,
                twins: Vec::new(),
                number_twins: HashMap::new(),
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
            members: Members::new(heap, marks),
            pairs: Pairs::default(),
            salt: salt(heap, marks),
        };
        snapshot.find_pairs();
        snapshot.count(data_name, watcher)?;
        snapshot.members(&live.roots);
        let tables = &mut snapshot.tables;
        tables.made_strings = snapshot.visitor.names.all().len() as u32;
        tables.numbers = snapshot.visitor.numbers;
        tables.pair_names = snapshot.pairs.all.len() as u32;
        if snapshot.string_count() > u64::from(u32::MAX) {
            return Err(Refusal::new(
                format!("the heap has {} strings, more than a snapshot can number", snapshot.string_count()),
                "No tool can open such a snapshot.",
            ));
        }
        snapshot.twins();
        Ok(snapshot)
    }

    /// Which made names are internalized strings of the heap. In V8's file each text has one place, so a class and the
    /// word in the source that it is named after are the same string; redaction relies on that.
    fn twins(&mut self) {
        let heap = self.heap;
        let names = &self.visitor.names;
        let longest = names.all().iter().map(String::len).max().unwrap_or(0).max(MOST_DIGITS) as u64;
        let mut twins = vec![0; names.all().len()];
        let mut number = 0;
        for (page, words) in self.marks.string_bits.iter().enumerate() {
            for word in bits(words) {
                number += 1;
                let string = heap.space.pages[page].base + 8 * word as u64;
                let length = heap.string_length(string);
                if length == 0 || length > longest || heap.type_of(string) & NOT_INTERNALIZED != 0 {
                    continue;
                }
                let text = heap.text(string);
                if let Some(twin) = names.find(&text).and_then(|id| twins.get_mut(id as usize))
                    && *twin == 0
                {
                    *twin = number;
                }
                if let Some(named) = canonical_number(&text).filter(|&named| named < self.tables.numbers) {
                    self.tables.number_twins.entry(named).or_insert(number);
                }
            }
        }
        self.tables.twins = twins;
    }

    fn ordinal(&self, address: u64) -> Option<u32> {
        ordinal(self.heap, &self.marks.bits, &self.tables.node_ranks, address)
    }

    fn first(&self) -> u32 {
        FIRST
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

    fn find_pairs(&mut self) {
        let heap = self.heap;
        let pairs = &mut self.pairs;
        for &table in &self.marks.tables {
            for entry in (3..heap.array_length(table).saturating_sub(1)).step_by(2) {
                let (key, value) = (heap.word(table + 16 + 8 * entry), heap.word(table + 24 + 8 * entry));
                let is_pair = is_strong(key)
                    && is_strong(value)
                    && heap.type_behind(key) != heap.space.layout.types.oddball
                    && self.marks.contains(&heap.space, key - 1)
                    && self.marks.contains(&heap.space, value - 1);
                if is_pair {
                    let number = pairs.all.len() as u32;
                    pairs.all.push([key - 1, value - 1, table]);
                    pairs.ends.extend([(key - 1, number), (table, number)]);
                }
            }
        }
        pairs.ends.sort_unstable();
    }

    fn pair_text(&mut self, [key, value, table]: [u64; 3]) -> String {
        let [key_id, value_id, table_id] =
            [key, value, table].map(|object| self.ordinal(object).map_or(0, |node| self.id(object, node)));
        let (key, value) = (self.node_text(key), self.node_text(value));
        format!(
            "1 / part of key ({key} @{key_id}) -> value ({value} @{value_id}) pair in WeakMap (table @{table_id})"
        )
    }

    fn node_text(&mut self, object: u64) -> String {
        let Some(map) = self.heap.info(object).copied() else { return String::new() };
        match self.namer.classify(self.heap, &mut self.visitor.names, object, &map).1 {
            Name::Made(id) => self.visitor.names.get(id).to_owned(),
            Name::Text(string) => self.heap.text(string),
        }
    }

    fn count(&mut self, data_name: u32, watcher: Watcher<'_>) -> Result<()> {
        let heap = self.heap;
        let first = self.first();
        let mut tag_ids = HashMap::new();
        let mut node = first;
        let (mut next_pair, mut next_embedded) = (0, 0);
        for page in 0..heap.space.pages.len() {
            tell(watcher, Step::Count, u64::from(node - first), self.marks.objects)?;
            for object in self.marks.of_page(&heap.space, page) {
                let mut counter = Counter {
                    marks: self.marks,
                    tables: &mut self.tables,
                    counts: &mut self.counts,
                    first,
                    number: self.pairs.of(&mut next_pair, object).len() as u32
                        + u32::from(self.members.embedded_of(&mut next_embedded, object).is_some()),
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
        Ok(())
    }

    /// Nodes that [`Snapshot::nodes`] gives.
    pub fn node_count(&self) -> u64 {
        u64::from(self.first_embedded()) + self.members.embedded.len() as u64
    }

    /// Edges that [`Snapshot::edges`] gives.
    pub fn edge_count(&self) -> u64 {
        self.counts.total
    }

    /// All nodes, the root first. The first error of `out` ends it.
    pub fn nodes<E>(
        &mut self,
        mut out: impl FnMut(Node) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let heap = self.heap;
        self.root_nodes(&mut out)?;
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
                    name = self.tables.name(heap, self.marks, its_name);
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
                out(Node { kind, name, id: self.id(object, node), self_size, edge_count })?;
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
            })?;
        }
        self.embedded_nodes(&mut out)
    }

    /// All edges. The first error of `out` ends it.
    pub fn edges<E>(
        &mut self,
        out: impl FnMut(Edge) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let heap = self.heap;
        let mut emitter = Emitter { heap, marks: self.marks, tables: &self.tables, out, outcome: Ok(()) };
        self.emit_roots(&mut emitter);
        let (mut next_pair, mut next_embedded) = (0, 0);
        for page in 0..heap.space.pages.len() {
            for object in self.marks.of_page(&heap.space, page) {
                self.visitor.visit(object, &mut emitter);
                for &(_, pair) in self.pairs.of(&mut next_pair, object) {
                    // Every pair has a value that is marked.
                    let value = self.pairs.all[pair as usize][1];
                    let to = ordinal(heap, &self.marks.bits, &self.tables.node_ranks, value).unwrap_or(0);
                    emitter.emit(EdgeKind::Internal, Label::Pair(pair), to);
                }
                if let Some((label, to)) = self.embedded_edge(&mut next_embedded, object) {
                    emitter.emit(EdgeKind::Internal, label, to);
                }
                if emitter.outcome.is_err() {
                    return emitter.outcome;
                }
            }
        }
        self.emit_embedded(&mut emitter);
        emitter.outcome
    }

    /// All strings, in WTF-8: UTF-8 that may hold lone surrogates. The first error of `out` ends it.
    pub fn strings<E>(
        &mut self,
        mut out: impl FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        for name in self.visitor.names.all() {
            out(name.as_bytes())?;
        }
        for number in 0..self.tables.numbers {
            out(number.to_string().as_bytes())?;
        }
        for pair in 0..self.pairs.all.len() {
            out(self.pair_text(self.pairs.all[pair]).as_bytes())?;
        }
        let mut text = Vec::new();
        for (page, words) in self.marks.string_bits.iter().enumerate() {
            for word in bits(words) {
                text.clear();
                self.heap.wtf8(self.heap.space.pages[page].base + 8 * word as u64, &mut text);
                out(&text)?;
            }
        }
        Ok(())
    }

    /// Strings that [`Snapshot::strings`] gives.
    pub fn string_count(&self) -> u64 {
        let Tables { made_strings, numbers, pair_names, strings, .. } = self.tables;
        [made_strings, numbers, pair_names, strings].map(u64::from).iter().sum()
    }

    /// Bytes that the reader holds beside the memory it reads, its tables of maps and names left out.
    pub fn extra_bytes(&self) -> u64 {
        let bits = |all: &[Vec<u64>]| all.iter().map(|page| 8 * page.len() as u64).sum::<u64>();
        // A rank of 16 bytes for each 8 words of bits.
        let words = bits(&self.marks.bits) + bits(&self.marks.string_bits);
        words + words / 4 + (self.counts.tags.len() + self.counts.edges.len()) as u64
    }

    /// Where functions are, and the constructors of objects.
    pub fn locations<E>(
        &mut self,
        mut out: impl FnMut(Location) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let heap = self.heap;
        let types = &heap.space.layout.types;
        let mut places: HashMap<u64, Option<(i64, u32, u32)>> = HashMap::new();
        let mut line_ends: HashMap<u64, Vec<u32>> = HashMap::new();
        let mut node = self.first();
        // Objects of one class come in a row.
        let mut last = (0, None);
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
                if last.0 != function {
                    let shared = heap.shared_of(function);
                    let place = places.entry(shared).or_insert_with(|| {
                        let script = heap.script_of(shared)?;
                        let position = heap.start_position(shared)?;
                        let ends = line_ends.entry(script).or_insert_with(|| heap.line_ends(script));
                        let (line, column) = line_and_column(ends, position);
                        Some((heap.script_id(script), line - 1, column - 1))
                    });
                    last = (function, *place);
                }
                if let Some((script, line, column)) = last.1 {
                    out(Location { node: here, script, line, column })?;
                }
            }
        }
        Ok(())
    }
}
