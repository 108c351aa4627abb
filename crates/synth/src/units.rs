//! The repeating parts of a [`crate::Workload`]: a unit is a fixed number of nodes that can be made again from its
//! number, so that nodes, edges and strings are written in three walks that remember nothing.
//!
//! A unit holds at most some thirty nodes; the buffers are reused.

use crate::prelude::{CLASS_LOCATION, Fixed};
use crate::rng::Rng;

/// What the objects of a workload are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkloadShape {
    /// Class instances, maps, closures, a linked list and strings, in a real program's proportions.
    Mixed,
    /// One list, a node each: as deep as the file is long.
    LinkedList,
    /// Unique, repeated, concatenated and sliced strings, with everything that must be escaped.
    Strings,
    /// Maps with their tables, and a WeakMap's entries.
    Maps,
    /// Closures that hold on to each other through shared contexts, a template at a time.
    Closures,
    /// One array of plain objects of many shapes.
    Wide,
}

/// Where an edge goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EdgeTarget {
    /// A node of this unit.
    Own(u32),
    /// A node of the prelude.
    Fixed(Fixed),
    /// A node of the unit before this one that still lives; null for the first.
    Before(u32),
}

/// A name: of the common table or one of the unit's own strings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    Common(&'static str),
    Own(u32),
    Index(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitNode {
    pub kind: &'static str,
    pub name: Name,
    pub size: u64,
    pub edges: u32,
    pub location: Option<(u64, u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitEdge {
    pub kind: &'static str,
    pub name: Name,
    pub to: EdgeTarget,
}

/// The buffers that a unit is made in.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    pub nodes: Vec<UnitNode>,
    pub edges: Vec<UnitEdge>,
    pub strings: Vec<String>,
    /// Own ordinal of the planted instance, and what it retains, itself included.
    pub planted: Option<(u32, u64)>,
}

impl Unit {
    fn node(&mut self, kind: &'static str, name: Name, size: u64) -> u32 {
        self.nodes.push(UnitNode { kind, name, size, edges: 0, location: None });
        self.nodes.len() as u32 - 1
    }

    fn edge(&mut self, kind: &'static str, name: &'static str, to: EdgeTarget) {
        self.edge_named(kind, Name::Common(name), to);
    }

    fn edge_named(&mut self, kind: &'static str, name: Name, to: EdgeTarget) {
        self.nodes.last_mut().expect("a node comes before its edges").edges += 1;
        self.edges.push(UnitEdge { kind, name, to });
    }

    fn own(&mut self, kind: &'static str, name: &'static str, to: u32) {
        self.edge(kind, name, EdgeTarget::Own(to));
    }

    fn map(&mut self, map: Fixed) {
        self.edge("internal", "map", EdgeTarget::Fixed(map));
    }

    /// A JavaScript string with its own text.
    fn string(&mut self, text: String) -> u32 {
        // A one-byte string: a header of 12 bytes, padded to eight.
        let size = (12 + text.len() as u64).next_multiple_of(8);
        let name = Name::Own(self.strings.len() as u32);
        self.strings.push(text);
        let node = self.node("string", name, size);
        self.map(Fixed::StringMap);
        node
    }

    /// An instance of a class or a plain object; its fields follow as edges, then [`Unit::end_object`].
    fn object(&mut self, class: &'static str, size: u64) -> u32 {
        let node = self.node("object", Name::Common(class), size);
        if !matches!(class, "Object" | "Array" | "Map" | "ArrayBuffer" | "system / Context") {
            self.nodes[node as usize].location = Some(CLASS_LOCATION);
        }
        node
    }

    fn end_object(&mut self, class: &'static str) {
        let (prototype, map) = match class {
            "Object" => (Fixed::ObjectPrototype, Fixed::ObjectMap),
            "Array" => (Fixed::ArrayPrototype, Fixed::ArrayMap),
            "Map" => (Fixed::MapPrototype, Fixed::MapMap),
            _ => (Fixed::ClassPrototype, Fixed::ClassMap),
        };
        self.edge("property", "__proto__", EdgeTarget::Fixed(prototype));
        self.map(map);
    }

    fn number(&mut self) -> u32 {
        let node = self.node("number", Name::Common("heap number"), 16);
        self.map(Fixed::NumberMap);
        node
    }

    fn closure(&mut self, name: &'static str, line: u64, context: EdgeTarget) -> u32 {
        let node = self.node("closure", Name::Common(name), 64);
        self.nodes[node as usize].location = Some((82, line, 30));
        self.edge("property", "__proto__", EdgeTarget::Fixed(Fixed::FunctionPrototype));
        self.edge("internal", "feedback_cell", EdgeTarget::Fixed(Fixed::FeedbackCell));
        self.edge("internal", "shared", EdgeTarget::Fixed(Fixed::SharedInfo));
        self.edge("internal", "context", context);
        self.edge("internal", "code", EdgeTarget::Fixed(Fixed::Code));
        self.map(Fixed::ClosureMap);
        node
    }

    fn context(&mut self, variable: &'static str, to: EdgeTarget) -> u32 {
        let node = self.node("object", Name::Common("system / Context"), 40);
        self.edge("context", variable, to);
        self.edge("internal", "scope_info", EdgeTarget::Fixed(Fixed::ScopeInfo));
        self.edge("internal", "previous", EdgeTarget::Fixed(Fixed::OuterContext));
        self.map(Fixed::ContextMap);
        node
    }

    /// A record whose payload nothing else holds: its retained size is known by construction.
    fn planted(&mut self, number: u64) -> u32 {
        // Every fourth unit has the planted class, the others one of the same build.
        let class = if number.is_multiple_of(4) { "PlantedRecord" } else { "Record" };
        let (first, at) = (self.nodes.len(), self.nodes.len() as u32);
        self.object(class, 32);
        self.own("property", "payload", at + 1);
        self.end_object(class);
        self.object("Object", 40);
        self.own("property", "serial", at + 2);
        self.own("property", "tag", at + 3);
        self.end_object("Object");
        self.number();
        self.string(format!("planted record {number}"));
        if class == "PlantedRecord" {
            self.planted = Some((at, self.nodes[first..].iter().map(|n| n.size).sum()));
        }
        at
    }

    /// The unit of `number`. `ids` gives the id of an own node (weak pairs carry ids in their names).
    pub fn fill(&mut self, shape: WorkloadShape, seed: u64, number: u64, ids: impl Fn(u32) -> u64) {
        self.nodes.clear();
        self.edges.clear();
        self.strings.clear();
        self.planted = None;
        let mut rng = Rng::new(seed ^ number.wrapping_mul(0xff51_afd7_ed55_8ccd));
        match shape {
            WorkloadShape::Mixed => self.mixed(number, &mut rng),
            WorkloadShape::LinkedList => self.linked_list(),
            WorkloadShape::Strings => self.texts(number, &mut rng),
            WorkloadShape::Maps => self.maps(number, &mut rng, ids),
            WorkloadShape::Closures => self.closures(number, &mut rng),
            WorkloadShape::Wide => self.wide(number, &mut rng),
        }
    }

    /// The own nodes that the store's array points to.
    pub fn entries(shape: WorkloadShape) -> &'static [u32] {
        match shape {
            // User, handler, map, text, sliced string, record, buffer.
            WorkloadShape::Mixed => &[0, 10, 14, 18, 19, 20, 24],
            WorkloadShape::LinkedList => &[],
            WorkloadShape::Strings => &[0, 1, 2, 5, 7, 8],
            WorkloadShape::Maps => &[0, 14],
            WorkloadShape::Closures => &[10],
            WorkloadShape::Wide => &[0, 4],
        }
    }

    /// The own node by which each unit holds the one before, for shapes that are a chain: the store holds the last.
    pub fn chain_head(shape: WorkloadShape) -> Option<u32> {
        match shape {
            WorkloadShape::Mixed => Some(13),
            WorkloadShape::LinkedList | WorkloadShape::Closures => Some(0),
            _ => None,
        }
    }

    fn mixed(&mut self, number: u64, rng: &mut Rng) {
        self.object("User", 80);
        self.own("property", "name", 1);
        self.own("property", "address", 4);
        self.own("property", "visits", 6);
        self.own("property", "tags", 7);
        self.end_object("User");
        self.concatenated(2, 3);
        self.string(format!("user-{number}"));
        self.string(format!("@example-{}.org", rng.below(97)));
        self.object("Address", 40);
        self.own("property", "street", 5);
        self.edge("property", "city", EdgeTarget::Fixed(Fixed::City));
        self.end_object("Address");
        self.string(format!("{number} Elm Street"));
        self.number();
        self.object("Array", 32);
        self.edge_named("element", Name::Index(0), EdgeTarget::Own(8));
        self.edge_named("element", Name::Index(1), EdgeTarget::Own(6));
        self.own("internal", "elements", 9);
        self.end_object("Array");
        self.string(format!("tag{}", rng.below(50)));
        self.node("array", Name::Common("(object elements)"), 32);
        self.own("internal", "0", 8);
        self.own("internal", "1", 6);
        self.map(Fixed::BackingStoreMap);
        self.closure("handler", 60 + rng.below(9) as u64, EdgeTarget::Own(11));
        self.context("connection", EdgeTarget::Own(12));
        self.object("Object", 48);
        self.own("property", "id", 6);
        if rng.one_in(3) {
            self.edge("property", "open", EdgeTarget::Fixed(Fixed::Null));
        }
        self.edge("property", "peer", EdgeTarget::Fixed(Fixed::Null));
        self.end_object("Object");
        self.object("ListNode", 32);
        self.edge("property", "next", EdgeTarget::Before(13));
        self.own("property", "value", 6);
        self.end_object("ListNode");
        self.object("Map", 32);
        self.own("internal", "table", 15);
        self.end_object("Map");
        self.node("array", Name::Common(""), 152);
        self.own("internal", "0", 16);
        self.own("internal", "1", 17);
        self.map(Fixed::BackingStoreMap);
        self.string(format!("k{number}"));
        self.object("Object", 32);
        self.own("property", "hits", 6);
        self.end_object("Object");
        let filler = "lorem ipsum \"dolor\"\n".repeat(1 + rng.below(4));
        self.string(format!("line {number}: {filler}"));
        self.sliced(18);
        let record = self.planted(number);
        debug_assert_eq!(record, 20);
        self.object("ArrayBuffer", 88);
        self.own("internal", "backing_store", 25);
        self.end_object("ArrayBuffer");
        self.node("native", Name::Common("system / JSArrayBufferData"), 64 * (1 + rng.below(4) as u64));
    }

    fn concatenated(&mut self, first: u32, second: u32) {
        self.node("concatenated string", Name::Common("(concatenated string)"), 32);
        self.own("internal", "first", first);
        self.own("internal", "second", second);
        self.map(Fixed::ConsMap);
    }

    fn sliced(&mut self, parent: u32) {
        self.node("sliced string", Name::Common("(sliced string)"), 32);
        self.own("internal", "parent", parent);
        self.map(Fixed::SlicedMap);
    }

    fn linked_list(&mut self) {
        self.object("ListNode", 32);
        self.edge("property", "next", EdgeTarget::Before(0));
        self.end_object("ListNode");
        self.planted = Some((0, 32));
    }

    fn texts(&mut self, number: u64, rng: &mut Rng) {
        self.string(format!("unique \u{e9}\u{4e2d}\u{1F600} {number}\t\\\"{}\"\n", rng.next_u64()));
        self.string(format!("duplicate number {}", rng.below(200)));
        self.concatenated(3, 4);
        self.string("const x = () => { return 'it\\'s'; };\n".repeat(1 + rng.below(6)));
        self.string(format!("</script>\u{7f}\u{1}{}", rng.below(1000)));
        self.concatenated(2, 1);
        self.string("z".repeat(8 << rng.below(6)));
        self.sliced(6);
        self.planted(number);
    }

    fn maps(&mut self, number: u64, rng: &mut Rng, ids: impl Fn(u32) -> u64) {
        self.object("Map", 32);
        self.own("internal", "table", 1);
        self.end_object("Map");
        self.node("array", Name::Common(""), 280);
        for (i, name) in ["0", "1", "2", "3"].into_iter().enumerate() {
            self.own("internal", name, 2 + i as u32);
            self.own("internal", name, 6 + i as u32);
        }
        self.map(Fixed::BackingStoreMap);
        for i in 0..4 {
            self.string(format!("key {} of {number}", i + rng.below(3)));
        }
        for _ in 0..3 {
            self.object("Object", 40);
            self.own("property", "hits", 9);
            self.end_object("Object");
        }
        self.number();
        // A weak pair: the key lives in the store, its value only as long.
        let pair = format!(
            "{} / part of key (Address @{}) -> value (Record @{}) pair in WeakMap (table @{})",
            number + 1,
            ids(14),
            ids(10),
            2 * Fixed::WeakTable as u64 + 1
        );
        self.planted(number);
        self.object("Address", 40);
        self.nodes[14].location = Some(CLASS_LOCATION);
        self.edge("property", "city", EdgeTarget::Fixed(Fixed::City));
        let name = Name::Own(self.strings.len() as u32);
        self.strings.push(pair);
        self.edge_named("internal", name, EdgeTarget::Own(10));
        self.end_object("Address");
    }

    /// The leak that closures are known for: a method shares its context with another function, which holds the
    /// object before.
    fn closures(&mut self, number: u64, rng: &mut Rng) {
        self.object("EmailTemplate", 48);
        self.own("property", "send", 1);
        self.own("property", "nodes", 3);
        self.own("property", "text", 9);
        self.end_object("EmailTemplate");
        self.closure("send", 41, EdgeTarget::Own(2));
        self.context("original", EdgeTarget::Before(0));
        self.object("Array", 32);
        for i in 0..4 {
            self.edge_named("element", Name::Index(i), EdgeTarget::Own(5 + i as u32));
        }
        self.own("internal", "elements", 4);
        self.end_object("Array");
        self.node("array", Name::Common("(object elements)"), 48);
        for (i, name) in ["0", "1", "2", "3"].into_iter().enumerate() {
            self.own("internal", name, 5 + i as u32);
        }
        self.map(Fixed::BackingStoreMap);
        for i in 0..4 {
            self.object("EmailTemplateNode", 40);
            self.own("property", "parentTemplate", 0);
            self.edge(
                "property",
                "next",
                if i == 3 { EdgeTarget::Fixed(Fixed::Null) } else { EdgeTarget::Own(6 + i) },
            );
            self.end_object("EmailTemplateNode");
        }
        self.string(format!("Dear {}, number {number}. ", rng.below(100)).repeat(3));
        self.planted(number);
    }

    fn wide(&mut self, number: u64, rng: &mut Rng) {
        self.object("Object", 56);
        let kind = rng.below(63) + 1;
        for (bit, name) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
            if kind & (1 << bit) != 0 {
                self.own("property", name, 1 + (bit as u32 % 3));
            }
        }
        self.own("internal", "properties", 3);
        self.end_object("Object");
        self.number();
        self.string(format!("wide {}", rng.below(5000)));
        self.node("hidden", Name::Common("system / PropertyArray"), 40);
        self.own("internal", "0", 1);
        self.own("internal", "1", 2);
        self.map(Fixed::BackingStoreMap);
        self.planted(number);
    }

    /// What a program brings along before it does anything: code, hidden classes, names.
    pub fn runtime(&mut self, seed: u64, number: u64) {
        self.nodes.clear();
        self.edges.clear();
        self.strings.clear();
        self.planted = None;
        let mut rng = Rng::new(seed.rotate_left(17) ^ number);
        let rng = &mut rng;
        // Own nodes 0..12: strings, of which the first names the function.
        for i in 0..12 {
            self.string(format!("internalName{}_{}", number * 12 + i, "x".repeat(rng.below(24))));
        }
        self.string(format!("'use strict';\n\nconst {{\n  Symbol{number},\n}} = primordials;\n"));
        // 13..19: closures with their code, 19..25.
        for i in 0..6u32 {
            let node = self.node("closure", Name::Own(i), 64);
            self.nodes[node as usize].location = Some((number, 10 * u64::from(i), 34));
            self.edge("property", "__proto__", EdgeTarget::Fixed(Fixed::FunctionPrototype));
            self.own("property", "name", i);
            self.own("internal", "feedback_cell", 25 + i % 3);
            self.own("internal", "shared", 19 + i);
            self.own("internal", "context", 28);
            self.edge("internal", "code", EdgeTarget::Fixed(Fixed::Code));
            self.map(Fixed::ClosureMap);
        }
        for i in 0..6u32 {
            self.node("code", Name::Own(i), 56);
            self.own("internal", "name_or_scope_info", 29 + i % 2);
            self.own("internal", "function_data", 31 + i % 3);
            self.map(Fixed::CodeMap);
        }
        for i in 0..3u32 {
            self.node("code", Name::Common("system / FeedbackCell"), 24);
            self.edge_named("hidden", Name::Index(1), EdgeTarget::Own(13 + i));
            self.map(Fixed::CodeMap);
        }
        self.context("original", EdgeTarget::Own(34));
        for i in 0..2u32 {
            self.node("code", Name::Common("system / ScopeInfo"), 96);
            self.edge_named("hidden", Name::Index(3), EdgeTarget::Own(i));
            self.edge_named("hidden", Name::Index(4), EdgeTarget::Own(i + 2));
            self.map(Fixed::CodeMap);
        }
        for i in 0..3u32 {
            self.node("code", Name::Common("system / BytecodeArray"), 160 + 8 * rng.below(60) as u64);
            self.edge_named("hidden", Name::Index(1), EdgeTarget::Own(i + 4));
            self.edge_named("hidden", Name::Index(2), EdgeTarget::Own(i + 7));
            self.map(Fixed::CodeMap);
        }
        // 34..: objects, hidden classes and what hangs on them.
        self.object("Object", 56);
        for i in 0..6u32 {
            self.edge_named("property", Name::Own(i), EdgeTarget::Own(13 + i));
        }
        self.own("internal", "properties", 42);
        self.edge("property", "__proto__", EdgeTarget::Fixed(Fixed::ObjectPrototype));
        self.own("internal", "map", 35);
        for i in 0..4u32 {
            self.node("object shape", Name::Common("system / Map"), 72);
            self.own("internal", "descriptors", 39);
            self.edge("internal", "prototype", EdgeTarget::Fixed(Fixed::ObjectPrototype));
            self.own("internal", "constructor", 13);
            self.edge("internal", "dependent_code", EdgeTarget::Fixed(Fixed::Code));
            if i < 3 {
                self.own("weak", "transition", 36 + i);
            }
            self.own("internal", "back_pointer", 35 + i.saturating_sub(1));
            self.map(Fixed::MetaMap);
        }
        self.node("object shape", Name::Common("system / DescriptorArray"), 240);
        for (i, name) in ["0", "3"].into_iter().enumerate() {
            self.own("internal", name, i as u32);
        }
        self.own("internal", "2", 40);
        self.map(Fixed::MetaMap);
        for _ in 0..2 {
            self.node("hidden", Name::Common("system / AccessorPair"), 24);
            self.own("internal", "getter", 14);
            self.map(Fixed::MetaMap);
        }
        self.node("hidden", Name::Common("system / PropertyArray"), 56);
        self.own("internal", "0", 41);
        self.edge_named("hidden", Name::Index(2), EdgeTarget::Own(12));
        self.edge_named("hidden", Name::Index(3), EdgeTarget::Own(43));
        self.map(Fixed::BackingStoreMap);
        self.concatenated(10, 11);
    }
}
