//! Properties of objects, in each of the ways that V8 keeps them.

use crate::heap::Heap;
use crate::memory::is_strong;
use crate::object::MapInfo;

/// A property as a dictionary, a descriptor or a global's cell has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) key: u64,
    pub(crate) details: u64,
    pub(crate) value: u64,
}

impl Property {
    pub(crate) fn is_accessor(&self) -> bool {
        self.details & 1 == 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldSlot {
    /// In the object, at this offset.
    Inside(u64),
    /// In its property array, at this offset.
    Outside(u64),
}

impl Heap<'_> {
    pub(crate) fn is_field(&self, details: u64) -> bool {
        details & self.space.layout.offsets.detail_location_mask == 0
    }

    /// Whether a field is a Smi or an unboxed double, so that no object is behind it.
    pub(crate) fn is_plain_number(&self, details: u64) -> bool {
        let o = &self.space.layout.offsets;
        matches!((details & o.detail_representation_mask) >> o.detail_representation_shift, 1 | 2)
    }

    pub(crate) fn field_place(&self, map: &MapInfo, details: u64) -> FieldSlot {
        let o = &self.space.layout.offsets;
        let index = (details & o.detail_index_mask) >> o.detail_index_shift;
        let start = u64::from(map.inobject_start);
        let inside = (map.size / 8).saturating_sub(start);
        if index < inside {
            FieldSlot::Inside((start + index) * 8)
        } else {
            FieldSlot::Outside(16 + 8 * (index - inside))
        }
    }

    pub(crate) fn at_place(&self, object: u64, place: FieldSlot) -> u64 {
        match place {
            FieldSlot::Inside(offset) => self.word(object + offset),
            FieldSlot::Outside(offset) => {
                let properties = self.word(object + self.space.layout.offsets.properties);
                if is_strong(properties) { self.word(properties - 1 + offset) } else { 0 }
            }
        }
    }

    /// The properties that a fast map describes; a field's value is in the object.
    pub(crate) fn descriptors(&self, map: &MapInfo) -> Vec<Property> {
        let array = self.word(map.address + self.space.layout.offsets.map_descriptors);
        if !is_strong(array) {
            return Vec::new();
        }
        let array = array - 1;
        let count = map.own_descriptors().min(u64::from(self.short(array + 8)));
        let first = array + self.space.layout.offsets.descriptors_header;
        (0..count)
            .map(|n| first + 24 * n)
            .map(|at| Property {
                key: self.word(at),
                details: (self.word(at + 8) as i64 >> 32) as u64,
                value: self.word(at + 16),
            })
            .collect()
    }

    /// The entries of a NameDictionary.
    pub(crate) fn dictionary(&self, table: u64) -> Vec<Property> {
        let length = self.array_length(table);
        let types = &self.space.layout.types;
        let mut out = Vec::new();
        let mut at = self.space.layout.offsets.dictionary_start;
        while at + 2 < length {
            let entry = table + 16 + 8 * at;
            let key = self.word(entry);
            let kind = self.type_behind(key);
            if kind < types.first_nonstring || kind == types.symbol {
                let details = (self.word(entry + 16) as i64 >> 32) as u64;
                out.push(Property { key, details, value: self.word(entry + 8) });
            }
            at += 3;
        }
        out
    }

    /// The entries of a GlobalDictionary: cells with name, details and value.
    pub(crate) fn global_dictionary(&self, table: u64) -> Vec<Property> {
        let cells = self.array_length(table);
        (3..cells)
            .map(|n| self.word(table + 16 + 8 * n))
            .filter(|&cell| self.type_behind(cell) == self.space.layout.types.property_cell)
            .map(|cell| Property {
                key: self.word(cell - 1 + 8),
                details: (self.word(cell - 1 + 16) as i64 >> 32) as u64,
                value: self.word(cell - 1 + 24),
            })
            .collect()
    }

    /// The entries of a dictionary of numbers: index and value.
    pub(crate) fn number_dictionary(&self, table: u64) -> Vec<(u32, u64)> {
        let length = self.array_length(table);
        let mut out = Vec::new();
        let mut at = 4;
        while at + 2 < length {
            let entry = table + 16 + 8 * at;
            if let Some(index) = self.number(self.word(entry)) {
                out.push((index as u32, self.word(entry + 8)));
            }
            at += 3;
        }
        out
    }

    /// The properties that an object keeps beside its map; none for fast ones.
    pub(crate) fn slow_properties(&self, object: u64, map: &MapInfo) -> Option<Vec<Property>> {
        let types = &self.space.layout.types;
        let table = self.word(object + self.space.layout.offsets.properties);
        if map.instance_type == types.global_object {
            return Some(if is_strong(table) { self.global_dictionary(table - 1) } else { Vec::new() });
        }
        if !map.is_dictionary() {
            return None;
        }
        let is_table = self.type_behind(table) == types.name_dictionary;
        Some(if is_table { self.dictionary(table - 1) } else { Vec::new() })
    }

    /// An object's own property that has a value, by its key; 0 if there is none.
    pub(crate) fn own(&self, object: u64, key: u64) -> u64 {
        let Some(map) = self.info(object).copied() else { return 0 };
        if let Some(all) = self.slow_properties(object, &map) {
            return all.iter().find(|p| p.key == key && !p.is_accessor()).map_or(0, |p| p.value);
        }
        match self.descriptors(&map).iter().find(|p| p.key == key && !p.is_accessor()) {
            Some(p) if self.is_field(p.details) => self.at_place(object, self.field_place(&map, p.details)),
            Some(p) => p.value,
            None => 0,
        }
    }
}
