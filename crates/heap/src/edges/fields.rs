//! What objects of one fast map have in common: computed once per map, not per object.

use super::{Label, Visitor};
use crate::memory::is_strong;
use crate::node::EdgeKind;
use crate::object::MapInfo;
use crate::properties::{FieldSlot, Property};

/// The edges that a fast map's properties give.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// A property whose value is in the object.
    pub(crate) fields: Vec<(FieldSlot, EdgeKind, Label)>,
    /// A property whose value is in the map's descriptors.
    pub(crate) constants: Vec<(EdgeKind, Label, u64)>,
    /// Fields whose value may be a pair of accessors: looked at per object.
    pub(crate) accessors: Vec<(FieldSlot, Property)>,
}

impl Visitor<'_, '_> {
    pub(crate) fn fields_of(&mut self, map: &MapInfo) -> Fields {
        let heap = self.heap;
        let mut all = Fields::default();
        for property in heap.descriptors(map) {
            if heap.is_field(property.details) {
                if heap.is_plain_number(property.details) {
                    continue;
                }
                let place = heap.field_place(map, property.details);
                if property.is_accessor() {
                    all.accessors.push((place, property));
                } else {
                    let (kind, label) = self.property_label(property.key);
                    all.fields.push((place, kind, label));
                }
            } else {
                let edges = self.property_edges(&property);
                all.constants.extend(edges);
            }
        }
        all
    }

    /// The edges of a property whose value is known: one, and for a pair of accessors one for each that there is.
    pub(crate) fn property_edges(&mut self, property: &Property) -> Vec<(EdgeKind, Label, u64)> {
        let heap = self.heap;
        let mut edges = Vec::new();
        let is_pair = heap.type_behind(property.value) == heap.space.layout.types.accessor_pair;
        // Accessors of V8's own have no functions.
        if property.is_accessor() && !is_pair {
            return edges;
        }
        let (kind, label) = self.property_label(property.key);
        edges.push((kind, label, property.value));
        let pair = property.value;
        if property.is_accessor() {
            for (at, prefix) in [(8, "get "), (16, "set ")] {
                let accessor = heap.word(pair - 1 + at);
                let there =
                    is_strong(accessor) && heap.type_behind(accessor) != heap.space.layout.types.oddball;
                if there {
                    let key = heap.key(property.key);
                    let name = if heap.is_string(property.key) { format!("{prefix}{key}") } else { key };
                    let label = Label::Made(self.names.id(&name));
                    edges.push((EdgeKind::Property, label, accessor));
                }
            }
        }
        edges
    }

    /// A property without a name is an internal edge.
    pub(crate) fn property_label(&mut self, key: u64) -> (EdgeKind, Label) {
        let label = self.key_label(key);
        let nameless = self.heap.is_string(key) && self.heap.string_length(key - 1) == 0;
        (if nameless { EdgeKind::Internal } else { EdgeKind::Property }, label)
    }
}
