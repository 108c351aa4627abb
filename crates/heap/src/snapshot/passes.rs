//! The two passes over all edges: one that counts them and tags what they lead to, one that hands them out.

use foldhash::HashMap;

use super::Edge;
use super::rank::{Ranked, ordinal, ordinal_of};
use crate::edges::{Label, Sink};
use crate::heap::Heap;
use crate::mark::{Marks, Place};
use crate::names::Name;
use crate::node::{EdgeKind, NodeKind};

#[derive(Clone, Copy)]
pub(super) struct Outside {
    pub(super) name: u32,
    pub(super) bytes: u64,
}

/// The tables that both passes over the edges share.
pub(super) struct Tables {
    pub(super) node_ranks: Vec<Ranked>,
    pub(super) first_outside: u32,
    pub(super) string_ranks: Vec<Ranked>,
    /// Strings of the heap that have a place in the table.
    pub(super) strings: u32,
    pub(super) made_strings: u32,
    /// Numbers that are texts: from 0 to below this.
    pub(super) numbers: u32,
    /// What pairs of WeakMaps are called.
    pub(super) pair_names: u32,
    /// For each made name, the string of the heap that has the same text, counted from 1; 0 where there is none.
    pub(super) twins: Vec<u32>,
    /// The same of numbers that have one.
    pub(super) number_twins: HashMap<u32, u32>,
    /// Bytes outside the heap by their address: number from `first_outside`.
    pub(super) outside: HashMap<u64, u32>,
    pub(super) outside_nodes: Vec<Outside>,
}

impl Tables {
    /// Where the strings of the heap begin in the table of strings: behind names, numbers and pairs.
    fn first_string(&self) -> u32 {
        self.made_strings + self.numbers + self.pair_names
    }

    pub(super) fn name(&self, heap: &Heap<'_>, marks: &Marks, name: Name) -> u32 {
        match name {
            Name::Made(id) => match self.twins.get(id as usize) {
                Some(twin @ 1..) => self.first_string() + twin - 1,
                _ => id,
            },
            Name::Text(address) => ordinal(heap, &marks.string_bits, &self.string_ranks, address)
                .map_or(0, |n| self.first_string() + n),
        }
    }

    #[inline(always)]
    pub(super) fn label(&self, heap: &Heap<'_>, marks: &Marks, label: Label) -> u32 {
        match label {
            Label::Index(index) => index,
            Label::Made(id) => self.name(heap, marks, Name::Made(id)),
            Label::Text(address) => self.name(heap, marks, Name::Text(address)),
            Label::Number(number) => match self.number_twins.get(&number) {
                Some(twin) => self.first_string() + twin - 1,
                None => self.made_strings + number,
            },
            Label::Pair(pair) => self.made_strings + self.numbers + pair,
        }
    }
}

/// What is left to tell of an object when its edges have been counted.
pub(super) struct EdgeCounts {
    pub(super) tags: Vec<u8>,
    pub(super) tag_names: Vec<(u32, Option<NodeKind>)>,
    pub(super) edges: Vec<u8>,
    pub(super) many_edges: HashMap<u32, u32>,
    pub(super) total: u64,
}

/// Where an object's count of edges is not in its byte.
pub(super) const MANY: u8 = u8::MAX;

pub(super) struct Counter<'t> {
    pub(super) marks: &'t Marks,
    pub(super) tables: &'t mut Tables,
    pub(super) counts: &'t mut EdgeCounts,
    pub(super) first: u32,
    pub(super) number: u32,
    pub(super) tag_ids: &'t mut HashMap<&'static str, u8>,
    /// Tags to be named when the visitor's names are free again.
    pub(super) new_tags: Vec<(&'static str, Option<NodeKind>)>,
    pub(super) data_name: u32,
}

impl Sink for Counter<'_> {
    #[inline(always)]
    fn edge(&mut self, _kind: EdgeKind, _label: Label, _to: Place) {
        self.number += 1;
    }

    fn tag(&mut self, object: Place, tag: &'static str, kind: Option<NodeKind>) {
        let node = ordinal_of(&self.marks.bits, &self.tables.node_ranks, object);
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

pub(super) struct Emitter<'t, F, E> {
    pub(super) heap: &'t Heap<'t>,
    pub(super) marks: &'t Marks,
    pub(super) tables: &'t Tables,
    pub(super) out: F,
    /// The first error of `out`, after which it isn't called any more.
    pub(super) outcome: Result<(), E>,
}

impl<E, F: FnMut(Edge) -> Result<(), E>> Emitter<'_, F, E> {
    #[inline(always)]
    pub(super) fn emit(&mut self, kind: EdgeKind, label: Label, to: u32) {
        let name = self.tables.label(self.heap, self.marks, label);
        if self.outcome.is_ok() {
            self.outcome = (self.out)(Edge { kind, name, to });
        }
    }
}

impl<E, F: FnMut(Edge) -> Result<(), E>> Sink for Emitter<'_, F, E> {
    #[inline(always)]
    fn edge(&mut self, kind: EdgeKind, label: Label, to: Place) {
        self.emit(kind, label, ordinal_of(&self.marks.bits, &self.tables.node_ranks, to));
    }

    fn outside(&mut self, label: Label, address: u64, _bytes: u64) {
        let to = self.tables.outside.get(&address).map_or(0, |n| self.tables.first_outside + n);
        self.emit(EdgeKind::Internal, label, to);
    }
}
