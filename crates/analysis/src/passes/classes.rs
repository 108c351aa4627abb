//! Class names and class keys.
//!
//! A class is a name plus, for objects whose constructor's position is known, that position. DevTools tells
//! classes apart by the index of the name in the string table, so two names with the same text can be two
//! classes with one key; that is kept here (see `aggregates`). Time: one step per node, one look-up in a small
//! table per object. Memory: 4 bytes per node and a few words per class.

use foldhash::{HashMap, HashMapExt};

use super::shapes::{Definition, NO_SHAPE, PlainObjects};
use crate::scratch::BufferPool;
use stillheap_graph::column::Column;
use stillheap_graph::strings::kind;
use stillheap_graph::types::node;
use stillheap_graph::{Graph, Location};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// WTF-8.
    pub name: Vec<u8>,
    /// Position of the constructor, if the snapshot has it.
    pub location: Option<Location>,
}

impl Class {
    /// `scriptId,line,column,Name` or `,Name`: the same in every snapshot of a program.
    pub fn key(&self) -> String {
        let name = String::from_utf8_lossy(&self.name);
        match self.location {
            Some(l) => format!("{},{},{},{name}", l.script_id, l.line, l.column),
            None => format!(",{name}"),
        }
    }
}

/// The class of every node.
pub(crate) struct Classes {
    pub(crate) of_node: Column<u32>,
    pub(crate) list: Vec<Class>,
}

/// Where a class name comes from; equal sources are the same class (if the location is the same too).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum NameSource {
    /// A name of the string table.
    String(u32),
    /// A name made up here, by number.
    Made(u32),
    Shape(u32),
}

struct Builder<'g> {
    graph: &'g Graph,
    made: HashMap<Vec<u8>, u32>,
    made_names: Vec<Vec<u8>>,
    definitions: &'g [Definition],
    plain: HashMap<NameSource, u32>,
    located: HashMap<(NameSource, Location), u32>,
    located_by_text: HashMap<(Vec<u8>, Location), u32>,
    list: Vec<Class>,
    tags: HashMap<u32, u32>,
    /// The last few look-ups of objects, direct-mapped.
    recent: Vec<Option<(NameSource, Option<Location>, u32)>>,
}

pub(crate) fn compute(
    graph: &Graph,
    objects: &PlainObjects,
    definitions: &[Definition],
    scratch: &BufferPool,
) -> Classes {
    let shapes = objects.apply(graph, definitions);
    let mut builder = Builder {
        graph,
        made: HashMap::new(),
        made_names: Vec::new(),
        definitions,
        plain: HashMap::new(),
        located: HashMap::new(),
        located_by_text: HashMap::new(),
        list: Vec::new(),
        tags: HashMap::new(),
        recent: vec![None; 256],
    };
    let mut by_type = [u32::MAX; 256];
    let mut of_node = scratch.numbers(graph.node_type.len());
    let mut next_plain = 0;
    let mut next_location = 0;
    for (ordinal, &ty) in graph.node_type.iter().enumerate() {
        if ty != node::OBJECT && ty != node::NATIVE {
            if by_type[ty as usize] == u32::MAX {
                by_type[ty as usize] = builder.of_type(ty);
            }
            of_node.push(by_type[ty as usize]);
            continue;
        }
        let string = graph.node_name[ordinal];
        let name_kind = graph.strings.kind(string);
        let mut location = None;
        let source = if ty == node::OBJECT {
            while graph.location_nodes.get(next_location).is_some_and(|&n| (n as usize) < ordinal) {
                next_location += 1;
            }
            if graph.location_nodes.get(next_location) == Some(&(ordinal as u32)) {
                location = graph.locations.get(next_location);
            }
            if name_kind == kind::OBJECT {
                let shape = shapes[objects.sequence_of[next_plain] as usize];
                next_plain += 1;
                if shape == NO_SHAPE { NameSource::String(string) } else { NameSource::Shape(shape) }
            } else {
                builder.of_name(string, name_kind)
            }
        } else {
            builder.of_name(string, name_kind)
        };
        of_node.push(builder.class(source, location));
    }
    Classes { of_node: of_node.into(), list: builder.list }
}

impl Builder<'_> {
    fn made(&mut self, name: &[u8]) -> u32 {
        if let Some(&index) = self.made.get(name) {
            return index;
        }
        let index = self.made_names.len() as u32;
        self.made_names.push(name.to_vec());
        self.made.insert(name.to_vec(), index);
        index
    }

    /// Classes of types whose nodes all share one.
    fn of_type(&mut self, ty: u8) -> u32 {
        let name = match ty {
            node::HIDDEN => "(system)".to_owned(),
            node::CODE => "(compiled code)".to_owned(),
            node::CLOSURE => "Function".to_owned(),
            node::REGEXP => "RegExp".to_owned(),
            _ => format!("({})", self.graph.node_type_name(ty)),
        };
        let made = self.made(name.as_bytes());
        self.class(NameSource::Made(made), None)
    }

    #[inline]
    fn of_name(&mut self, string: u32, name_kind: u8) -> NameSource {
        match name_kind {
            kind::TAG => NameSource::Made(self.tag(string, 0)),
            kind::DETACHED_TAG => NameSource::Made(self.tag(string, 10)),
            _ => NameSource::String(string),
        }
    }

    /// `<div class="x">` is a `<div>`; the first space after `from` ends the tag's name.
    fn tag(&mut self, string: u32, from: usize) -> u32 {
        if let Some(&made) = self.tags.get(&string) {
            return made;
        }
        let name = self.graph.strings.bytes(string);
        let cut = name.get(from..).and_then(|rest| memchr::memchr(b' ', rest));
        let name = match cut {
            Some(space) => [&name[..from + space], b">"].concat(),
            None => name.to_vec(),
        };
        let made = self.made(&name);
        self.tags.insert(string, made);
        made
    }

    fn text(&self, source: NameSource) -> &[u8] {
        match source {
            NameSource::String(string) => self.graph.strings.bytes(string),
            NameSource::Made(made) => &self.made_names[made as usize],
            NameSource::Shape(shape) => &self.definitions[shape as usize].name,
        }
    }

    #[inline]
    fn class(&mut self, source: NameSource, location: Option<Location>) -> u32 {
        let number = match source {
            NameSource::String(n) => n,
            NameSource::Made(n) => n.wrapping_add(77),
            NameSource::Shape(n) => n.wrapping_add(155),
        };
        let mixed = number ^ location.map_or(0, |l| (l.line as u32).wrapping_mul(31) ^ l.column as u32);
        let slot = (mixed.wrapping_mul(0x9e37_79b1) >> 24) as usize;
        if let Some((s, l, class)) = self.recent[slot]
            && s == source
            && l == location
        {
            return class;
        }
        let class = self.look_up(source, location);
        self.recent[slot] = Some((source, location, class));
        class
    }

    fn look_up(&mut self, source: NameSource, location: Option<Location>) -> u32 {
        let known = match location {
            None => self.plain.get(&source).copied(),
            Some(location) => self.located.get(&(source, location)).copied(),
        };
        if let Some(class) = known {
            return class;
        }
        let name = self.text(source).to_vec();
        let next = self.list.len() as u32;
        let class = match location {
            None => next,
            // With a location DevTools compares the text.
            Some(location) => *self.located_by_text.entry((name.clone(), location)).or_insert(next),
        };
        match location {
            None => drop(self.plain.insert(source, class)),
            Some(location) => drop(self.located.insert((source, location), class)),
        }
        if class == next {
            self.list.push(Class { name, location });
        }
        class
    }
}
