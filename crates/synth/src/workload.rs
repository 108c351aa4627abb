//! Files of any size that look like a Node process, with answers known by construction.
//!
//! Memory is constant: four walks over the units (counting, nodes, edges, strings and locations) make each unit
//! again from its number. Some 300 nanoseconds a node.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::json::{HeaderCounts, TextLayout, TextWriter, escape};
use crate::meta::{Meta, Variant};
use crate::prelude::{ALL_FIXED, CLASS_LOCATION, COMMON, COMMON_STRINGS, FIXED, FIXED_NAMES, Fixed};
use crate::units::{EdgeTarget, Name, Unit, UnitEdge, WorkloadShape};

/// Units of a program's own code and hidden classes, as many as an idle process of Node 22 has nodes (about 1,000
/// times 44), fewer in small files.
const RUNTIME_UNITS: u64 = 1000;
/// One unit in this many is gone in the second snapshot.
const REMOVED_EVERY: u64 = 50;

/// A synthetic process of a given shape and size.
#[derive(Clone, Debug)]
pub struct Workload {
    shape: WorkloadShape,
    variant: Variant,
    seed: u64,
    units: u64,
    runtime: u64,
    after: bool,
}

/// What a reader must find in a file of a [`Workload`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Nodes in the file.
    pub nodes: u64,
    /// Edges in the file.
    pub edges: u64,
    /// Sum of all self sizes.
    pub total_size: u64,
    /// Name of a class whose instances nothing else in the file holds parts of.
    pub planted_class: String,
    /// How many instances it has.
    pub planted_count: u64,
    /// The class's retained size.
    pub planted_retained: u64,
    /// Instances that are in this file and were not in the one before; zero unless this is the second.
    pub planted_added: u64,
    /// Instances that were in the file before and are not in this one.
    pub planted_removed: u64,
}

/// Which of the three kinds of units a walk is at.
#[derive(Clone, Copy)]
struct UnitPosition {
    ordinal: u64,
    string: u64,
    /// Ordinal of the first node of the living unit before.
    before: Option<u64>,
    number: u64,
    runtime: bool,
}

impl Workload {
    /// A process with `units` of the shape's units (one to some thirty nodes each).
    pub fn with_units(shape: WorkloadShape, seed: u64, units: u64) -> Self {
        let runtime = RUNTIME_UNITS.min(units / 2 + 1);
        Workload { shape, variant: Variant::Node22, seed, units, runtime, after: false }
    }

    /// A process whose file has about `bytes`, within a few percent.
    pub fn with_bytes(shape: WorkloadShape, seed: u64, bytes: u64) -> Self {
        let mut workload = Workload::with_units(shape, seed, 2000);
        // Longer numbers make longer rows, so the estimate is taken again at the size that came out.
        for _ in 0..3 {
            let (small, large) = (workload.sampled_bytes(), bytes as f64);
            let per_unit = small.1 / workload.sample_units() as f64;
            workload.units = (((large - small.0) / per_unit).max(1.0)) as u64;
            workload.runtime = RUNTIME_UNITS.min(bytes / 20_000 + 1);
        }
        workload
    }

    /// The format to write; Node 22's unless said otherwise.
    pub fn variant(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    /// The same process later: a fiftieth of its units is gone, a tenth more has come, all others keep their ids.
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }

    fn sample_units(&self) -> u64 {
        self.units.min(2000)
    }

    /// Bytes of everything but the units, and of a sample of the last units, with rows as long as they will be.
    fn sampled_bytes(&self) -> (f64, f64) {
        let mut fixed = self.clone();
        fixed.units = 0;
        let mut counter = ByteCounter(0);
        fixed.write(&mut counter).expect("counting cannot fail");
        let overhead = counter.0 as f64;
        let mut unit = Unit::default();
        let mut text = TextWriter::new(ByteCounter(0), TextLayout::Rows);
        let total = self.units;
        let (meta, layout) = (self.meta(), Layout::of(self));
        let common: HashMap<&'static str, u64> = common_indexes().collect();
        for number in total - self.sample_units()..total {
            let place = self.place_of(number, &layout);
            self.fill(&mut unit, &place, &layout);
            // Writing cannot fail: the writer only counts.
            let _ = self.write_nodes(&mut text, &unit, &place, &layout, &meta, &common);
            let _ = self.write_edges(&mut text, &unit, &place, &meta, &common);
            for string in &unit.strings {
                let _ = text.string(&escape(string));
                let _ = text.raw(",\n");
            }
            // A location, and the store's edges to the unit.
            for (i, node) in unit.nodes.iter().enumerate() {
                if let Some((script, line, column)) = node.location {
                    let _ = text.row(&[(place.ordinal + i as u64) * 7, script, line, column]);
                }
            }
            for &entry in Unit::entries(self.shape) {
                let to = (place.ordinal + u64::from(entry)) * 7;
                let _ = text.row(&[1, place.number, to]);
                let _ = text.row(&[3, 1, to]);
            }
        }
        let sample = text.finish().map_or(0, |counter| counter.0);
        (overhead, sample as f64)
    }

    fn meta(&self) -> Meta {
        self.variant.meta()
    }

    /// Whether a unit lives in the snapshot to write.
    fn lives(&self, number: u64) -> bool {
        !self.after || number >= self.units || number % REMOVED_EVERY != REMOVED_EVERY - 2
    }

    /// One past the last unit's number.
    fn end(&self) -> u64 {
        if self.after { self.units + self.units.div_ceil(10) } else { self.units }
    }

    /// How many units below `number` live.
    fn rank(&self, number: u64) -> u64 {
        if self.after { number - (number.min(self.units) + 1) / REMOVED_EVERY } else { number }
    }

    fn place_of(&self, number: u64, layout: &Layout) -> UnitPosition {
        let at = |n: u64| layout.first_unit + self.rank(n) * layout.nodes_per_unit;
        let before = (0..number).rev().take(2).find(|&n| self.lives(n)).map(at);
        UnitPosition {
            ordinal: at(number),
            string: layout.first_string + self.rank(number) * layout.strings_per_unit,
            before,
            number,
            runtime: false,
        }
    }

    fn runtime_place(&self, number: u64, layout: &Layout) -> UnitPosition {
        UnitPosition {
            ordinal: Fixed::COUNT as u64 + number * layout.nodes_per_runtime,
            string: COMMON_STRINGS + number * layout.strings_per_runtime,
            before: None,
            number,
            runtime: true,
        }
    }

    /// The id of a node keeps to its unit's number, not to its place in the file, so that a second snapshot has it.
    fn id(&self, place: &UnitPosition, own: u64, layout: &Layout, native: bool) -> u64 {
        let first = if place.runtime {
            place.ordinal
        } else {
            layout.first_unit + place.number * layout.nodes_per_unit
        };
        2 * (first + own) + 1 + u64::from(native)
    }

    fn fill(&self, unit: &mut Unit, place: &UnitPosition, layout: &Layout) {
        if place.runtime {
            unit.runtime(self.seed, place.number);
        } else {
            unit.fill(self.shape, self.seed, place.number, |own| {
                self.id(place, u64::from(own), layout, false)
            });
        }
    }

    /// Calls `each` with every unit in file order.
    fn walk(
        &self,
        layout: &Layout,
        unit: &mut Unit,
        mut each: impl FnMut(&Unit, &UnitPosition) -> io::Result<()>,
    ) -> io::Result<()> {
        for number in 0..self.runtime {
            let place = self.runtime_place(number, layout);
            self.fill(unit, &place, layout);
            each(unit, &place)?;
        }
        for number in (0..self.end()).filter(|&n| self.lives(n)) {
            let place = self.place_of(number, layout);
            self.fill(unit, &place, layout);
            each(unit, &place)?;
        }
        Ok(())
    }

    /// What a reader must find. Takes one walk.
    pub fn expected(&self) -> Expected {
        let layout = Layout::of(self);
        let mut expected = Expected {
            planted_class: if self.shape == WorkloadShape::LinkedList { "ListNode" } else { "PlantedRecord" }
                .to_owned(),
            nodes: Fixed::COUNT as u64,
            total_size: FIXED.iter().map(|f| f.2).sum(),
            edges: self.fixed_edges(&layout).map(|(_, edges)| edges.count() as u64).sum(),
            ..Expected::default()
        };
        let mut unit = Unit::default();
        let walked = self.walk(&layout, &mut unit, |unit, place| {
            expected.nodes += unit.nodes.len() as u64;
            expected.edges += unit.edges.len() as u64;
            expected.total_size += unit.nodes.iter().map(|n| n.size).sum::<u64>();
            if let Some((_, retained)) = unit.planted {
                expected.planted_count += 1;
                expected.planted_retained += retained;
                expected.planted_added += u64::from(self.after && place.number >= self.units);
            }
            Ok(())
        });
        walked.expect("counting cannot fail");
        if self.after {
            for number in (0..self.units).filter(|&n| !self.lives(n)) {
                let place = self.place_of(number, &layout);
                self.fill(&mut unit, &place, &layout);
                expected.planted_removed += u64::from(unit.planted.is_some());
            }
        }
        expected
    }

    /// The edges of the prelude's nodes, node by node, made on the way: an array of all units is never in memory.
    fn fixed_edges<'a>(
        &'a self,
        layout: &'a Layout,
    ) -> impl Iterator<Item = (Fixed, Box<dyn Iterator<Item = FixedEdge> + 'a>)> + 'a {
        ALL_FIXED.into_iter().map(move |node| (node, self.edges_of(node, layout)))
    }

    fn edges_of<'a>(&'a self, node: Fixed, layout: &'a Layout) -> Box<dyn Iterator<Item = FixedEdge> + 'a> {
        let to = |kind, name, to: Fixed| FixedEdge { kind, name: FixedName::Common(name), to: to as u64 };
        let index = |i, to: Fixed| FixedEdge { kind: "element", name: FixedName::Number(i), to: to as u64 };
        let units = || (0..self.end()).filter(|&n| self.lives(n));
        let entries = move || {
            units().flat_map(move |n| {
                let first = self.place_of(n, layout).ordinal;
                Unit::entries(self.shape).iter().map(move |&e| first + u64::from(e))
            })
        };
        match node {
            Fixed::Root => {
                Box::new([index(1, Fixed::GcRoots), to("shortcut", "2", Fixed::Global)].into_iter())
            }
            Fixed::GcRoots => Box::new(
                [index(1, Fixed::StrongRoots), index(2, Fixed::StartupCache), index(3, Fixed::Builtins)]
                    .into_iter(),
            ),
            Fixed::StrongRoots => Box::new(
                ALL_FIXED[Fixed::MetaMap as usize..]
                    .iter()
                    .enumerate()
                    .map(move |(i, &f)| index(i as u64, f)),
            ),
            Fixed::StartupCache => Box::new((0..self.runtime).flat_map(move |n| {
                let first = self.runtime_place(n, layout).ordinal;
                (0..13).map(move |i| element(n * 13 + i, first + i))
            })),
            // The plain object of each unit and the shapes that only weak transitions lead to.
            Fixed::Builtins => Box::new((0..self.runtime).flat_map(move |n| {
                let first = self.runtime_place(n, layout).ordinal;
                [34, 36, 37, 38]
                    .into_iter()
                    .enumerate()
                    .map(move |(i, own)| element(n * 4 + i as u64, first + own))
            })),
            // A real global object reaches its maps and oddballs through the native context. Without such an edge
            // they would count as retained by whatever class alone uses them.
            Fixed::Global => {
                let head = [
                    to("property", "store", Fixed::Store),
                    to("property", "Object", Fixed::Constructor),
                    to("property", "__proto__", Fixed::ObjectPrototype),
                ];
                let fixed = ALL_FIXED[Fixed::MetaMap as usize..].iter();
                Box::new(head.into_iter().chain(fixed.map(move |&f| to("internal", "map", f))))
            }
            Fixed::Store => {
                let head = [
                    to("internal", "elements", Fixed::StoreElements),
                    to("property", "tags", Fixed::WeakTable),
                    to("property", "__proto__", Fixed::ArrayPrototype),
                    to("internal", "map", Fixed::ArrayMap),
                ];
                let chain = Unit::chain_head(self.shape).and_then(|own| {
                    let last = (0..self.end()).rev().take(2).find(|&n| self.lives(n))?;
                    let ordinal = self.place_of(last, layout).ordinal + u64::from(own);
                    Some(FixedEdge { kind: "property", name: FixedName::Common("next"), to: ordinal })
                });
                let elements = entries().enumerate().map(|(i, ordinal)| element(i as u64, ordinal));
                Box::new(elements.chain(head).chain(chain))
            }
            // V8 names a backing store's edges by strings, which fill the table with numbers; hidden edges carry
            // theirs in the row and weigh the same.
            Fixed::StoreElements => Box::new(entries().enumerate().map(|(i, ordinal)| FixedEdge {
                kind: "hidden",
                name: FixedName::Number(i as u64),
                to: ordinal,
            })),
            Fixed::WeakTable if self.shape == WorkloadShape::Maps => Box::new(units().map(move |n| {
                let place = self.place_of(n, layout);
                // The pair's text is the last string of a unit of maps.
                let name = FixedName::String(place.string + layout.strings_per_unit - 1);
                FixedEdge { kind: "internal", name, to: place.ordinal + 10 }
            })),
            Fixed::Constructor => Box::new(
                [
                    to("property", "prototype", Fixed::ClassPrototype),
                    to("internal", "shared", Fixed::SharedInfo),
                    to("internal", "context", Fixed::OuterContext),
                    to("internal", "map", Fixed::ClosureMap),
                ]
                .into_iter(),
            ),
            Fixed::ClassPrototype => Box::new(
                [to("property", "constructor", Fixed::Constructor), to("internal", "map", Fixed::ObjectMap)]
                    .into_iter(),
            ),
            Fixed::SharedInfo => Box::new(
                [
                    to("internal", "name_or_scope_info", Fixed::ScopeInfo),
                    to("internal", "map", Fixed::CodeMap),
                ]
                .into_iter(),
            ),
            Fixed::City => Box::new([to("internal", "map", Fixed::StringMap)].into_iter()),
            map if (Fixed::StringMap as u32..=Fixed::ClassMap as u32).contains(&(map as u32)) => {
                Box::new([to("internal", "map", Fixed::MetaMap)].into_iter())
            }
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Writes the file.
    pub fn write<W: Write>(&self, out: W) -> io::Result<W> {
        let layout = Layout::of(self);
        let expected = self.expected();
        let meta = self.meta();
        let common: HashMap<&'static str, u64> = common_indexes().collect();
        let rows = match self.variant {
            Variant::Node24 | Variant::Node26 | Variant::Chrome | Variant::Scopes => TextLayout::Packed,
            _ => TextLayout::Rows,
        };
        let mut w = TextWriter::new(out, rows);
        let counts = HeaderCounts { nodes: expected.nodes, edges: expected.edges, ..HeaderCounts::default() };
        w.header(&meta, &counts)?;
        let width = meta.node_fields.len() as u64;
        let mut unit = Unit::default();
        w.open("nodes")?;
        for ((fixed, edges), (kind, name, size)) in self.fixed_edges(&layout).zip(FIXED) {
            let id = 2 * fixed as u64 + 1;
            let kind = meta.node_type(kind).unwrap_or(0) as u64;
            w.row(&node_row(&meta, kind, common[name], id, size, edges.count() as u64))?;
        }
        self.walk(&layout, &mut unit, |unit, place| {
            self.write_nodes(&mut w, unit, place, &layout, &meta, &common)
        })?;
        w.close()?;
        w.open("edges")?;
        for (_, edges) in self.fixed_edges(&layout) {
            for edge in edges {
                let name = match edge.name {
                    FixedName::Common(name) => common[name],
                    FixedName::Number(number) | FixedName::String(number) => number,
                };
                w.row(&[meta.edge_type(edge.kind).unwrap_or(0) as u64, name, edge.to * width])?;
            }
        }
        self.walk(&layout, &mut unit, |unit, place| self.write_edges(&mut w, unit, place, &meta, &common))?;
        w.close()?;
        for section in ["trace_function_infos", "trace_tree", "samples"] {
            w.open(section)?;
            w.close()?;
        }
        w.open("locations")?;
        let (script, line, column) = CLASS_LOCATION;
        w.row(&[Fixed::Constructor as u64 * width, script, line, column])?;
        self.walk(&layout, &mut unit, |unit, place| {
            for (own, node) in unit.nodes.iter().enumerate() {
                if let Some((script, line, column)) = node.location {
                    w.row(&[(place.ordinal + own as u64) * width, script, line, column])?;
                }
            }
            Ok(())
        })?;
        w.close()?;
        w.open("strings")?;
        for name in COMMON.iter().chain(FIXED_NAMES.iter()) {
            w.string(&escape(name))?;
        }
        self.walk(&layout, &mut unit, |unit, _| unit.strings.iter().try_for_each(|s| w.string(&escape(s))))?;
        w.raw("]")?;
        w.finish()
    }

    fn write_nodes<W: Write>(
        &self,
        w: &mut TextWriter<W>,
        unit: &Unit,
        place: &UnitPosition,
        layout: &Layout,
        meta: &Meta,
        common: &HashMap<&'static str, u64>,
    ) -> io::Result<()> {
        for (own, node) in unit.nodes.iter().enumerate() {
            let kind = meta.node_type(node.kind).unwrap_or(0) as u64;
            let id = self.id(place, own as u64, layout, node.kind == "native");
            let name = name_index(node.name, place, common);
            w.row(&node_row(meta, kind, name, id, node.size, u64::from(node.edges)))?;
        }
        Ok(())
    }

    fn write_edges<W: Write>(
        &self,
        w: &mut TextWriter<W>,
        unit: &Unit,
        place: &UnitPosition,
        meta: &Meta,
        common: &HashMap<&'static str, u64>,
    ) -> io::Result<()> {
        let width = meta.node_fields.len() as u64;
        for &UnitEdge { kind, name, to } in &unit.edges {
            let ordinal = match to {
                EdgeTarget::Own(own) => place.ordinal + u64::from(own),
                EdgeTarget::Fixed(fixed) => fixed as u64,
                EdgeTarget::Before(own) => {
                    place.before.map_or(Fixed::Null as u64, |first| first + u64::from(own))
                }
            };
            let name = name_index(name, place, common);
            w.row(&[meta.edge_type(kind).unwrap_or(0) as u64, name, ordinal * width])?;
        }
        Ok(())
    }
}

fn element(index: u64, ordinal: u64) -> FixedEdge {
    FixedEdge { kind: "element", name: FixedName::Number(index), to: ordinal }
}

fn node_row(meta: &Meta, kind: u64, name: u64, id: u64, size: u64, edges: u64) -> Vec<u64> {
    // The order of the columns is the variant's.
    let column = |field: &String| match field.as_str() {
        "type" => kind,
        "name" => name,
        "id" => id,
        "self_size" => size,
        "edge_count" => edges,
        _ => 0,
    };
    meta.node_fields.iter().map(column).collect()
}

fn name_index(name: Name, place: &UnitPosition, common: &HashMap<&'static str, u64>) -> u64 {
    match name {
        Name::Common(text) => common[text],
        Name::Own(own) => place.string + u64::from(own),
        Name::Index(index) => index,
    }
}

fn common_indexes() -> impl Iterator<Item = (&'static str, u64)> {
    COMMON.iter().chain(FIXED_NAMES.iter()).enumerate().map(|(i, &name)| (name, i as u64))
}

enum FixedName {
    Common(&'static str),
    Number(u64),
    String(u64),
}

struct FixedEdge {
    kind: &'static str,
    name: FixedName,
    to: u64,
}

/// Where things are: every unit has as many nodes and strings as every other.
struct Layout {
    first_unit: u64,
    first_string: u64,
    nodes_per_unit: u64,
    strings_per_unit: u64,
    nodes_per_runtime: u64,
    strings_per_runtime: u64,
}

impl Layout {
    fn of(workload: &Workload) -> Layout {
        Layout::sizes(workload.shape, workload.seed, workload.runtime)
    }

    fn sizes(shape: WorkloadShape, seed: u64, runtime: u64) -> Layout {
        let mut unit = Unit::default();
        unit.runtime(seed, 0);
        let (nodes_per_runtime, strings_per_runtime) = (unit.nodes.len() as u64, unit.strings.len() as u64);
        unit.fill(shape, seed, 0, |_| 1);
        Layout {
            first_unit: Fixed::COUNT as u64 + runtime * nodes_per_runtime,
            first_string: COMMON_STRINGS + runtime * strings_per_runtime,
            nodes_per_unit: unit.nodes.len() as u64,
            strings_per_unit: unit.strings.len() as u64,
            nodes_per_runtime,
            strings_per_runtime,
        }
    }
}

struct ByteCounter(u64);

impl Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
